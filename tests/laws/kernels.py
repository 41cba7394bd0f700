"""The law of kernels: a step leaves the distribution of its target as it is.

Exactly where the target has finitely many states; else what comes of independent draws are such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from scipy import stats
from scipy.special import ndtri

from graphs.backends import get_backend
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import depends_on, find_random_variables
from graphs.surgery.rebuilding import substitute

Chances = dict[int, float]
"""Of each state that may be reached."""


def assert_means(draws: Any, expected: Iterable[tuple[Callable[[Any], NDArray], float]], false_alarm: float) -> None:
    """Assert that independent draws have means, within the error of as many independent draws.

    Parameters
    ----------
    draws : object
        What the functions take.
    expected : iterable of pairs of callable and float
        Functions that return one number for each draw, and the exact expectations.
    false_alarm : float
        How probable it is that a right comparison fails.
    """
    for function, mean in expected:
        found = np.asarray(function(draws), float)
        error = found.std() / np.sqrt(len(found))
        assert abs(found.mean() - mean) < stats.norm.isf(false_alarm / 2) * error


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
