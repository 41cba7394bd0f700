"""Which discrete random variables have finitely many states, and which states."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pymc.distributions.discrete import BetaBinomial, DiscreteUniform
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.chains.markov_chain import MarkovChainRV
from graphs.chains.sequence_rv import SequenceRV
from graphs.lifting import MixingError, lift, of_states
from graphs.random_graph import is_random, parameters_of, static_shape


def finite_states(rv: TensorVariable) -> NDArray[np.int64] | None:
    """Return the states of a random variable, ``None`` where there are infinitely many or they are not known.

    Bernoulli, categorical, Markov chains, and binomial, beta-binomial, hypergeometric and discrete uniform, where their
    bounds are constant or depend on other variables of finitely many states.

    Parameters
    ----------
    rv : TensorVariable
        A random variable.

    Returns
    -------
    (K,) int64 array or None
    """
    assert rv.owner is not None
    op = rv.owner.op
    if str(rv.type.dtype).startswith("float"):
        return None
    if isinstance(op, ptr.BernoulliRV):
        return np.arange(2)
    if isinstance(op, SequenceRV):
        return finite_states(op.step.draw)
    known = (MarkovChainRV, ptr.CategoricalRV, ptr.IntegersRV, ptr.BinomialRV, ptr.BetaBinomialRV, ptr.HyperGeometricRV)
    if not isinstance(op, (*known, BetaBinomial.rv_type, DiscreteUniform.rv_type)):
        return None
    parameters = parameters_of(rv)
    if isinstance(op, ptr.CategoricalRV | MarkovChainRV):
        length = parameters[0].type.shape[-1]
        return None if length is None else np.arange(length)
    if isinstance(op, ptr.IntegersRV):
        return _between(parameters[0], parameters[1], -1)
    if isinstance(rv.owner.op, ptr.BinomialRV | ptr.BetaBinomialRV) or isinstance(op, BetaBinomial.rv_type):
        return _between(None, parameters[0], 0)
    if isinstance(op, DiscreteUniform.rv_type):
        return _between(parameters[0], parameters[1], 0)
    if isinstance(op, ptr.HyperGeometricRV):
        return _between(None, parameters[2], 0)
    return None


def _between(lower: Variable | None, upper: Variable, correction: int) -> NDArray[np.int64] | None:
    bounds = [_range(bound) for bound in (lower, upper) if bound is not None]
    if any(bound is None for bound in bounds):
        return None
    low = 0 if lower is None else bounds[0][0]  # type: ignore[index]
    return np.arange(low, bounds[-1][1] + correction + 1)  # type: ignore[index]


def _range(bound: Variable) -> tuple[int, int] | None:
    """Return the least and the greatest value of a bound, over the states of the discrete variables above it."""
    [value] = constant_fold([bound], raise_not_constant=False)
    if isinstance(value, Variable):
        value = _at_all_states(pt.as_tensor(bound))
    if value is None or np.asarray(value).size == 0:
        return None
    return int(np.min(value)), int(np.max(value))


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
