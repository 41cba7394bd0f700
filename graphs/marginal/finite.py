"""Which discrete random variables have finitely many states, and which states."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pymc.distributions.censored import CensoredRV
from pymc.distributions.custom import CustomSymbolicDistRV
from pymc.distributions.discrete import BetaBinomial, DiscreteUniform, DiscreteWeibullRV
from pymc.distributions.distribution import DiracDeltaRV, PartialObservedRV
from pymc.distributions.mixture import _BaseMixtureRV
from pymc.distributions.multivariate import DirichletMultinomialRV
from pymc.distributions.truncated import TruncatedRV
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.marginal.lifting import MixingError, lift, of_states
from graphs.surgery.known import known_value
from graphs.surgery.random_graph import components_of, is_random, parameters_of, static_shape
from graphs.variables.inner_outcome import inner_outcome, is_open
from graphs.variables.markov_chain import MarkovChainRV
from graphs.variables.sequence.sequence_rv import SequenceRV

Rule = Callable[[TensorVariable], Sequence[int] | None]
"""Of a random variable: its states as a range, which takes no memory, or as a list where they have gaps."""

MOST_TABLED = 2**20
"""Most states that are written down; a variable of more is drawn within windows, as one without bounds is."""


def finite_states(rv: TensorVariable) -> NDArray[np.int64] | None:
    """Return the states of a random variable, ``None`` where there are too many or they are not known.

    Bernoulli, categorical, Markov chains; binomial, beta-binomial, hypergeometric, multinomial, discrete uniform,
    truncated and censored ones, where their bounds are constant or depend on other variables of finitely many states;
    and mixtures of these. Each element of a vector has these states, whatever the others are.

    Parameters
    ----------
    rv : TensorVariable
        A random variable.

    Returns
    -------
    (K,) int64 array or None

    Raises
    ------
    ModelError
        If there is none: a range ends before it begins.
    """
    found = _states(rv)
    return None if found is None or len(found) > MOST_TABLED else np.asarray(found, dtype="int64")


def bounds_of(rv: TensorVariable) -> tuple[float, float]:
    """Return the least and the greatest value of a discrete random variable, infinite where they are not known."""
    found = _states(rv)
    return (least_value(rv), np.inf) if found is None else (found[0], found[-1])


def _states(rv: TensorVariable) -> Sequence[int] | None:
    found = _found(rv)
    if found is not None and len(found) == 0:
        raise ModelError(
            f"{rv.name or rv} has no value that is possible: its bounds or its count leave none. Give a lower bound "
            "that is not above the upper one, and counts of at least 0.",
            rv.name,
        )
    return found


def _found(rv: TensorVariable) -> Sequence[int] | None:
    """Return the states, none where an element has none, ``None`` where they are not known."""
    assert rv.owner is not None
    if str(rv.type.dtype).startswith("float"):
        return None
    rule = next((RULES[kind] for kind in type(rv.owner.op).__mro__ if kind in RULES), None)
    return None if rule is None else rule(rv)


def _binary(rv: TensorVariable) -> Sequence[int]:
    return range(2)


def _categories(rv: TensorVariable) -> Sequence[int] | None:
    length = parameters_of(rv)[0].type.shape[-1]
    return None if length is None else range(length)


def _of_step(rv: TensorVariable) -> Sequence[int] | None:
    return _found(rv.owner.op.step.draw)


def _up_to(place: int) -> Rule:
    """Return the rule of counts of which a parameter is the greatest."""
    return lambda rv: _between(None, parameters_of(rv)[place], 0)


def least_value(rv: TensorVariable) -> float:
    """Return the least value of a discrete random variable, as far as its family tells."""
    assert rv.owner is not None
    op = rv.owner.op
    if isinstance(op, PartialObservedRV):
        return least_value(rv.owner.inputs[0])
    if isinstance(op, _BaseMixtureRV):
        return min(_least_of_component(c) for c in components_of(rv.owner))
    if isinstance(op, ptr.GeometricRV):
        return 1
    if isinstance(op, TruncatedRV | CensoredRV):
        bounds = _range(rv.owner.inputs[-2 if isinstance(op, TruncatedRV) else 1])
        return max(least_value(_base_of(rv)), -np.inf if bounds is None else np.ceil(bounds[0]))
    counts = (ptr.PoissonRV, ptr.NegBinomialRV, ptr.BinomialRV, ptr.BetaBinomialRV, ptr.HyperGeometricRV)
    return 0 if isinstance(op, (*counts, ptr.CategoricalRV, DiscreteWeibullRV)) else -np.inf


def _least_of_component(component: Variable) -> float:
    if not (isinstance(component, TensorVariable) and is_random(component)):
        return -np.inf
    states = finite_states(component)
    return least_value(component) if states is None else float(states[0])


def _base_of(rv: TensorVariable) -> TensorVariable:
    """Return the random variable that is truncated or censored."""
    assert rv.owner is not None
    op = rv.owner.op
    if isinstance(op, TruncatedRV):
        base: TensorVariable = op.base_rv_op.make_node(*rv.owner.inputs[:-2]).default_output()
        return base
    [base] = components_of(rv.owner)
    assert isinstance(base, TensorVariable)
    return base


def _of_bounded(rv: TensorVariable) -> Sequence[int] | None:
    """Return the states of a truncated variable, which leaves out what lies outside, or of a censored one."""
    is_truncated = isinstance(rv.owner.op, TruncatedRV)
    lower, upper = rv.owner.inputs[-2:] if is_truncated else rv.owner.inputs[1:3]
    ranges = _range(lower), _range(upper)
    base = _base_of(rv)
    states = _found(base)
    if ranges[0] is None or ranges[1] is None:
        return None
    if _is_empty(lower, upper, 0) or (states is not None and len(states) == 0):
        return range(0)
    low, high = (least_value(base), np.inf) if states is None else (states[0], states[-1])
    limits = np.ceil(ranges[0][0]), np.floor(ranges[1][1])
    if is_truncated:
        low, high = max(low, limits[0]), min(high, limits[1])
    else:
        low, high = np.clip(low, *limits), np.clip(high, *limits)
    return range(int(low), int(high) + 1) if np.isfinite([low, high]).all() else None


def _of_components(rv: TensorVariable) -> Sequence[int] | None:
    """Return the states that any component of a mixture has."""
    components = components_of(rv.owner)
    found = [_found(c) for c in components if isinstance(c, TensorVariable) and is_random(c)]
    known = [states for states in found if states is not None]
    if not known or len(known) < len(components):
        return None
    if any(len(states) == 0 for states in known):
        return range(0)
    if sum(map(len, known)) > MOST_TABLED:
        return range(min(s[0] for s in known), max(s[-1] for s in known) + 1)
    states: list[int] = np.unique(np.concatenate([np.asarray(s) for s in known])).tolist()
    return states


def _of_whole(rv: TensorVariable) -> Sequence[int] | None:
    """Return the states of the variable that is observed in part."""
    whole: TensorVariable = rv.owner.inputs[0]
    return _found(whole) if is_random(whole) else None


def _of_graph(rv: TensorVariable) -> Sequence[int] | None:
    """Return the states of a distribution that is a graph of random variables."""
    found = values_at_all_states(inner_outcome(rv.owner)) if is_open(rv.owner) else None
    if found is None:
        return None
    states: list[int] = np.unique(found).astype(np.int64).tolist()
    return states


def _between(lower: Variable | None, upper: Variable, correction: int) -> Sequence[int] | None:
    least = pt.constant(0) if lower is None else lower
    bounds = _range(least), _range(upper)
    if bounds[0] is None or bounds[1] is None:
        return None
    if _is_empty(least, upper, correction):
        return range(0)
    return range(int(bounds[0][0]), int(bounds[1][1]) + correction + 1)


def _is_empty(lower: Variable, upper: Variable, correction: int) -> bool:
    """Whether constant bounds leave some element without a value."""
    low, high = known_value(lower), known_value(upper)
    return low is not None and high is not None and bool(np.any(np.ceil(low) > np.floor(high) + correction))


def _range(bound: Variable) -> tuple[float, float] | None:
    """Return the least and the greatest value of a bound, over the states of the discrete variables above it."""
    value = known_value(bound)
    if value is None:
        value = values_at_all_states(pt.as_tensor(bound))
    if value is None or value.size == 0:
        return None
    return float(np.min(value)), float(np.max(value))


def values_at_all_states(bound: TensorVariable) -> NDArray | None:
    """Evaluate a bound that depends on other variables of finitely many states; None if on any others."""
    bindings, count = {}, 0
    for rv in nearest_random(bound):
        states = finite_states(rv)
        if states is None:
            return None
        shape = static_shape(rv)
        size = int(np.prod(shape))
        bindings[rv] = of_states(rv, states, np.arange(count, count + size).reshape(shape))
        count += size
    if not bindings:
        return None
    [lifted] = lift([bound], bindings)
    if isinstance(lifted, MixingError):
        return None
    return known_value(lifted.value)


def nearest_random(variable: Variable) -> list[TensorVariable]:
    """Return the random variables above a variable, without those that are above these."""
    found: dict[TensorVariable, None] = {}
    stack = [variable]
    while stack:
        current = stack.pop()
        if is_random(current):
            found[current] = None
        elif current.owner is not None:
            stack.extend(current.owner.inputs)
    return list(found)


RULES: dict[type, Rule] = {
    ptr.BernoulliRV: _binary,
    ptr.CategoricalRV: _categories,
    MarkovChainRV: _categories,
    SequenceRV: _of_step,
    ptr.BinomialRV: _up_to(0),
    ptr.BetaBinomialRV: _up_to(0),
    BetaBinomial.rv_type: _up_to(0),
    ptr.MultinomialRV: _up_to(0),
    DirichletMultinomialRV: _up_to(0),
    ptr.HyperGeometricRV: _up_to(2),
    ptr.IntegersRV: lambda rv: _between(parameters_of(rv)[0], parameters_of(rv)[1], -1),
    DiscreteUniform.rv_type: lambda rv: _between(parameters_of(rv)[0], parameters_of(rv)[1], 0),
    PartialObservedRV: _of_whole,
    DiracDeltaRV: lambda rv: _between(parameters_of(rv)[0], parameters_of(rv)[0], 0),
    TruncatedRV: _of_bounded,
    CensoredRV: _of_bounded,
    CustomSymbolicDistRV: _of_graph,
    _BaseMixtureRV: _of_components,
}
