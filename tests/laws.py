"""Laws that every object of a kind obeys; a new object is put under its law at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from scipy.special import ndtri

from graphs.backends import get_backend
from graphs.conditional import Law
from graphs.density import LogDensity
from graphs.supports import Support
from graphs.surgery.interpreting import INTERPRETED, interpret
from graphs.surgery.random_graph import depends_on, find_random_variables
from graphs.surgery.rebuilding import substitute

Chances = dict[int, float]
"""Of each state that may be reached."""


def assert_is_full_conditional(
    logdensity: LogDensity,
    x: TensorVariable,
    law: Law,
    *,
    givens: Mapping[TensorVariable, Any] | None = None,
    num_points: int = 3,
    num_values: int = 5,
    seed: int = 1,
) -> None:
    """Assert that the joint log-density minus that of the law does not depend on x.

    Both are compiled as they are. The other variables take generic values: all different, none of them 0 or 1 where
    their supports allow it; ``givens`` fixes some of them.
    """
    rng = np.random.default_rng(seed)
    others = [v for v in logdensity.inputs if v is not x]
    logprob = law.logprob(x)
    core = {
        "Dirichlet": 1,
        "Wishart": 2,
        "InverseWishart": 2,
        "MultivariateNormal": x.type.ndim,
        "SparseNormal": x.type.ndim,
    }
    batch = x.type.ndim - core.get(law.family, 0)
    batch = 0 if law.family.endswith("]") and "x MultivariateNormal" in law.family else batch
    assert logprob.type.ndim == batch, "one log-density for each independent element"
    outputs = [logdensity.total, logprob.sum(), law.condition]
    evaluate = pytensor.function([*others, x], outputs, mode=INTERPRETED, on_unused_input="ignore")
    for _ in range(num_points):
        rest = [(givens or {}).get(v, generic_value(rng, v, logdensity.supports.get(v))) for v in others]
        differences = []
        for _ in range(num_values):
            joint, own, is_proper = evaluate(*rest, generic_value(rng, x, logdensity.supports.get(x)))
            assert is_proper, f"{law} is improper"
            assert np.isfinite(joint), "the joint log-density is not finite: the test is void"
            assert np.isfinite(own), f"the log-density of {law} is not finite"
            differences.append(joint - own)
        magnitude = 1.0 + np.abs(differences).max() + abs(own)
        np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-9 * magnitude, err_msg=str(law))


def generic_value(rng: np.random.Generator, variable: Variable, support: Support | None) -> NDArray:
    """Return a value inside the support of a variable, its elements all different and none of them 0 or 1."""
    shape, dtype = variable.type.shape, variable.type.dtype
    support = support or Support("integers" if dtype.startswith("int") else "interval")
    lower, upper = support.lower, support.upper
    if support.kind == "simplex":
        return rng.dirichlet(np.full(shape[-1], 3.0), size=shape[:-1])
    if support.kind == "positive_definite":
        factor = rng.normal(0.1, 1.3, size=shape)
        return np.asarray(factor @ np.swapaxes(factor, -1, -2) + 0.3 * np.eye(shape[-1]))
    if support.kind == "integers":
        upper = upper if np.isfinite(upper) else 9
        return np.asarray(rng.integers(int(lower) if np.isfinite(lower) else 0, int(upper) + 1, size=shape), dtype)
    if np.isfinite(lower) and np.isfinite(upper):
        return np.asarray(lower + (upper - lower) * rng.uniform(0.05, 0.95, size=shape))
    if np.isfinite(lower):
        return np.asarray(lower + rng.gamma(2.0, 0.8, size=shape) + 0.05)
    return np.asarray(rng.normal(0.3, 1.7, size=shape))


def assert_leaves_exactly(
    weights: NDArray[np.float64],
    inputs: Sequence[Variable],
    following: TensorVariable,
    values_of: Callable[[int], Sequence[Any]],
) -> None:
    """Assert that a step on the states 0, 1, ... leaves their probabilities as they are, to rounding.

    What is drawn is a function of uniform numbers, and the next state has steps in these: they are found by bisection,
    so that the matrix of transitions is exact.

    Parameters
    ----------
    weights : (n,) float64 array
        The probabilities.
    inputs : sequence of Variable
        What the step depends on, its draws left out.
    following : TensorVariable
        The next state, shape ().
    values_of : callable
        Values of the inputs at a state.
    """
    given = {drawn: drawn.type() for drawn in find_random_variables([following])}
    function = get_backend("numba").function([*inputs, *given.values()], substitute([following], given))
    matrix = np.zeros((len(weights), len(weights)))
    for state in range(len(weights)):
        values = values_of(state)
        inverses = [_inverse(drawn, inputs, values) for drawn in given]
        for reached, chance in _chances(lambda draws, at=values: int(function(*at, *draws)[0]), inverses).items():
            matrix[state, reached] = chance
    assert np.count_nonzero(matrix) > len(weights), "it does not move"
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-10)
    np.testing.assert_allclose(weights @ matrix, weights, rtol=1e-10)


def _inverse(drawn: TensorVariable, inputs: Sequence[Variable], values: Sequence[Any]) -> Callable[[float], Any]:
    """Return the inverse of the distribution function of what is drawn."""
    node = drawn.owner
    parameters = list(node.op.dist_params(node))
    assert not find_random_variables(parameters), "draws that depend on others are not enumerated"
    numbers = interpret([v for v in inputs if any(depends_on(p, [v]) for p in parameters)], parameters)(
        *(x for v, x in zip(inputs, values, strict=True) if any(depends_on(p, [v]) for p in parameters))
    )
    if node.op.name == "categorical":
        ends = np.cumsum(numbers[0])
        return lambda u: int(np.searchsorted(ends, u * ends[-1]))
    first, second = (float(x) for x in numbers)
    if node.op.name in ("uniform", "integers"):
        whole = float if node.op.name == "uniform" else math.floor
        return lambda u: whole(first + u * (second - first))
    assert node.op.name == "normal", node.op.name
    return lambda u: first + second * float(ndtri(u))


def _chances(step: Callable[[list[Any]], int], inverses: Sequence[Callable[[float], Any]]) -> Chances:
    """Return the probabilities of where a step leads, as a function of its draws."""
    if not inverses:
        return {step([]): 1.0}
    first, *others = inverses

    def given(u: float) -> Chances:
        drawn = first(u)
        return _chances(lambda rest: step([drawn, *rest]), others)

    total: Chances = {}
    for share, chances in _pieces(given):
        for reached, chance in chances.items():
            total[reached] = total.get(reached, 0.0) + share * chance
    return total


def _pieces(function: Callable[[float], Chances], num_cells: int = 16) -> list[tuple[float, Chances]]:
    """Return lengths and values of the pieces of a function on the unit interval that is constant on each."""
    grid = np.linspace(1e-15, 1.0 - 1e-15, num_cells + 1)
    begin, last, here, found = 0.0, float(grid[0]), function(float(grid[0])), []
    for end in grid[1:].tolist():
        there = function(end)
        while not _is_same(here, there):
            low, high = last, end
            while high - low > 1e-14:
                middle = 0.5 * (low + high)
                low, high = (middle, high) if _is_same(function(middle), here) else (low, middle)
            found.append((high - begin, here))
            begin, last, here = high, high, function(high)
        last = end
    return [*found, (1.0 - begin, here)]


def _is_same(one: Chances, other: Chances) -> bool:
    return one.keys() == other.keys() and all(abs(chance - other[reached]) < 1e-9 for reached, chance in one.items())
