"""Sums of the elements of log-densities, addend by addend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.variable import TensorVariable

from graphs.compression.choices import by_branch
from graphs.compression.forms import Column, SharedProduct, Square, multiple
from graphs.compression.restriction import Restriction
from graphs.compression.rows import Rows
from graphs.compression.separation import Separation
from graphs.compression.shapes import is_uniform, shape_of, size_of
from graphs.compression.squares import Squares, sum_of_square
from graphs.compression.sums import Shape, cells_of, sum_of_block, sum_of_column
from graphs.conditional.expanding.coefficients import filled
from graphs.surgery.rebuilding import substitute


class Totals:
    """Sums of the elements of variables, of sufficient statistics where there are any.

    Parameters
    ----------
    rows : Rows
        What is known of the graph.
    is_divided : bool
        Whether rows that take different branches, by what data say, are summed apart.
    """

    def __init__(self, rows: Rows, *, is_divided: bool = False):
        self.rows = rows
        self.is_divided = is_divided
        self.separation = Separation(rows)
        self._statistics: dict[str, None] = {}
        self._counts: dict[str, None] = {}
        self._branches: list[int] = []

    @property
    def how(self) -> str:
        """The statistics in words."""
        sizes = ", ".join(map(str, self._branches))
        branches = [f"branches at their own rows ({sizes})"] if sizes else []
        return ", ".join([*branches, *(self._statistics or self._counts or ([] if branches else ["sums"]))])

    @property
    def has_branches(self) -> bool:
        """Whether any rows were summed apart."""
        return bool(self._branches)

    def of(self, variable: TensorVariable) -> TensorVariable:
        """Return the sum of the elements of a variable."""
        constant = self.rows.constant(variable)
        if constant is not None:
            return self.sum_of_constant(variable, constant)
        node = variable.owner
        if node is None or size_of(variable) is None:
            return self.sum_of_rest(variable)
        if isinstance(node.op, Sum | DimShuffle | SpecifyShape):
            return self.of(node.inputs[0])
        if isinstance(node.op, Alloc):
            return self.repeated(node.inputs[0], variable)
        found = self._by_branch(variable) if self.is_divided and size_of(variable) != 1 else None
        if found is None and isinstance(node.op, Elemwise):
            rule = _RULES.get(type(node.op.scalar_op))
            found = None if rule is None else rule(self, node)
        if found is None and size_of(variable) != 1:
            found = self._of_form(variable)
        return self.sum_of_rest(variable) if found is None else found

    def repeated(self, variable: TensorVariable, like: TensorVariable) -> TensorVariable:
        """Return the sum of the elements of a variable repeated to the shape of another one."""
        total = self.of(variable)
        return multiple(self.repeats(variable, like), total)

    def repeats(self, variable: TensorVariable, like: TensorVariable) -> float:
        """Return how many elements of another variable there are for each of a variable."""
        return (size_of(like) or 0) / max(size_of(variable) or 1, 1)

    def sum_of_constant(self, variable: TensorVariable, constant: NDArray) -> TensorVariable:
        """Return the sum of data."""
        return filled(float(np.sum(constant, dtype="float64")), 0)

    def sum_of_rest(self, variable: TensorVariable) -> TensorVariable:
        """Return the sum of what no rule takes apart."""
        return pt.sum(variable)

    def sum_of_column(self, column: Column, shape: Shape) -> tuple[TensorVariable, int | None] | None:
        """Return the sum of a column and how many cells it has, if it has any; None where it has too many."""
        summed = sum_of_column(self.rows, column, shape)
        return summed if summed is None else (summed[0], None if summed[1] is None else len(summed[1]))

    def sum_of_block(self, block: SharedProduct, shape: Shape) -> TensorVariable:
        """Return the sum of a block."""
        return sum_of_block(block, shape)

    def sum_of_square(self, square: Square, shape: Shape) -> Squares | None:
        """Return the sum of a square; None where it has no small statistics."""
        return sum_of_square(self.rows, square, shape)

    def at_distinct_rows(self, variable: TensorVariable) -> TensorVariable | None:
        """Return a variable at one of the rows that read the same, for all such; None where these are too many."""
        shape = shape_of(variable)
        cells = cells_of(self.rows, [variable], shape)
        return None if cells is None else Restriction(self.rows, shape, cells.representatives)(variable)

    def sums(self, node: Apply, first: int = 0) -> list[TensorVariable]:
        """Return the sums of the inputs of a node from the first on, each repeated to the shape of its output."""
        return [self.repeated(i, node.outputs[0]) for i in node.inputs[first:]]

    def _by_branch(self, variable: TensorVariable) -> TensorVariable | None:
        """Return the sum of a variable branch by branch; None where data choose none."""
        if isinstance(variable.owner.op, Elemwise) and isinstance(variable.owner.op.scalar_op, ps.Add | ps.Sub):
            # Addends have branches of their own.
            return None
        sums = []
        for part, count in by_branch(self.rows, variable):
            own = Totals(Rows(part))
            sums.append(multiple(count / (size_of(part) or 1), own.of(part)))
            self._branches.append(count)
            self._statistics |= own._statistics
        return pt.add(*sums) if sums else None

    def _of_form(self, variable: TensorVariable) -> TensorVariable | None:
        form, shape = self.separation.form(variable), shape_of(variable)
        parts: list[TensorVariable] = []
        for column in form.columns:
            summed = self.sum_of_column(column, shape)
            if summed is None:
                return None
            parts.append(summed[0])
            self._note_column(column, summed[1])
        parts += [self.sum_of_block(block, shape) for block in form.blocks]
        self._statistics |= {"sums": None} if form.blocks else {}
        for square in form.squares:
            squares = self.sum_of_square(square, shape)
            if squares is None:
                return None
            parts.append(squares.graph)
            self._statistics |= dict.fromkeys(_words(squares))
        return pt.add(*parts) if len(parts) > 1 else parts[0]

    def _note_column(self, column: Column, num_cells: int | None) -> None:
        if num_cells is None or column.function is None:
            return
        if not self.rows.is_data_free(column.function):
            self._statistics[f"table of {num_cells} distinct rows"] = None
            return
        of_groups = f" of {num_cells} groups" if num_cells > 1 else ""
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
    return totals.repeated(over, node.outputs[0]) / pt.sum(under)


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
    fewer = totals.at_distinct_rows(condition)
    if fewer is None:
        return None
    return pt.switch(pt.all(fewer), totals.repeated(node.inputs[1], node.outputs[0]), -np.inf)


def _with_fewer_rows(totals: Totals, condition: TensorVariable) -> TensorVariable:
    """Check only one of the rows that read the same."""
    replaced = {}
    for node in toposort([condition]):
        source = node.inputs[0] if node.inputs else None
        is_check = isinstance(node.op, CAReduce) and isinstance(node.op.scalar_op, ps.AND | ps.OR)
        if not is_check or size_of(node.outputs[0]) != 1 or (size_of(source) or 0) <= 1:
            continue
        fewer = totals.at_distinct_rows(source)
        if fewer is not None:
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
