"""Multivariate normal laws of many independent vectors."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, prod

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import cholesky, solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law
from graphs.sparse.dense import log_determinants_of


@dataclass(frozen=True, eq=False)
class BlockNormal(Law):
    """Independent multivariate normal vectors in natural form: ``exp(linear' x - x' precision x / 2)`` for each.

    A vector runs over the core axes of the variable, in the order of its memory; there is one for each place along the
    other axes. ``linear`` has shape (m, q), ``precision`` shape (m, q, q), or (1, q, q) where it is the same for all.

    Parameters
    ----------
    core_axes : tuple of int
        The axes along which elements depend on each other; none where all are independent.
    """

    core_axes: tuple[int, ...] = ()

    domain = "positive definite precision matrices"

    @property
    def family(self) -> str:
        """Name of the family."""
        return f"{self.num_blocks} x MultivariateNormal[{self.size}]"

    @property
    def size(self) -> int:
        """Length of a vector."""
        return prod(int(self.variable.type.shape[axis]) for axis in self.core_axes)

    @property
    def num_blocks(self) -> int:
        """Number of vectors."""
        return prod(int(n) for n in self.variable.type.shape) // self.size

    @property
    def factor(self) -> TensorVariable:
        """Lower triangular factors of the precision matrices; not a number where these are not positive definite."""
        factor: TensorVariable = cholesky(self.parameters["precision"], lower=True, on_error="nan")
        return factor

    @property
    def condition(self) -> TensorVariable:
        """Whether every precision matrix is positive definite."""
        return pt.all(_diagonal(self.factor) > 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ()."""
        factor = self.factor
        centred = as_blocks(value - self.mean(), self.core_axes)
        whitened = (centred[:, :, None] * factor).sum(axis=1)
        return self.peak() - 0.5 * pt.sqr(whitened).sum()

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, noise = rng.normal(0.0, 1.0, size=(self.num_blocks, self.size))
        return next_rng, self.mean() + from_blocks(self.spread(noise), self.variable, self.core_axes)

    def spread(self, noise: TensorVariable) -> TensorVariable:
        """Return vectors of the covariance of the law from standard normal ones; shape (m, q)."""
        return _solved(self.factor.mT, noise, lower=False)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        factor = self.factor
        whitened = _solved(factor, self.parameters["linear"], lower=True)
        return from_blocks(_solved(factor.mT, whitened, lower=False), self.variable, self.core_axes)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.mean()

    def peak(self) -> TensorVariable:
        """Return the sum of the logarithms of the largest densities; shape (); its gradient is made of inverses."""
        precision = self.parameters["precision"]
        multiplicity = float(self.num_blocks if precision.type.shape[0] == 1 else 1)
        total = log_determinants_of(precision, self.factor).sum()
        return 0.5 * multiplicity * total - 0.5 * self.num_blocks * self.size * log(2 * pi)


def as_blocks(value: TensorVariable, core_axes: tuple[int, ...]) -> TensorVariable:
    """Lay an array out as one row for each vector; shape (m, q)."""
    shape = [int(n) for n in value.type.shape]
    size = prod(shape[axis] for axis in core_axes)
    ordered = value.dimshuffle(*[a for a in range(len(shape)) if a not in core_axes], *core_axes) if shape else value
    return ordered.reshape((prod(shape) // size, size))


def from_blocks(rows: TensorVariable, like: TensorVariable, core_axes: tuple[int, ...]) -> TensorVariable:
    """Lay rows out as the array that they are the vectors of."""
    shape = [int(n) for n in like.type.shape]
    order = [*(a for a in range(len(shape)) if a not in core_axes), *core_axes]
    ordered = rows.reshape([shape[axis] for axis in order])
    return ordered.dimshuffle(*[order.index(axis) for axis in range(len(shape))]) if shape else ordered


def _solved(factor: TensorVariable, rows: TensorVariable, *, lower: bool) -> TensorVariable:
    """Solve a triangular system for each row; with scalars a division, with one matrix for all a single call."""
    if factor.type.shape[-1] == 1:
        return rows / factor[:, :, 0]
    if factor.type.shape[0] == 1:
        solved: TensorVariable = solve_triangular(factor[0], rows.T, lower=lower, b_ndim=2).T
        return solved
    return solve_triangular(factor, rows, lower=lower, b_ndim=1)


def _diagonal(matrix: TensorVariable) -> TensorVariable:
    diagonal: TensorVariable = pt.diagonal(matrix, axis1=-2, axis2=-1)
    return diagonal
