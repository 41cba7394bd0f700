"""The log-density of the unconstrained space where some values are in natural space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.joint.joint_logprob import LogProb
from graphs.joint.preparation import widen
from graphs.surgery.rebuilding import substitute
from graphs.variables.transforms import transforms_of


def unconstrained_total(logprob: LogProb, names: Iterable[str]) -> TensorVariable:
    """Return the total log-probability as a density of the unconstrained space, whatever space the values are in.

    Parameters
    ----------
    logprob : LogProb
        In which some values may be on the real line already.
    names : iterable of str
        Continuous variables whose values are in natural space; those that have a transform add its log-Jacobian.

    Returns
    -------
    TensorVariable
        Shape (), float64.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from graphs.joint.logprob import logprob
    >>> s = pm.HalfNormal.dist(1)
    >>> s.name = "s"
    >>> natural = logprob({pm.Normal.dist(0, s): 0.3})
    >>> total, at = unconstrained_total(natural, ["s"]), {natural.values["s"]: 2.0}
    >>> round(float(total.eval(at) - natural.total.eval(at) - np.log(2)), 12)
    0.0
    """
    graph = logprob.graph
    wanted = {name: graph.latent[name] for name in names}
    transforms = transforms_of(wanted, graph.transforms)
    stand_ins = {rv: logprob.natural[name] for name, rv in graph.latent.items() if name in logprob.natural}
    stand_ins |= dict(graph.observed.values())
    terms = dict(logprob.terms)
    for name, transform in transforms.items():
        inputs = substitute(wanted[name].owner.inputs, stand_ins)
        value = transform.forward(logprob.natural[name], *inputs)
        # Where nothing else has this name: terms are summed.
        terms[f"{name} on the real line"] = pt.sum(transform.log_jac_det(value, *inputs))
    return replace(logprob, terms=dict(zip(terms, widen(list(terms.values())), strict=True))).total


def log_jacobian_total(logprob: LogProb) -> TensorVariable:
    """Return the log-Jacobians that a log-probability on the real line has beyond the one in natural space.

    Parameters
    ----------
    logprob : LogProb
        With all its continuous values on the real line.

    Returns
    -------
    TensorVariable
        Shape (), float64: the total less this is the density of the values in natural space.

    Examples
    --------
    >>> import pymc as pm
    >>> from graphs.joint.logprob import logprob, unconstrain
    >>> s = pm.HalfNormal.dist(1)
    >>> s.name = "s"
    >>> moved = unconstrain(logprob({pm.Normal.dist(0, s): 0.3}))
    >>> round(float(log_jacobian_total(moved).eval({moved.values["s"]: 0.7})), 12)
    0.7
    """
    graph = logprob.graph
    wanted = {n: graph.latent[n] for n in logprob.values if n in graph.latent and not logprob.supports[n].is_discrete}
    stand_ins = {rv: logprob.natural[name] for name, rv in graph.latent.items() if name in logprob.natural}
    stand_ins |= dict(graph.observed.values())
    sums = []
    for name, transform in transforms_of(wanted, graph.transforms).items():
        inputs = substitute(wanted[name].owner.inputs, stand_ins)
        sums.append(pt.sum(transform.log_jac_det(logprob.values[name], *inputs)))
    total = pt.add(*sums) if len(sums) > 1 else sums[0] if sums else pt.constant(0.0)
    return pt.cast(total, "float64")
