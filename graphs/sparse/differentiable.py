"""Functions of sparse matrices that have gradients: log-determinants and solutions of systems.

Each takes the elements of the matrix, with respect to which it has a gradient, and the factor that is made of them,
from which it is computed: so that one factor serves values and gradients, and none is differentiated.

References
----------
Takahashi, Fagan and Chen (1973), Formation of a sparse bus impedance matrix and its application to short circuit study,
8th PICA Conference: the elements of the inverse where the factor has any.
Rue and Held (2005), Gaussian Markov Random Fields, Chapman and Hall: section 2.4 and marginal variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba.machine_code.plain import performing
from graphs.backends.numba.machine_code.reachable import digest_of
from graphs.sparse.inverse_kernels import log_determinant, selected_inverse, solve


class SparseLogDeterminant(Op):
    """``(values, factor, first, second, places, starts, rows, targets) -> log det A``, shape ().

    The gradient with respect to the values is the inverse where they stand, twice it off the diagonal. Not a number
    where the matrix is not positive definite.
    """

    __props__ = ()
    gufunc_signature = "(k),(m),(k),(k),(k),(s),(m),(t)->()"

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        return Apply(self, [pt.as_tensor(i) for i in inputs], [pt.scalar(dtype="float64")])

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple]:
        """Return the shape of a number."""
        return [()]

    perform = performing(log_determinant)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Call the factor disconnected: its part of the gradient is in that of the values."""
        return [[True]] + [[False]] * (len(node.inputs) - 1)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients."""
        _, factor, first, second, places, starts, rows, targets = inputs
        inverse = SparseInverse()(factor, places, starts, rows, targets)
        gradient = cotangents[0] * _times(first, second) * inverse
        return [gradient] + [DisconnectedType()() for _ in inputs[1:]]


class SparseSolution(Op):
    """``(values, right, factor, order, first, second, starts, rows) -> A^-1 b``, shape (n,).

    Let y be the solution whose right side is the gradient with respect to the result x. The gradient with respect to b
    is y, that with respect to A is -y x'; made of the same operation, they have gradients themselves.
    """

    __props__ = ()
    gufunc_signature = "(k),(n),(m),(n),(k),(k),(s),(m)->(n)"

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        values, right, *others = (pt.as_tensor(i) for i in inputs)
        return Apply(self, [values, right, *others], [pt.tensor(dtype="float64", shape=others[1].type.shape)])

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple]:
        """Return the shape of the right side."""
        return [tuple(shapes[1])]

    perform = performing(solve)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Call the factor disconnected: its part of the gradient is in that of the values."""
        return [[True], [True]] + [[False]] * (len(node.inputs) - 2)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients."""
        values, _, *others = inputs
        _, _, first, second, *_ = others
        x, y = outputs[0], self(values, cotangents[0], *others)
        products = y[first] * x[second] + y[second] * x[first]
        to_values = -0.5 * _times(first, second) * products
        return [to_values, y] + [DisconnectedType()() for _ in others]


class SparseInverse(Op):
    """``(factor, places, starts, rows, targets) -> A^-1`` where the elements of A are given, shape (k,)."""

    __props__ = ()
    gufunc_signature = "(m),(k),(s),(m),(t)->(k)"

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        factor, places, *others = (pt.as_tensor(i) for i in inputs)
        return Apply(self, [factor, places, *others], [pt.tensor(dtype="float64", shape=places.type.shape)])

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple]:
        """Return the shape of the places."""
        return [tuple(shapes[1])]

    perform = performing(selected_inverse)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Call all but the factor disconnected: they are whole numbers."""
        return [[True]] + [[False]] * (len(node.inputs) - 1)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return what says that there is no gradient."""
        reason = "of elements of the inverse of a sparse matrix, the gradient of its log-determinant, there is none"
        return [grad_not_implemented(self, 0, inputs[0], reason)] + [DisconnectedType()() for _ in inputs[1:]]


def _times(first: TensorVariable, second: TensorVariable) -> TensorVariable:
    """Return how many elements of the matrix each that is given stands for."""
    times: TensorVariable = pt.switch(pt.eq(first, second), 1.0, 2.0)
    return times


@register_funcify_and_cache_key(SparseLogDeterminant)
def _numba_log_determinant(op: SparseLogDeterminant, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return log_determinant, digest_of(log_determinant)


@register_funcify_and_cache_key(SparseSolution)
def _numba_solution(op: SparseSolution, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return solve, digest_of(solve)


@register_funcify_and_cache_key(SparseInverse)
def _numba_inverse(op: SparseInverse, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return selected_inverse, digest_of(selected_inverse)
