"""Least squares of sparse rows, ``|A x - b|``, as graphs: the determinant of ``A'A`` and solutions, by its rows.

The elements of A and not those of ``A'A`` are what they are computed from, and what their gradients are of: where rows
of very different scales meet, ``A'A`` in double precision has forgotten the small ones.

References
----------
Björck (1996), Numerical Methods for Least Squares Problems, SIAM: section 2.9, iterative refinement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba.machine_code.plain import performing
from graphs.backends.numba.machine_code.reachable import digest_of
from graphs.sparse.ops import counted
from graphs.sparse.row_kernels import factorize_rows, log_determinant_of_rows, project_rows, solve_gram, solve_rows
from graphs.sparse.rows import RowPattern


class _OfRows(Op):
    """What is computed from the elements of A, with respect to which it has gradients, and of other arrays."""

    __props__: tuple[str, ...] = ()
    num_connected = 1

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple]:
        """Return the static shape."""
        return [tuple(pt.constant(n) for n in node.outputs[0].type.shape)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Call all else disconnected: the part of the factor is in that of the elements."""
        return [[i < self.num_connected] for i in range(len(node.inputs))]

    def _rest(self, inputs: Sequence[Variable]) -> list[Variable]:
        return [DisconnectedType()() for _ in inputs[self.num_connected :]]


