"""Which discrete random variables have finitely many states, and which states."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pymc.distributions.censored import CensoredRV
from pymc.distributions.discrete import BetaBinomial, DiscreteUniform, DiscreteWeibullRV
from pymc.distributions.distribution import DiracDeltaRV
from pymc.distributions.mixture import _BaseMixtureRV
from pymc.distributions.multivariate import DirichletMultinomialRV
from pymc.distributions.truncated import TruncatedRV
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.chains.markov_chain import MarkovChainRV
from graphs.chains.sequence_rv import SequenceRV
from graphs.lifting import MixingError, lift, of_states
from graphs.random_graph import components_of, is_random, parameters_of, static_shape

Rule = Callable[[TensorVariable], NDArray[np.int64] | None]


def finite_states(rv: TensorVariable) -> NDArray[np.int64] | None:
    """Return the states of a random variable, ``None`` where there are infinitely many or they are not known.

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
    """
    assert rv.owner is not None
    if str(rv.type.dtype).startswith("float"):
        return None
    rule = next((RULES[kind] for kind in type(rv.owner.op).__mro__ if kind in RULES), None)
    return None if rule is None else rule(rv)


def _binary(rv: TensorVariable) -> NDArray[np.int64]:
    return np.arange(2)


def _categories(rv: TensorVariable) -> NDArray[np.int64] | None:
    length = parameters_of(rv)[0].type.shape[-1]
    return None if length is None else np.arange(length)


def _of_step(rv: TensorVariable) -> NDArray[np.int64] | None:
    states: NDArray[np.int64] | None = finite_states(rv.owner.op.step.draw)
    return states


def _up_to(place: int) -> Rule:
    """Return the rule of counts of which a parameter is the greatest."""
    return lambda rv: _between(None, parameters_of(rv)[place], 0)


def least_value(rv: TensorVariable) -> float:
    """Return the least value of a discrete random variable, as far as its family tells."""
    assert rv.owner is not None
    op = rv.owner.op
    if isinstance(op, ptr.GeometricRV):
        return 1
    if isinstance(op, TruncatedRV | CensoredRV):
        bounds = _range(rv.owner.inputs[-2 if isinstance(op, TruncatedRV) else 1])
        return max(least_value(_base_of(rv)), -np.inf if bounds is None else np.ceil(bounds[0]))
    counts = (ptr.PoissonRV, ptr.NegBinomialRV, ptr.BinomialRV, ptr.BetaBinomialRV, ptr.HyperGeometricRV)
    return 0 if isinstance(op, (*counts, ptr.CategoricalRV, DiscreteWeibullRV)) else -np.inf


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


def _clipped(base: TensorVariable, lower: Variable, upper: Variable) -> NDArray[np.int64] | None:
    """Return the states between bounds of a truncated or censored variable."""
    states = finite_states(base)
    low, high = (least_value(base), np.inf) if states is None else (states[0], states[-1])
    ranges = _range(lower), _range(upper)
    if ranges[0] is None or ranges[1] is None:
        return None
    limits = np.ceil(ranges[0][0]), np.floor(ranges[1][1])
    low, high = np.clip(low, *limits), np.clip(high, *limits)
    return np.arange(int(low), int(high) + 1) if np.isfinite([low, high]).all() else None


def _of_bounded(rv: TensorVariable) -> NDArray[np.int64] | None:
    inputs = rv.owner.inputs
    lower, upper = inputs[-2:] if isinstance(rv.owner.op, TruncatedRV) else inputs[1:3]
    return _clipped(_base_of(rv), lower, upper)


def _of_components(rv: TensorVariable) -> NDArray[np.int64] | None:
    """Return the states that any component of a mixture has."""
    components = components_of(rv.owner)
    found = [finite_states(c) for c in components if isinstance(c, TensorVariable) and is_random(c)]
    known = [states for states in found if states is not None]
    if not known or len(known) < len(components):
        return None
    return np.unique(np.concatenate(known))


def _between(lower: Variable | None, upper: Variable, correction: int) -> NDArray[np.int64] | None:
    bounds = [_range(bound) for bound in (lower, upper) if bound is not None]
    if any(bound is None for bound in bounds):
        return None
    low = 0 if lower is None else bounds[0][0]  # type: ignore[index]
    return np.arange(int(low), int(bounds[-1][1]) + correction + 1)  # type: ignore[index]


def _range(bound: Variable) -> tuple[float, float] | None:
    """Return the least and the greatest value of a bound, over the states of the discrete variables above it."""
    [value] = constant_fold([bound], raise_not_constant=False)
    if isinstance(value, Variable):
        value = _at_all_states(pt.as_tensor(bound))
    if value is None or np.asarray(value).size == 0:
        return None
    return float(np.min(value)), float(np.max(value))


def _at_all_states(bound: TensorVariable) -> NDArray | None:
    """Evaluate a bound that depends on other variables of finitely many states; None if on any others."""
    bindings, count = {}, 0
    for rv in _nearest_random(bound):
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
    [value] = constant_fold([lifted.value], raise_not_constant=False)
    return None if isinstance(value, Variable) else np.asarray(value)


def _nearest_random(variable: Variable) -> list[TensorVariable]:
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
    DiracDeltaRV: lambda rv: _between(parameters_of(rv)[0], parameters_of(rv)[0], 0),
    TruncatedRV: _of_bounded,
    CensoredRV: _of_bounded,
    _BaseMixtureRV: _of_components,
}
