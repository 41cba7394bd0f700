"""Terms over rows: the sum of a term from some of its rows, scaled so that its expectation is the sum of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from graphs.minibatch.leftovers import of_some_rows
from graphs.minibatch.taking import RowObstacle, TakenRows

type RowsOf = Callable[[int], tuple[TensorVariable, NDArray[np.int64] | None]]
"""Of the number of rows: the numbers of those that are drawn, and in which order the data are put."""


@dataclass(frozen=True, eq=False)
class Factored:
    """The sum of a term, from some of its rows.

    Parameters
    ----------
    total : TensorVariable
        Shape (), float64; its expectation over rows is the sum of the term.
    number : int
        Of how many rows.
    """

    total: TensorVariable
    number: int


@dataclass(frozen=True, eq=False)
class _Summand:
    """An array whose elements are added up, times a factor."""

    array: TensorVariable
    factor: float


def factored_over_rows(term: TensorVariable, size: int, rows_of: RowsOf) -> Factored | RowObstacle | None:
    """Return the sum of a term from some of its rows; None if it has no more rows than that.

    Parameters
    ----------
    term : TensorVariable
        A log-probability, element by element.
    size : int
        How many rows are drawn.
    rows_of : callable
        Gives the rows that are drawn of so many.
    """
    summands = list(_summands(term))
    lengths = [int(n) for s in summands for n in s.array.type.shape if n is not None]
    longest = sorted({n for n in lengths if n > size}, reverse=True)
    if not longest:
        return None
    first: RowObstacle | None = None
    for number in longest:
        found = _over(summands, number, *rows_of(number))
        if not isinstance(found, RowObstacle):
            return Factored(pt.cast(found, "float64"), number)
        first = first or found
    return first


def _over(
    summands: list[_Summand], number: int, rows: TensorVariable, order: NDArray[np.int64] | None
) -> TensorVariable | RowObstacle:
    """Return the sum of arrays, those with so many rows from some of these."""
    kinds = TakenRows([s.array for s in summands], rows, number, order)
    size = int(rows.type.shape[0])
    parts: list[TensorVariable] = []
    for summand in summands:
        array = summand.array
        if not kinds.is_varying(array):
            # What does not depend on parameters is the same in every step: it is added up once.
            data = kinds.data(array)
            if data is not None:
                parts.append(pt.constant(summand.factor * float(np.sum(data, dtype="float64"))))
                continue
        axes = [a for a, n in enumerate(array.type.shape) if n == number]
        if not axes:
            parts.append(summand.factor * pt.sum(array))
            continue
        found = [kinds.taken(array, axis, rows) for axis in axes]
        good = [f for f in found if not isinstance(f, RowObstacle)]
        if not good:
            return found[0]
        parts.append(summand.factor * number / size * pt.sum(good[0]))
    total = parts[0] if len(parts) == 1 else pt.add(*parts)
    return of_some_rows(total, kinds)


def _summands(term: TensorVariable) -> Iterator[_Summand]:
    """Take sums and differences apart, of arrays that are added up and of their sums."""
    waiting = [_Summand(term, 1.0)]
    while waiting:
        each = waiting.pop()
        node = each.array.owner
        op: Any = None if node is None else node.op
        is_sum = isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Add | ps.Sub | ps.Neg)
        if is_sum and None not in each.array.type.shape:
            is_negative = [isinstance(op.scalar_op, ps.Neg)] + [isinstance(op.scalar_op, ps.Sub)] * len(node.inputs)
            for part, is_less in zip(node.inputs, is_negative, strict=False):
                times = each.factor * _repetitions(part, each.array) * (-1.0 if is_less else 1.0)
                waiting.append(_Summand(part, times))
        elif (scaled := _scaled(each)) is not None:
            waiting.append(scaled)
        elif _adds_up_the_same(op, each.array):
            waiting.append(_Summand(node.inputs[0], each.factor))
        else:
            yield each


def _scaled(summand: _Summand) -> _Summand | None:
    """Return what a number multiplies, None of other summands."""
    node = summand.array.owner
    if node is None or not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, ps.Mul):
        return None
    numbers = [number for i in node.inputs if (number := _number(i)) is not None]
    others = [i for i in node.inputs if _number(i) is None]
    if len(others) != 1 or others[0].type.shape != summand.array.type.shape:
        return None
    return _Summand(others[0], summand.factor * float(np.prod(numbers)))


def _number(variable: Variable) -> float | None:
    """Return the value of a constant of one element."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    is_one = isinstance(variable, Constant) and np.size(variable.data) == 1
    return float(np.asarray(variable.data).item()) if is_one else None


def _adds_up_the_same(op: Any, array: TensorVariable) -> bool:
    """Whether the elements of the first input of an operation have the sum of those of the result."""
    is_identity = isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Identity)
    return is_identity or isinstance(op, DimShuffle) or (isinstance(op, Sum) and str(array.type.dtype) == "float64")


def _repetitions(part: Variable, whole: Variable) -> float:
    """Return how often the elements of a summand stand in a sum."""
    return float(np.prod([n for n, own in zip(whole.type.shape, part.type.shape, strict=True) if own == 1]))
