"""Sums of the elements of log-densities, addend by addend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.variable import TensorVariable

from graphs.compression.cells import Cells
from graphs.compression.forms import Column, multiple
from graphs.compression.restriction import Restriction
from graphs.compression.rows import Rows
from graphs.compression.separation import Separation
from graphs.compression.shapes import is_uniform, shape_of, size_of
from graphs.compression.squares import Squares, sum_of_square
from graphs.compression.sums import cells_of, sum_of_block, sum_of_column
from graphs.conditional.expanding.coefficients import filled
from graphs.surgery.rebuilding import substitute


class Totals:
    """Sums of the elements of variables, of sufficient statistics where there are any.

    Parameters
    ----------
    rows : Rows
        What is known of the graph.
    """

    def __init__(self, rows: Rows):
        self.rows = rows
        self.separation = Separation(rows)
        self._statistics: dict[str, None] = {}
        self._counts: dict[str, None] = {}

    @property
    def how(self) -> str:
        """The statistics in words."""
        return ", ".join(self._statistics or self._counts or ["sums"])

    def of(self, variable: TensorVariable) -> TensorVariable:
        """Return the sum of the elements of a variable."""
        constant = self.rows.constant(variable)
        if constant is not None:
            return filled(float(np.sum(constant, dtype="float64")), 0)
        node = variable.owner
        if node is None or size_of(variable) is None:
            return pt.sum(variable)
        if isinstance(node.op, Sum | DimShuffle | SpecifyShape):
            return self.of(node.inputs[0])
        if isinstance(node.op, Alloc):
            return self._repeated(node.inputs[0], variable)
        found = None
        if isinstance(node.op, Elemwise):
            rule = _RULES.get(type(node.op.scalar_op))
            found = None if rule is None else rule(self, node)
        if found is None and size_of(variable) != 1:
            found = self._of_form(variable)
        return pt.sum(variable) if found is None else found

    def _repeated(self, variable: TensorVariable, like: TensorVariable) -> TensorVariable:
        """Return the sum of the elements of a variable repeated to the shape of another one."""
        repeats = (size_of(like) or 0) / max(size_of(variable) or 1, 1)
        total = self.of(variable)
        return multiple(repeats, total)

    def sums(self, node: Apply, first: int = 0) -> list[TensorVariable]:
        """Return the sums of the inputs of a node from the first on, each repeated to the shape of its output."""
        return [self._repeated(i, node.outputs[0]) for i in node.inputs[first:]]

    def _of_form(self, variable: TensorVariable) -> TensorVariable | None:
        form, shape = self.separation.form(variable), shape_of(variable)
        parts: list[TensorVariable] = []
        for column in form.columns:
            summed = sum_of_column(self.rows, column, shape)
            if summed is None:
                return None
            parts.append(summed[0])
            self._note_column(column, summed[1])
        parts += [sum_of_block(block, shape) for block in form.blocks]
        self._statistics |= {"sums": None} if form.blocks else {}
        for square in form.squares:
            squares = sum_of_square(self.rows, square, shape)
            if squares is None:
                return None
            parts.append(squares.graph)
            self._statistics |= dict.fromkeys(_words(squares))
        return pt.add(*parts) if len(parts) > 1 else parts[0]

    def _note_column(self, column: Column, cells: Cells | None) -> None:
        if cells is None or column.function is None:
            return
        if not self.rows.is_data_free(column.function):
            self._statistics[f"table of {len(cells)} distinct rows"] = None
            return
        of_groups = f" of {len(cells)} groups" if len(cells) > 1 else ""
        is_count = is_uniform(column.data)
        (self._counts if is_count else self._statistics)[f"{'counts' if is_count else 'sums'}{of_groups}"] = None


def _words(squares: Squares) -> Sequence[str]:
    columns, means = squares.num_columns, squares.num_means
    words = [f"means of {means} groups"] if means > 1 else []
    words += [f"QR of {columns} columns"] if columns else []
    return words or ["mean and sum of squares"]


def _add(totals: Totals, node: Apply) -> TensorVariable | None:
    total: TensorVariable = pt.add(*totals.sums(node))
    return total


def _multiply(totals: Totals, node: Apply) -> TensorVariable | None:
    """Take single numbers out of a product; one factor is left."""
    size = size_of(node.outputs[0])
    rest = [i for i in node.inputs if size_of(i) != 1]
    if size == 1:
        rest = [i for i in node.inputs if isinstance(i.owner and i.owner.op, Sum | Elemwise | DimShuffle)][:1]
    if len(rest) != 1 or len(node.inputs) == 1:
        return None
    factors = [pt.sum(i) for i in node.inputs if i is not rest[0]]
    result: TensorVariable = pt.mul(*factors, totals.of(rest[0]))
    return result


def _divide(totals: Totals, node: Apply) -> TensorVariable | None:
    over, under = node.inputs
    if size_of(under) != 1:
        return None
    return totals._repeated(over, node.outputs[0]) / pt.sum(under)


def _switch(totals: Totals, node: Apply) -> TensorVariable | None:
    """Choose between sums where all rows take the same branch, or one alone makes the sum minus infinity."""
    condition, _, otherwise = node.inputs
    if totals.rows.constant(condition) is not None:
        return None
    if size_of(condition) == 1:
        yes, no = totals.sums(node, first=1)
        return pt.switch(_with_fewer_rows(totals, condition).reshape(()), yes, no)
    constant = totals.rows.constant(otherwise)
    if constant is None or not (constant == -np.inf).all():
        return None
    shape = shape_of(node.outputs[0])
    cells = cells_of(totals.rows, [condition], shape)
    if cells is None:
        return None
    holds = pt.all(Restriction(totals.rows, shape, cells.representatives)(condition))
    return pt.switch(holds, totals._repeated(node.inputs[1], node.outputs[0]), -np.inf)


def _with_fewer_rows(totals: Totals, condition: TensorVariable) -> TensorVariable:
    """Check only one of the rows that read the same."""
    replaced = {}
    for node in toposort([condition]):
        source = node.inputs[0] if node.inputs else None
        is_check = isinstance(node.op, CAReduce) and isinstance(node.op.scalar_op, ps.AND | ps.OR)
        if not is_check or size_of(node.outputs[0]) != 1 or (size_of(source) or 0) <= 1:
            continue
        cells = cells_of(totals.rows, [source], shape_of(source))
        if cells is not None:
            fewer = Restriction(totals.rows, shape_of(source), cells.representatives)(source)
            replaced[node.outputs[0]] = node.op.clone(axis=None)(fewer).reshape(shape_of(node.outputs[0]))
    [result] = substitute([condition], replaced)
    return result


_RULES = {
    ps.Add: _add,
    ps.Sub: lambda totals, node: pt.sub(*totals.sums(node)),
    ps.Neg: lambda totals, node: pt.neg(totals.of(node.inputs[0])),
    ps.Mul: _multiply,
    ps.TrueDiv: _divide,
    ps.Switch: _switch,
}