class RowFactor(_OfRows):
    """``(elements, begins, columns, firsts, ...) -> factor``, shape (2, m + 1), of which there is no gradient."""

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        inputs = tuple(pt.as_tensor(i) for i in inputs)
        return Apply(self, list(inputs), [pt.tensor(dtype="float64", shape=(2, inputs[8].type.shape[0] + 1))])

    perform = performing(factorize_rows)

    def num_products(self, node: Apply) -> tuple[int, int]:
        """Return about how many products are made, and in how many columns."""
        num_products, num_columns = counted(node.inputs[7], is_factor=True)
        return num_products + node.inputs[3].type.shape[0], num_columns

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return what says that there is no gradient."""
        return [grad_not_implemented(self, 0, inputs[0], "of a factor there is none"), *self._rest(inputs)]


class RowLogDeterminant(_OfRows):
    """``(elements, factor, begins, columns, pairs, places, starts, rows, targets) -> log det A'A``, shape ()."""

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        return Apply(self, [pt.as_tensor(i) for i in inputs], [pt.scalar(dtype="float64")])

    perform = performing(log_determinant_of_rows)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients: ``2 A (A'A)^-1``."""
        return [2.0 * cotangents[0] * RowProjections()(*inputs), *self._rest(inputs)]


class RowProjections(_OfRows):
    """``(elements, factor, begins, columns, pairs, places, starts, rows, targets) -> A (A'A)^-1``, where A has any."""

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        inputs = tuple(pt.as_tensor(i) for i in inputs)
        return Apply(self, list(inputs), [inputs[0].type()])

    perform = performing(project_rows)

    def num_products(self, node: Apply) -> tuple[int, int]:
        """Return about how many products are made, and in how many columns."""
        num_products, num_columns = counted(node.inputs[6], is_factor=True)
        return num_products + node.inputs[4].type.shape[0], num_columns

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return what says that there is no gradient."""
        reason = "of the gradient of the determinant of sparse rows there is none"
        return [grad_not_implemented(self, 0, inputs[0], reason), *self._rest(inputs)]


class RowSolution(_OfRows):
    """``(elements, right, factor, begins, columns, order, starts, rows) -> x, b - A x``, shape (n + m,).

    Of the least ``|A x - b|``. The second part is as good as if x had more digits than it has.
    """

    num_connected = 2

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        inputs = tuple(pt.as_tensor(i) for i in inputs)
        return Apply(self, list(inputs), [_vector(inputs[5].type.shape[0] + inputs[1].type.shape[0])])

    perform = performing(solve_rows)

    def num_products(self, node: Apply) -> tuple[int, int]:
        """Return about how many products are made, and in how many columns."""
        num_products, num_columns = counted(node.inputs[6], is_factor=False)
        return 2 * num_products + 3 * node.inputs[0].type.shape[0], num_columns

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients, made of such operations: they have gradients themselves."""
        elements, _, factor, begins, columns, order, *arrays = inputs
        count, num_rows = order.type.shape[0], begins.type.shape[0] - 1
        row_of = pt.constant(np.repeat(np.arange(num_rows), np.diff(begins.data)))
        x, left = outputs[0][:count], outputs[0][count:]
        to_left = cotangents[0][count:]
        to_x = cotangents[0][:count] - pt.zeros((count,))[order[columns]].inc(elements * to_left[row_of])
        y = GramSolution()(elements, to_x, factor, begins, columns, order, *arrays)
        moved = to_left + _summed(elements * y[order[columns]], row_of, num_rows)
        to_elements = left[row_of] * y[order[columns]] - moved[row_of] * x[order[columns]]
        return [to_elements, moved, *self._rest(inputs)]


class GramSolution(_OfRows):
    """``(elements, right, factor, begins, columns, order, starts, rows) -> (A'A)^-1 b``, shape (n,)."""

    num_connected = 2

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        inputs = tuple(pt.as_tensor(i) for i in inputs)
        return Apply(self, list(inputs), [_vector(inputs[5].type.shape[0])])

    perform = performing(solve_gram)

    def num_products(self, node: Apply) -> tuple[int, int]:
        """Return about how many products are made, and in how many columns."""
        num_products, num_columns = counted(node.inputs[6], is_factor=False)
        return num_products, num_columns

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients, made of the same operation."""
        elements, _, factor, begins, columns, order, *arrays = inputs
        num_rows = begins.type.shape[0] - 1
        row_of = pt.constant(np.repeat(np.arange(num_rows), np.diff(begins.data)))
        y = self(elements, cotangents[0], factor, begins, columns, order, *arrays)
        of_x, of_y = outputs[0][order[columns]], y[order[columns]]
        fitted, moved = _summed(elements * of_x, row_of, num_rows), _summed(elements * of_y, row_of, num_rows)
        return [-moved[row_of] * of_x - fitted[row_of] * of_y, y, *self._rest(inputs)]


def _vector(length: int) -> TensorVariable:
    vector: TensorVariable = pt.tensor(dtype="float64", shape=(length,))
    return vector


def _summed(values: TensorVariable, row_of: TensorVariable, count: int) -> TensorVariable:
    total: TensorVariable = pt.zeros((count,))[row_of].inc(values)
    return total


@dataclass(frozen=True, eq=False)
class FactoredRows:
    """A matrix of sparse rows, and the factor of ``A'A``, as graphs.

    Parameters
    ----------
    rows : RowPattern
        Where it has elements.
    elements, factor : TensorVariable
        They, and the elements of the factor, on the diagonal one over them.
    """

    rows: RowPattern
    elements: TensorVariable
    factor: TensorVariable

    @classmethod
    def of(cls, elements: TensorVariable, rows: RowPattern) -> FactoredRows:
        """Factorise."""
        p = rows.pattern
        places = np.arange(len(p.rows))
        own = (rows.begins, rows.columns, rows.firsts, rows.seconds, rows.ends)
        arrays = (places, p.starts, p.rows, p.row_starts, p.row_columns, p.row_places, p.targets)
        return cls(rows, elements, RowFactor()(elements, *own, *arrays))

    @property
    def diagonal(self) -> TensorVariable:
        """The diagonal of the factor, in the order of elimination; shape (n,)."""
        diagonal: TensorVariable = pt.reciprocal(self.factor[0][self.rows.pattern.starts[:-1]])
        return diagonal

    def log_determinant(self) -> TensorVariable:
        """Return the log-determinant of ``A'A``; shape ()."""
        p = self.rows.pattern
        own = (self.rows.begins, self.rows.columns, self.rows.pairs)
        arrays = (np.arange(len(p.rows)), p.starts, p.rows, p.targets)
        found: TensorVariable = RowLogDeterminant()(self.elements, self.factor, *own, *arrays)
        return found

    def solve(self, right: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
        """Return the x of the least ``|A x - b|``, shape (n,), and ``b - A x``, shape (m,)."""
        p = self.rows.pattern
        arrays = (self.factor, self.rows.begins, self.rows.columns, p.order, p.starts, p.rows)
        found: TensorVariable = RowSolution()(self.elements, right, *arrays)
        return found[: p.size], found[p.size :]

    def times(self, x: TensorVariable) -> TensorVariable:
        """Return ``A x``; shape (m,)."""
        of_x = x[self.rows.pattern.order[self.rows.columns]]
        return _summed(self.elements * of_x, pt.constant(self.rows.row_of), len(self.rows.begins) - 1)


@register_funcify_and_cache_key(RowFactor)
def _numba_factor(op: RowFactor, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return factorize_rows, digest_of(factorize_rows)


@register_funcify_and_cache_key(RowLogDeterminant)
def _numba_log_determinant(op: RowLogDeterminant, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return log_determinant_of_rows, digest_of(log_determinant_of_rows)


@register_funcify_and_cache_key(RowProjections)
def _numba_projections(op: RowProjections, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return project_rows, digest_of(project_rows)


@register_funcify_and_cache_key(RowSolution)
def _numba_solution(op: RowSolution, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return solve_rows, digest_of(solve_rows)


@register_funcify_and_cache_key(GramSolution)
def _numba_gram_solution(op: GramSolution, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return solve_gram, digest_of(solve_gram)
