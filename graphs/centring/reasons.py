"""Why a variable has no coordinates between centred and non-centred ones."""

from __future__ import annotations

from collections.abc import Mapping

import pytensor.tensor as pt
from pymc.distributions.timeseries import GARCH11RV, AutoRegressiveRV, EulerMaruyamaRV, RandomWalkRV
from pytensor.tensor.variable import TensorVariable

from graphs.centring.families import is_exponential, is_located
from graphs.centring.sequences import is_sequence
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.random_graph import depends_on


def why_not_located(logprob: LogProb, name: str) -> str:
    """Return why a variable cannot be partially centred, in words; empty where it can.

    Parameters
    ----------
    logprob : LogProb
        What NUTS sees.
    name : str
        The variable.
    """
    rv = logprob.graph.latent[name]
    if not (is_located(rv) or is_exponential(rv) or is_sequence(rv)):
        return (
            "its distribution is not a location plus a scale times what has neither, on the whole real line, nor of "
            "the exponential of that, nor such steps, one after the other (random walks, autoregressions of first "
            "order)"
        )
    natural, value = logprob.natural[name], logprob.values[name]
    if is_exponential(rv):
        owner = natural.owner
        is_moved_as_logarithm = owner is not None and owner.op == pt.exp and owner.inputs[0] is value
        return "" if is_moved_as_logarithm and name in logprob.terms else "what is moved is not its logarithm"
    if natural is not value:
        return "it has a transform of its own"
    if name not in logprob.terms:
        return "its log-probability is not known apart from that of other variables"
    return ""


def why_as_declared(logprob: LogProb, name: str, natural: Mapping[str, TensorVariable]) -> str:
    """Return why elements that follow on each other stay as they are declared, in words; empty of other variables.

    Parameters
    ----------
    logprob : LogProb
        What NUTS sees.
    name : str
        A variable without coordinates of its own.
    natural : mapping of str to TensorVariable
        As of `graphs.centring.partial_centring`.

    Examples
    --------
    >>> import pymc as pm
    >>> from graphs.joint.logprob import logprob as joint
    >>> x = pm.AR.dist([0.5, 0.2], init_dist=pm.Normal.dist(), steps=5)
    >>> x.name = "x"
    >>> y = pm.Normal.dist(x)
    >>> density = joint({y: y.type()})
    >>> why_as_declared(density, "x", density.values)
    'only walks and autoregressions of first order have coordinates that are learnt'
    """
    rv = logprob.graph.latent[name]
    if rv.owner is None:
        return ""
    if isinstance(rv.owner.op, AutoRegressiveRV | RandomWalkRV | EulerMaruyamaRV | GARCH11RV) and not is_sequence(rv):
        return "only walks and autoregressions of first order have coordinates that are learnt"
    if name in natural and any(depends_on(each, [natural[name]]) for each in rv.owner.inputs):
        return "its elements follow on each other, but not one on one and in proportion"
    return ""
