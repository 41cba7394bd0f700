"""Put statistics in the place of rows: the sum over all of them, as a graph of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.compression.design import design_of
from graphs.compression.forms import Column, SharedProduct, Square, multiple
from graphs.compression.in_blocks.collecting import InBlocks
from graphs.compression.in_blocks.leaves import RowTable, Total
from graphs.compression.in_blocks.row_axis import RowAxis, Shape
from graphs.compression.in_blocks.squares_of_blocks import SumOfSquares, without_local
from graphs.compression.least_squares import recentred
from graphs.compression.restriction import Restriction
from graphs.compression.shapes import shape_of
from graphs.compression.squares import Squares, sum_of_projected, weights_of
from graphs.conditional.expanding.coefficients import filled


class Building(InBlocks):
    """The sum over all rows, of their statistics.

    Parameters
    ----------
    term, data, axis
        As of `InBlocks`: of the distinct rows that statistics name, one after the other.
    leaves : sequence of Leaf
        The statistics.
    firsts : sequence of int
        At which row those of each begin.
    num_rows : int
        How many rows there were.
    """

    def __init__(
        self,
        term: TensorVariable,
        data: Mapping[Variable, NDArray],
        axis: RowAxis,
        leaves: Sequence[Any],
        firsts: Sequence[int],
        num_rows: int,
    ):
        super().__init__(term, data, axis)
        self.num_rows = num_rows
        self._leaves, self._firsts, self._number = leaves, firsts, -1
        self.total = pt.cast(self.of(term), "float64")

    def _next(self) -> Any:
        self._number += 1
        return self._leaves[self._number]

    def _at(self, within: NDArray[np.int64], shape: Shape, first: int = 0) -> Restriction:
        """Return what takes graphs to the distinct rows of the present statistic."""
        rows = self._firsts[self._number] + first + np.arange(len(within))
        return Restriction(self.rows, shape, self.axis.joined(rows, within, shape))

    def sum_of_constant(self, variable: TensorVariable, constant: NDArray) -> TensorVariable:
        """Return the sum of data."""
        total: Total = self._next()
        return filled(float(total.value), 0)

    def sum_of_column(self, column: Column, shape: Shape) -> tuple[TensorVariable, int | None]:
        """Return the sum of data times a function."""
        leaf: Any = self._next()
        if column.function is None:
            return filled(float(leaf.value), 0), None
        table: RowTable = leaf
        if not len(table.cells):
            return filled(0.0, 0), None
        function = self._at(table.cells.within, shape)(column.function)
        return pt.sum(pt.constant(table.sums.astype("float64")) * function), len(table.cells)

    def sum_of_block(self, block: SharedProduct, shape: Shape) -> TensorVariable:
        """Return the sum of a matrix product."""
        total: Total = self._next()
        return pt.sum(pt.constant(total.value.astype("float64")) * block.parameters)

    def at_distinct_rows(self, variable: TensorVariable) -> TensorVariable | None:
        """Return a variable at rows that read different things."""
        if not self.axis.is_in(variable.type.shape):
            return None
        table: RowTable = self._next()
        return self._at(table.cells.within, shape_of(variable))(variable)

    def sum_of_square(self, square: Square, shape: Shape) -> Squares:
        """Return the sum of squares."""
        leaf: Any = self._next()
        if isinstance(leaf, Total) or not len(leaf.cells):
            return Squares(filled(0.0, 0), 0, 0)
        squares: SumOfSquares = leaf
        weighted = weights_of(square, shape)
        assert weighted is not None
        factor, roots, used = weighted
        design = design_of(self.rows, square.root, shape, used, roots)
        local = list(without_local(design, roots))
        scale = [] if square.scale.function is None else [square.scale.function]
        at_cells = self._at(squares.cells.within, shape)
        at_scale = self._at(squares.scales.within, shape, len(squares.cells))
        triangles, centre = squares.triangles_of_scales, squares.centre
        if len(triangles) == 1 and len(centre):
            triangle, centre = recentred(triangles[0], centre)
            triangles = [triangle]
        spread = float(np.sqrt(sum(t.rest for t in triangles) / max(self.num_rows, 1)))
        projections = [(local, at_cells, squares.projections)]
        total, is_whole = sum_of_projected(at_scale, scale, design.parameters, projections, triangles, centre, spread)
        has_means = not is_whole and any(part.functions for part in local)
        return Squares(multiple(factor, total), len(squares.cells) if has_means else 0, len(centre))
