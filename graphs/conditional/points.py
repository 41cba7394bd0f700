"""Points at which a law can be checked: random ones, moved to where the log-density is finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
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
