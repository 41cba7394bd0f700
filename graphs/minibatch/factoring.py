"""Terms over rows: the sum of a term from some of its rows, scaled so that its expectation is the sum of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from graphs.minibatch.leftovers import of_some_rows
from graphs.minibatch.taking import Obstacle, Rows

type RowsOf = Callable[[int], TensorVariable]
"""Of the number of rows: the numbers of those that are drawn."""


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


def factored(term: TensorVariable, size: int, rows_of: RowsOf) -> Factored | Obstacle | None:
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
    summands = list(_summands(term, 1.0))
    lengths = [int(n) for s in summands for n in s.array.type.shape if n is not None]
    longest = sorted({n for n in lengths if n > size}, reverse=True)
    if not longest:
        return None
    first: Obstacle | None = None
    for number in longest:
        found = _over(summands, number, rows_of(number))
        if not isinstance(found, Obstacle):
            return Factored(pt.cast(found, "float64"), number)
        first = first or found
    return first


def _over(summands: list[_Summand], number: int, rows: TensorVariable) -> TensorVariable | Obstacle:
    """Return the sum of arrays, those with so many rows from some of these."""
    kinds = Rows([s.array for s in summands], rows, number)
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
        good = [f for f in found if not isinstance(f, Obstacle)]
        if not good:
            return found[0]
        parts.append(summand.factor * number / size * pt.sum(good[0]))
    total = parts[0] if len(parts) == 1 else pt.add(*parts)
    return of_some_rows(total, kinds)


def _summands(term: TensorVariable, factor: float) -> Iterator[_Summand]:
    """Take sums and differences apart, of arrays that are added up and of their sums."""
    node = term.owner
    op = None if node is None else node.op
    if isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Add | ps.Sub | ps.Neg):
        sign = -1.0 if isinstance(op.scalar_op, ps.Sub | ps.Neg) else 1.0
        for k, part in enumerate(node.inputs):
            times = factor * (sign if k or isinstance(op.scalar_op, ps.Neg) else 1.0)
            yield from _summands(part, times * _repetitions(part, term))
    elif isinstance(op, DimShuffle) and term.type.shape == node.inputs[0].type.shape:
        yield from _summands(node.inputs[0], factor)
    elif isinstance(op, Sum) and term.type.ndim == 0:
        yield from _summands(node.inputs[0], factor)
    elif isinstance(op, DimShuffle) and all(n == 1 for n in term.type.shape):
        yield from _summands(node.inputs[0], factor)
    else:
        yield _Summand(term, factor)


def _repetitions(part: Variable, whole: Variable) -> float:
    """Return how often the elements of a summand stand in a sum."""
    return float(np.prod([n for n, own in zip(whole.type.shape, part.type.shape, strict=True) if own == 1]))
