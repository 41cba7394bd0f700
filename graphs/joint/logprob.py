"""The joint log-probability of a graph of random variables: term by term, in natural or unconstrained space."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Literal

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.errors import ModelError
from graphs.integral import integrate, integrate_all, may_be_integrated
from graphs.joint.joint_logprob import LogProb, Space, states_of, strip
from graphs.joint.model_graph import ModelGraph, as_model_graph
from graphs.joint.preparation import prepare, widen
from graphs.joint.supports_of import support_of
from graphs.joint.terms import joint_terms, potential_terms, raise_if_random
from graphs.limits.constants import folded
from graphs.limits.stable_logits import stabilized
from graphs.marginal.atoms import at_all_states
from graphs.marginal.branches import with_branches
from graphs.marginal.finite import finite_states
from graphs.marginal.lifting import MOST_STATES
from graphs.marginal.summing_out import sum_out_all
from graphs.rolling.plates import with_plates
from graphs.rolling.rolling import find_rolls
from graphs.supports import REAL
from graphs.surgery.examples import of_known_shape
from graphs.surgery.random_graph import is_random, static_shape, unused_name, value_variable
from graphs.surgery.rebuilding import substitute
from graphs.surgery.traces import untraced
from graphs.variables.inner_outcome import untransposed
from graphs.variables.simulators import is_simulator, with_noise
from graphs.variables.transforms import constrain, log_jacobian, transforms_of

Marginalize = Literal["auto", "require"] | bool | list[str] | tuple[str, ...] | AbstractSet[str]
"""A collection of names, but not any iterable: a string is one, too, of its letters."""


def logprob(
    model: Any,
    *,
    space: Space = "natural",
    marginalize: Marginalize = "auto",
    max_states: int = MOST_STATES,
    apart: Iterable[str] | None = None,
) -> LogProb:
    """Derive the joint log-probability of a model.

    Parameters
    ----------
    model : ppl.Model, ModelGraph, or mapping of TensorVariable to value
        With a mapping, every random variable above its keys that is not a key itself is latent.
    space : {"natural", "unconstrained"}
        Where the values of latent variables live. In unconstrained space each is transformed to the real line and the
        log-Jacobian is part of its term.
    marginalize : "auto", "require", bool, or iterable of str
        Which finite discrete latent variables are summed out: those for which it is possible (``"auto"``), all of them
        or an error (``"require"``, ``True``), none (``False``), or those named. Continuous variables, and counts
        without a bound, are integrated out by their laws: those named, an error where there is no law, and with
        ``"require"`` or ``True`` all that have one. (What integrals cost and whether they pay, ``ppl.plan`` decides.)
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.
    apart : iterable of str, optional
        Take the values of variables that were declared one by one in the same form, twenty or more, together as one
        array, all but these; `LogProb.plates` says which. By default every variable has a value of its own.

    Returns
    -------
    LogProb

    Raises
    ------
    DerivationError
        If no log-probability is known for a variable; carries the smallest such subgraph.
    ModelError
        If names, shapes or values do not fit.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> components = pm.Normal.dist([-2.0, 3.0], 1.0)
    >>> index = pm.Categorical.dist([0.25, 0.75])
    >>> y = components[index]
    >>> round(float(logprob({y: 2.0, index: 1}).total.eval()), 6)
    -1.706621
    >>> round(float(logprob({y: 2.0}).total.eval()), 6)
    -1.706436
    """
    if space not in ("natural", "unconstrained"):
        raise ModelError(f"space is 'natural' or 'unconstrained', not {space!r}.")
    if isinstance(marginalize, str) and marginalize not in ("auto", "require"):
        raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
    graph = as_model_graph(model)
    with untraced():
        natural = _with_plates(graph, None if apart is None else frozenset(apart))
        summed = _marginalized(natural, marginalize, max_states)
        return unconstrain(summed) if space == "unconstrained" else summed


def _with_plates(graph: ModelGraph, apart: frozenset[str] | None) -> LogProb:
    """Derive the terms, variables of the same form being taken together but for those that stay apart."""
    values = {name: value_variable(rv, name) for name, rv in graph.latent.items()}
    if apart is None:
        return _natural_logprob(graph, values)
    graph, values, plates = with_plates(graph, values, apart)
    natural = _natural_logprob(graph, values)
    latent = {name: names for name, names in plates.items() if name in values}
    return replace(natural, plates=latent, members={**natural.members, **plates})


def _natural_logprob(graph: ModelGraph, values: dict[str, TensorVariable]) -> LogProb:
    """Derive the terms with a value for every variable, discrete ones included."""
    rv_values: dict[TensorVariable, Variable] = {rv: values[name] for name, rv in graph.latent.items()}
    rv_values |= dict(graph.observed.values())
    rollable = [rv for rv, _ in graph.observed.values() if not is_simulator(rv)]
    rollable += [rv for rv in graph.latent.values() if finite_states(rv) is not None]
    rolls, left = find_rolls(rv_values, rollable)
    # Those that are taken together are values from here on.
    rolled: dict[Variable, Variable] = {rv: rv_values[rv] for rv in rv_values if rv not in left}
    potentials = substitute(list(graph.potentials.values()), rolled) if rolled else list(graph.potentials.values())
    prepared = prepare([*left.values(), *potentials])
    fit = [prepared.get(v, v) for v in [*left.values(), *potentials]]
    fit = with_branches(fit, [new for rv, new in zip(left, fit, strict=False) if rv not in graph.latent.values()])
    ready = {rv: pt.as_tensor(new) for rv, new in zip(left, fit, strict=False)}
    # What became a graph stays the variable that has its name.
    latent = {name: now if is_random(now := ready.get(rv, rv)) else rv for name, rv in graph.latent.items()}
    observed = {name: (ready.get(rv, rv), value) for name, (rv, value) in graph.observed.items()}
    name_of = {rv: name for name, (rv, _) in graph.observed.items()} | {rv: n for n, rv in graph.latent.items()}
    own = dict(untransposed(ready[rv], rv_values[rv]) for rv in left)
    supports = {name: support_of(rv) for name, rv in latent.items()}
    where = {values[name]: support for name, support in supports.items()}
    terms, members = joint_terms(own, [name_of[rv] for rv in left], rolls, name_of, where)
    terms |= potential_terms(dict(zip(graph.potentials, substitute(fit[len(left) :], own), strict=True)), where)
    # Bounds of latent variables stay: in natural space nothing else keeps a value in its support.
    graphs = folded(strip_guards(widen(at_all_states(list(terms.values()), values, latent)), {}))
    terms = dict(zip(terms, graphs, strict=True))
    terms, noise = with_noise(terms, latent, observed)
    terms = {name: of_known_shape(term) for name, term in terms.items()}
    latent |= {name: n.rv for name, n in noise.items()}
    values |= {name: n.value for name, n in noise.items()}
    supports |= {name: n.support for name, n in noise.items()}
    members |= {name: (name,) for name in graph.potentials}
    prepared_graph = replace(graph, latent=latent, observed=observed)
    return LogProb(terms, values, dict(values), supports, (), "natural", prepared_graph, members)


def _marginalized(natural: LogProb, marginalize: Marginalize, max_states: int) -> LogProb:
    """Sum out finite discrete variables, then integrate out continuous ones."""
    finite = [name for name in natural.values if states_of(natural, name) is not None]
    others = [name for name in natural.values if may_be_integrated(natural, name)]
    if isinstance(marginalize, str | bool):
        is_required = marginalize in ("require", True)
        summed, errors = sum_out_all(natural, finite if marginalize else [], max_states)
        if errors and is_required:
            raise next(iter(errors.values()))
        return integrate(summed, others).joint if is_required else summed
    chosen = _named(natural, marginalize)
    summed, errors = sum_out_all(natural, [n for n in finite if n in chosen], max_states)
    if errors:
        raise next(iter(errors.values()))
    return integrate_all(summed, [n for n in chosen if n not in finite])


def _named(natural: LogProb, marginalize: Any) -> list[str]:
    """Return the names that were given.

    Raises
    ------
    ModelError
        If they are not names of latent variables, each of another.
    """
    if not isinstance(marginalize, Iterable):
        raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
    chosen = list(marginalize)
    for name in chosen:
        if chosen.count(name) > 1:
            raise ModelError(f"marginalize names {name!r} twice; once is enough.", name)
        if name not in natural.values:
            what = ", which is observed" if name in natural.graph.observed else ""
            latent = ", ".join(natural.values) or "none"
            raise ModelError(f"marginalize names {name!r}{what}; the latent variables are {latent}.", name)
    return chosen


def unconstrain(natural: LogProb, names: Iterable[str] | None = None) -> LogProb:
    """Take the values of a log-probability to the real line, adding the log-Jacobians to its terms.

    Parameters
    ----------
    natural : LogProb
        In natural space.
    names : iterable of str, optional
        The variables to transform; all that have a transform by default.

    Returns
    -------
    LogProb
        The same terms, log-Jacobians added; its values are free inputs on the real line.
    """
    rvs = {name: natural.graph.latent[name] for name in natural.values}
    transforms = transforms_of(rvs, natural.graph.transforms)
    wanted = {n for n in natural.values if not natural.supports[n].is_discrete} if names is None else set(names)
    transforms = {name: t for name, t in transforms.items() if name in wanted}
    if not transforms:
        return replace(natural, space="unconstrained")
    stand_ins: dict[Variable, Variable] = {
        rv: natural.values[name] for name, rv in natural.graph.latent.items() if name in natural.values
    }
    stand_ins |= dict(natural.graph.observed.values())
    values = dict(natural.values)
    backward: dict[Variable, Variable] = {}
    merged = {name for s in natural.sums for piece in s.pieces for name in piece.names}
    jacobians: dict[str, tuple[TensorVariable, TensorVariable | None]] = {}
    for name, transform in transforms.items():
        rv = rvs[name]
        inputs = substitute(rv.owner.inputs, stand_ins)
        inputs = substitute(inputs, backward)
        shape = static_shape(transform.forward(rv, *rv.owner.inputs))
        label = unused_name(f"{name}_{getattr(transform, 'name', 'transformed')}__", natural.values)
        value = value_variable(rv, label, shape)
        values[name] = value
        backward[natural.values[name]] = constrain(transform, value, inputs)
        raise_if_random(backward[natural.values[name]], name)
        # A term that was summed together with others may have lost the axes of the variable.
        own = None if name in merged else natural.terms.get(name)
        jacobians[name] = log_jacobian(transform, value, inputs, own)
    terms = dict(natural.terms)
    for name, (jacobian, term) in jacobians.items():
        if term is None:
            terms[unused_name(f"{name}_jacobian", terms)] = jacobian
        else:
            terms[name] = term + jacobian
    moved = replace(replace(natural, terms=terms).replace(backward), values=values, space="unconstrained")
    stripped = strip(moved, transforms)
    # A variable between bounds is a logistic function now, whose logarithms are those of a probability.
    where = {values[name]: REAL if name in transforms else natural.supports[name] for name in values}
    # Pivots of integrals are one plus what is positive: no logarithm of them needs another form.
    pivots = {name for step in natural.integrals for name in step.names}
    others = {name: term for name, term in stripped.terms.items() if name not in pivots}
    terms = dict(zip(others, stabilized(list(others.values()), where), strict=True))
    return replace(stripped, terms={name: terms.get(name, term) for name, term in stripped.terms.items()})
