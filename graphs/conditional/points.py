"""What is true at random points: points at which a law can be checked, and the values of graphs there.

Laws, auxiliary variables and modes of matrices are derived by rules, and then tried: an identity of smooth functions
that holds at a few generic points holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.scalar.basic import Add
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from graphs.supports import Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import depends_on

MOST_EVALUATIONS = 600
"""Of a log-density, in the search for a point: interpreted, a millisecond or so each."""
_MOST_LISTED = 6
_LENGTH_OF_UNKNOWN_AXIS = 3
_RELATIVE_TOLERANCE = 1e-8
ASSUMED = ("real", "positive", "unit")
"""Where variables without a declared support are taken to lie, in turn."""


class RandomPoint(NamedTuple):
    """Values of variables, and how they were drawn."""

    values: dict[Variable, NDArray]
    assumed: str  # where variables lie that have no declared support
    least: int  # how far above their bound counts without an upper bound are


def random_points(
    variables: Collection[Variable], supports: Mapping[Any, Support], rng: np.random.Generator, attempts: int
) -> Iterator[RandomPoint]:
    """Yield points in the supports of variables; those without one are taken to lie elsewhere each time.

    Parameters
    ----------
    variables : collection of Variable
        What is random.
    supports : mapping of Variable to Support
        Of some of them.
    rng : numpy.random.Generator
        Source of randomness.
    attempts : int
        Number of points.
    """
    for attempt in range(attempts):
        rounds, place = divmod(attempt, len(ASSUMED))
        # Larger counts leave room for those that cannot exceed them.
        assumed, least = ASSUMED[place], 10**rounds if rounds else 0
        yield RandomPoint(
            {v: draw_in_support(rng, v, supports.get(v), assumed, least) for v in variables}, assumed, least
        )


def inputs_of(outputs: Sequence[Variable]) -> list[Variable]:
    """Return what graphs depend on that is no data."""
    return [i for i in explicit_graph_inputs(outputs) if not isinstance(i, Constant | SharedVariable) and not i.owner]


def finite_values(
    outputs: Sequence[Variable],
    supports: Mapping[Variable, Support],
    rng: np.random.Generator,
    attempts: int,
    *,
    inputs: Collection[Variable] | None = None,
    given: Mapping[Variable, NDArray] | None = None,
) -> Iterator[list[NDArray]]:
    """Yield the values of graphs at random points, without those at which one is not finite.

    Parameters
    ----------
    outputs : sequence of Variable
        Graphs.
    supports : mapping of Variable to Support
        Supports of what they depend on, where these are declared.
    rng : numpy.random.Generator
        Source of randomness.
    attempts : int
        Number of points.
    inputs : collection of Variable, optional
        What is random: all that the graphs depend on by default.
    given : mapping of Variable to array, optional
        What has the same value at every point.
    """
    given = given or {}
    free = [i for i in (inputs_of(outputs) if inputs is None else inputs) if i not in given]
    for point in random_points(free, supports, rng, attempts):
        values = evaluate(outputs, {**point.values, **given})
        if values is not None and all(np.isfinite(v).all() for v in values):
            yield values


def are_close(numbers: NDArray[np.float64], *parts: Any) -> bool:
    """Whether numbers are the same up to the rounding of the parts that they are sums and differences of."""
    size = 1 + sum(float(np.abs(part).max()) for part in parts)
    return bool(np.ptp(numbers) <= _RELATIVE_TOLERANCE * size)


def draw_in_support(
    rng: np.random.Generator,
    variable: Variable,
    support: Support | None,
    assumed: str = "real",
    least: int = 0,
) -> NDArray:
    """Return a generic value of a variable in its support.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    variable : Variable
        The variable; axes of unknown length get length 3.
    support : Support or None
        Its support, where declared.
    assumed : {"real", "positive", "unit"}
        Where to draw when it is not.
    least : int
        How far above their bound counts without an upper bound are.

    Returns
    -------
    array
    """
    shape = tuple(n if n is not None else _LENGTH_OF_UNKNOWN_AXIS for n in variable.type.shape)
    dtype = variable.type.dtype
    is_integer = np.dtype(dtype).kind in "iub"
    is_square = len(shape) > 1 and shape[-1] == shape[-2] and not is_integer
    if support is not None and is_square and support.kind in ("positive_definite", "other"):
        # Of the other sets the usual one, too.
        factor = rng.normal(size=shape)
        return np.asarray(factor @ np.swapaxes(factor, -1, -2) + np.eye(shape[-1]), dtype=dtype)
    if support is None or support.kind == "other":
        bounds = {"real": (-inf, inf), "positive": (0.0, inf), "unit": (0.0, 1.0)}[assumed]
        support = Support("integers", 0, 1) if is_integer else Support("interval", *bounds)
    if support.kind == "simplex":
        return np.asarray(rng.dirichlet(np.full(shape[-1], 2.0), size=shape[:-1]), dtype=dtype)
    lower, upper = support.lower, support.upper
    if support.kind == "integers":
        low = lower if lower > -inf else max(0.0, upper - 5) if upper < inf else 0.0
        low += least if upper == inf else 0
        return np.asarray(rng.integers(int(low), int(upper if upper < inf else low + 5) + 1, size=shape), dtype=dtype)
    if lower > -inf and upper < inf:
        return np.asarray(lower + (upper - lower) * rng.uniform(0.1, 0.9, size=shape), dtype=dtype)
    if lower == -inf and upper == inf:
        return np.asarray(rng.normal(size=shape), dtype=dtype)
    positive = rng.gamma(3.0, 0.4, size=shape)
    return np.asarray(lower + positive if lower > -inf else upper - positive, dtype=dtype)


def summands_with(x: TensorVariable, total: TensorVariable) -> list[TensorVariable]:
    """Return arrays that add up to the part of a scalar log-density that depends on a variable.

    Parameters
    ----------
    x : TensorVariable
        The variable.
    total : TensorVariable
        The log-density; shape ().
    """
    terms = _terms_with(x, total)
    return [t.owner.inputs[0] if t.owner is not None and isinstance(t.owner.op, Sum) else t for t in terms]


def part_with(x: TensorVariable, total: TensorVariable) -> TensorVariable:
    """Return the part of a scalar log-density that depends on a variable; shape ()."""
    node = total.owner
    if node is None or not (isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add)):
        return total
    terms = _terms_with(x, total)
    if len(terms) == 1:
        return terms[0]
    part: TensorVariable = pt.add(*terms)
    return part


def _terms_with(x: TensorVariable, total: TensorVariable) -> list[TensorVariable]:
    node = total.owner
    if node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add):
        return [part for i in node.inputs for part in _terms_with(x, i)]
    return [total] if depends_on(total, [x]) else []


class PointSearch:
    """Moves the integers of a point to where a log-density is finite.

    Which values fit together, survivors that are no more than there were or states that can show what was seen, is
    known to the log-density alone: elements are changed as long as fewer of its summands are impossible.

    Parameters
    ----------
    summands : sequence of TensorVariable
        The log-density, as arrays.
    supports : mapping of Variable to Support
        Supports of the variables.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(
        self, summands: Sequence[TensorVariable], supports: Mapping[Variable, Support], rng: np.random.Generator
    ):
        self.summands = list(summands)
        self.supports = supports
        self.rng = rng
        self.left = MOST_EVALUATIONS

    def possible(self, point: Mapping[Variable, NDArray]) -> dict[Variable, NDArray]:
        """Return the point with integers at which no summand is impossible, as far as the search comes."""
        found = dict(point)
        integers = [v for v, value in found.items() if value.dtype.kind == "i" and value.size and self._matters(v)]
        if not integers:
            return found
        conflicts = self._conflicts(found)
        for is_whole in (True, False, False):
            for i in self.rng.permutation(len(integers)):
                variable = integers[i]
                for place in [...] if is_whole else list(np.ndindex(found[variable].shape)):
                    for candidate in self._candidates(variable, found[variable][place]):
                        if not conflicts or self.left <= 0:
                            return found
                        changed = found[variable].copy()
                        changed[place] = candidate
                        number = self._conflicts({**found, variable: changed})
                        if number < conflicts:
                            found[variable], conflicts = changed, number
        return found

    def _matters(self, variable: Variable) -> bool:
        return any(depends_on(summand, [variable]) for summand in self.summands)

    def _conflicts(self, point: Mapping[Variable, NDArray]) -> float:
        self.left -= 1
        values = evaluate(self.summands, point)
        return inf if values is None else sum(float(np.sum(~np.isfinite(v))) for v in values)

    def _candidates(self, variable: Variable, value: NDArray) -> list[int]:
        """Return other values: all where they are few, else both ends and some a factor of two or four away."""
        support = self.supports.get(variable, Support("integers", 0, 1))
        lower = support.lower if support.lower > -inf else 0.0
        if support.upper - lower < _MOST_LISTED:
            return [int(n) for n in self.rng.permutation(np.arange(lower, support.upper + 1))]
        now = float(np.mean(value)) - lower
        ladder = [0, now // 4, now // 2, 2 * now + 1, 4 * now + 4, support.upper - lower]
        return [int(lower + n) for n in ladder if lower + n <= min(support.upper, 2.0**62)]
