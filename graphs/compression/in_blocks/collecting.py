"""Collect the statistics of one block of rows: what sums over rows would be made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.variable import TensorVariable

from graphs.compression.cells import Cells, partition
from graphs.compression.design import Design, Local, design_of
from graphs.compression.forms import Column, SharedProduct, Square
from graphs.compression.in_blocks.leaves import Distinct, Leaf, RowTable, Total
from graphs.compression.in_blocks.row_axis import NoStatistics, RowAxis, Shape
from graphs.compression.in_blocks.squares_of_blocks import (
    SumOfSquares,
    centre_of,
    projected,
    triangles_of,
    without_local,
)
from graphs.compression.rows import Rows
from graphs.compression.shapes import is_uniform, shape_of
from graphs.compression.squares import Squares, weights_of
from graphs.compression.sums import flat, keys_of
from graphs.compression.totals import Totals

_FAR = 2**40


class _RowsOfBlock(Rows):
    """The graph of a log-density of a block: an array without an axis of rows is small beside all of them."""

    axis: RowAxis

    def is_array_of_parameters(self, base: TensorVariable) -> bool:
        """Whether elements are best taken from an array as it is."""
        return base.owner is None or (super().is_array_of_parameters(base) and not self.axis.is_in(base.type.shape))


class InBlocks(Totals):
    """Sums over rows of which only some are here; what a statistic is, those that collect and those that build say.

    Parameters
    ----------
    term : TensorVariable
        A log-probability, of which inputs are data.
    data : mapping of Variable to array
        These, a row for each along the first axis.
    axis : RowAxis
        How many there are.
    """

    def __init__(self, term: TensorVariable, data: Mapping[Variable, NDArray], axis: RowAxis):
        rows = _RowsOfBlock(term, data)
        rows.axis, rows.size = axis, _FAR
        if not rows.has_known_shapes:
            raise NoStatistics("the shape of part of it is not known")
        super().__init__(rows)
        self.axis, self.data = axis, data
        self.num_rows = 1
        self._reading: set[Variable] = set(data)
        for node in toposort([term]):
            if any(i in self._reading for i in node.inputs):
                self._reading.update(node.outputs)

    def of(self, variable: TensorVariable) -> TensorVariable:
        """Return the sum of the elements of a variable."""
        if variable not in self._reading and not self.axis.is_in(variable.type.shape):
            return pt.sum(variable)
        return super().of(variable)

    def repeats(self, variable: TensorVariable, like: TensorVariable) -> float:
        """Return how many elements there are for each, of all rows."""
        ratio = super().repeats(variable, like)
        is_by_row = self.axis.is_in(like.type.shape) and not self.axis.is_in(variable.type.shape)
        return ratio / self.axis.length * self.num_rows if is_by_row else ratio

    def sum_of_rest(self, variable: TensorVariable) -> TensorVariable:
        """Raise: what is left reads rows."""
        raise NoStatistics("part of it is no sum over rows of data times functions of parameters")

    def reads(self, functions: Sequence[TensorVariable]) -> list[bool]:
        """Return of each input whether functions read it."""
        above = set(ancestors(list(functions)))
        return [variable in above for variable in self.data]


class Collecting(InBlocks):
    """The statistics of a block.

    Parameters
    ----------
    term, data, axis
        As of `InBlocks`.
    are_kept : (num_rows,) bool array
        Rows that count; others only show what may occur.
    centres : mapping of int to array
        Where squares are centred, by the number of their statistic; found in this block where they are not given.

    Attributes
    ----------
    leaves : list of Leaf
        The statistics, in the order in which the term is read.
    structure : list of tuple
        What they are: the same for all blocks whose statistics can be merged.
    """

    def __init__(
        self,
        term: TensorVariable,
        data: Mapping[Variable, NDArray],
        axis: RowAxis,
        are_kept: NDArray[np.bool_],
        centres: Mapping[int, NDArray[np.float64]],
    ):
        super().__init__(term, data, axis)
        self.are_kept, self.centres = are_kept, centres
        self.leaves: list[Leaf] = []
        self.structure: list[tuple[Any, ...]] = []
        if not axis.is_in(shape_of(term)):
            raise NoStatistics("it is not a sum over rows")
        self.of(term)

    def _note(self, leaf: Leaf, *structure: Any) -> None:
        self.leaves.append(leaf)
        self.structure.append((type(leaf).__name__, *structure))

    def _elements(self, shape: Shape) -> NDArray[np.bool_]:
        if not self.axis.is_in(shape):
            raise NoStatistics("part of it depends on many rows at once")
        return self.axis.elements_of(self.are_kept, shape)

    def _distinct(
        self, functions: Sequence[TensorVariable], shape: Shape, used: NDArray[np.int64]
    ) -> tuple[Distinct, Cells]:
        """Return the rows among some elements in which functions read different things."""
        keys = [key[used] for key in keys_of(self.rows, functions, shape)]
        cells = partition(keys, len(used))
        rows, within = self.axis.split(used[cells.representatives], shape)
        read = zip(self.data.values(), self.reads(functions), strict=True)
        data = [array[rows] if is_read else None for array, is_read in read]
        return Distinct([key[cells.representatives] for key in keys], data, within), cells

    def sum_of_constant(self, variable: TensorVariable, constant: NDArray) -> TensorVariable:
        """Note the sum of data."""
        numbers = flat(constant, shape_of(variable))
        with np.errstate(invalid="ignore"):
            self._note(Total(_sum(numbers[self._elements(shape_of(variable))])))
        return pt.constant(0.0)

    def sum_of_column(self, column: Column, shape: Shape) -> tuple[TensorVariable, int | None]:
        """Note sums of data over rows that read the same."""
        is_kept = self._elements(shape)
        data = flat(np.asarray(column.data, "float64"), shape)
        if column.function is None:
            self._note(Total(_sum(data[is_kept])))
            return pt.constant(0.0), None
        used = np.flatnonzero(is_kept & (data != 0))
        distinct, cells = self._distinct([column.function], shape, used)
        sums = cells.sums(data[used]).astype(np.longdouble)
        self._note(RowTable(distinct, sums), len(distinct.keys), is_uniform(column.data))
        return pt.constant(0.0), 1

    def sum_of_block(self, block: SharedProduct, shape: Shape) -> TensorVariable:
        """Note sums of the columns of a matrix."""
        is_kept, width = self._elements(shape), block.data.shape[-1]
        data = np.broadcast_to(block.data, (*shape, width)).reshape((-1, width))[is_kept]
        self._note(Total(data.sum(axis=0, dtype=np.longdouble)), width)
        return pt.constant(0.0)

    def at_distinct_rows(self, variable: TensorVariable) -> TensorVariable | None:
        """Note which rows read the same."""
        shape = shape_of(variable)
        if not self.axis.is_in(shape):
            return None
        distinct, _ = self._distinct([variable], shape, np.flatnonzero(self._elements(shape)))
        self._note(RowTable(distinct, np.zeros(len(distinct), np.longdouble)), len(distinct.keys))
        return pt.constant(np.ones(1, variable.type.dtype))

    def sum_of_square(self, square: Square, shape: Shape) -> Squares:
        """Note lines and triangles."""
        is_kept = self._elements(shape)
        weighted = weights_of(square, shape)
        if weighted is None:
            raise NoStatistics("weights of squares have two signs, or are not finite")
        factor, roots, used = weighted
        if not roots.size:
            self._note(Total(np.zeros((), np.longdouble)), "no weights")
            return Squares(pt.constant(0.0), 0, 0)
        design = design_of(self.rows, square.root, shape, used, roots)
        here = is_kept if used is None else is_kept[used]
        design.local = list(without_local(design, roots))
        functions = [f for part in design.local for f in part.functions]
        own = Design(
            [Local(part.data[here], part.functions, part.is_uniform) for part in design.local],
            np.asfortranarray(design.columns[here]),
            design.parameters,
            design.outcome[here],
        )
        if not own.is_finite:
            raise NoStatistics("data are not finite")
        elements = np.flatnonzero(is_kept) if used is None else used[here]
        scale = [] if square.scale.function is None else [square.scale.function]
        scales, scale_cells = self._distinct(scale, shape, elements)
        local, local_cells = self._distinct([*scale, *functions], shape, elements)
        lengths = np.linalg.norm(own.columns, axis=0)
        lines, outcome = projected(own, roots[here], local_cells)
        number = len(self.leaves)
        centre = self.centres.get(number)
        if centre is None:
            centre = centre_of(own.columns, outcome, lengths)
        triangles = triangles_of(own.columns, outcome, centre, scale_cells)
        scale_of = scale_cells.codes[local_cells.representatives]
        kinds = [(part.is_uniform, len(part.functions)) for part in own.local]
        keys = (len(scales.keys), len(local.keys))
        leaf = SumOfSquares(local, scales, scale_of, lines, triangles, centre)
        self._note(leaf, factor, is_uniform(roots), kinds, len(centre), keys)
        return Squares(pt.constant(0.0), 0, 0)


def _sum(numbers: NDArray) -> NDArray[np.longdouble]:
    return np.asarray(np.sum(numbers, dtype=np.longdouble))
