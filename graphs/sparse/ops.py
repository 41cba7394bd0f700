"""Cholesky factors of sparse symmetric matrices whose pattern is known when the graph is built.

The order of elimination and the pattern of the factor are found once, in Python; what runs is loops over fixed
positions: a chain of any length costs a few operations per element, a hierarchy of groups too.

References
----------
Davis (2006), Direct Methods for Sparse Linear Systems, SIAM: chapter 4.
Rue and Held (2005), Gaussian Markov Random Fields, Chapman and Hall: draws by sparse factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba.machine_code.plain import performing
from graphs.backends.numba.machine_code.reachable import digest_of
from graphs.sparse.differentiable import SparseInverse, SparseLogDeterminant, SparseSolution
from graphs.sparse.kernels import factorize, solve_with_noise
from graphs.sparse.pattern import Pattern


class SparseCholesky(Op):
    """Elements of the Cholesky factor of a sparse matrix, from its elements and the arrays of a `Pattern`.

    On the diagonal stand the reciprocals: a division takes ten times as long as a product.
    """

    __props__ = ()
    gufunc_signature = "(k),(k),(s),(m),(s),(r),(r),(t)->(m)"

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        values, *arrays = (pt.as_tensor(i) for i in inputs)
        return Apply(self, [values, *arrays], [pt.tensor(dtype="float64", shape=arrays[2].type.shape)])

    perform = performing(factorize)

    def num_products(self, node: Apply) -> tuple[int, int]:
        """Return about how many products are made, and in how many columns."""
        return counted(node.inputs[2], is_factor=True)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Call all but the elements of the matrix disconnected: they are whole numbers."""
        return [[True]] + [[False]] * (len(node.inputs) - 1)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return what says that there is no gradient."""
        reason = "of a sparse factor there is none; SparseFactor.log_determinant and SparseFactor.solve have one"
        return [grad_not_implemented(self, 0, inputs[0], reason)] + [DisconnectedType()() for _ in inputs[1:]]


class SparseDraw(Op):
    """A solution of a sparse system plus noise of which the inverse matrix is the covariance, in one call."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        values, right, noise, *arrays = (pt.as_tensor(i) for i in inputs)
        return Apply(self, [values, right, noise, *arrays], [right.type()])

    perform = performing(solve_with_noise)

    def num_products(self, node: Apply) -> tuple[int, int]:
        """Return about how many products are made, and in how many columns."""
        return counted(node.inputs[5], is_factor=True)


def counted(starts: Variable, *, is_factor: bool) -> tuple[int, int]:
    """Return the products of a factor, or of the solution of a system, and the number of columns, by their starts."""
    columns = np.diff(starts.data) if isinstance(starts, Constant) else np.zeros(0)
    return int((columns**2 if is_factor else columns).sum()), columns.size


@register_funcify_and_cache_key(SparseDraw)
def _numba_draw(op: SparseDraw, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return solve_with_noise, digest_of(solve_with_noise)


def draw_sparse_normal(
    values: TensorVariable, linear: TensorVariable, noise: TensorVariable, pattern: Pattern
) -> TensorVariable:
    """Return a draw of the normal law with a sparse precision matrix and linear coefficients.

    Parameters
    ----------
    values : TensorVariable
        Elements of the matrix, where the pattern says that they are given.
    linear, noise : TensorVariable
        Shape (n,); the noise is standard normal.
    pattern : Pattern
        Of the factor.
    """
    p = pattern
    arrays = (p.order, p.places, p.starts, p.rows, p.row_starts, p.row_columns, p.row_places, p.targets)
    drawn: TensorVariable = SparseDraw()(values, linear, noise, *arrays)
    return drawn


@register_funcify_and_cache_key(SparseCholesky)
def _numba_cholesky(op: SparseCholesky, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return factorize, digest_of(factorize)


@dataclass(frozen=True, eq=False)
class SparseFactor:
    """The Cholesky factor of a sparse matrix, as a graph.

    Parameters
    ----------
    pattern : Pattern
        Where it has elements.
    elements : TensorVariable
        They; on the diagonal one over them.
    values : TensorVariable
        The elements of the matrix, where the pattern says that they are given.
    """

    pattern: Pattern
    elements: TensorVariable
    values: TensorVariable

    @classmethod
    def of(cls, values: TensorVariable, pattern: Pattern) -> SparseFactor:
        """Factorise the matrix of the elements ``values``, which stand where the pattern says they are given."""
        p = pattern
        arrays = (p.places, p.starts, p.rows, p.row_starts, p.row_columns, p.row_places, p.targets)
        return cls(pattern, SparseCholesky()(values, *arrays), values)

    @property
    def diagonal(self) -> TensorVariable:
        """The diagonal of the factor; shape (n,)."""
        diagonal: TensorVariable = pt.reciprocal(self.elements[self.pattern.starts[:-1]])
        return diagonal

    def log_determinant(self) -> TensorVariable:
        """Return the log-determinant of the matrix; shape (); it has a gradient with respect to the elements."""
        p = self.pattern
        arrays = (p.first, p.second, p.places, p.starts, p.rows, p.targets)
        found: TensorVariable = SparseLogDeterminant()(self.values, self.elements, *arrays)
        return found

    def solve(self, right: TensorVariable) -> TensorVariable:
        """Return ``A^-1 b``, both in the order of the matrix; it has gradients, and these have gradients."""
        p = self.pattern
        arrays = (p.order, p.first, p.second, p.starts, p.rows)
        solved: TensorVariable = SparseSolution()(self.values, right, self.elements, *arrays)
        return solved

    def inverse(self) -> TensorVariable:
        """Return the elements of the inverse where those of the matrix are given; the variances come first."""
        p = self.pattern
        found: TensorVariable = SparseInverse()(self.elements, p.places, p.starts, p.rows, p.targets)
        return found
