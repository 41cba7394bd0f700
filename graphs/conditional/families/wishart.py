"""Wishart and inverse Wishart laws of positive definite matrices."""

from __future__ import annotations

from abc import abstractmethod
from math import log, pi

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import cholesky, inv, solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law


class _WishartOf(Law):
    """A law under which positive definite matrices, or their inverses, have a Wishart distribution."""

    @property
    def _length(self) -> int:
        """Number of rows of a matrix."""
        return int(self.variable.type.shape[-1])

    @property
    def _degrees(self) -> TensorVariable:
        return self.parameters["degrees_of_freedom"]

    @property
    @abstractmethod
    def _matrix(self) -> TensorVariable:
        """The matrix parameter."""

    @property
    def _factor(self) -> TensorVariable:
        """Lower triangular factor of the matrix parameter; not a number where that is not positive definite."""
        factor: TensorVariable = cholesky(self._matrix, lower=True, on_error="nan")
        return factor

    @property
    def condition(self) -> TensorVariable:
        """Whether there are enough degrees of freedom, and the matrix is positive definite."""
        is_definite = pt.all(diagonal(self._factor) > 0, axis=-1)
        return pt.all((self._degrees > self._length - 1) & is_definite)

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        name = next(name for name in self.parameters if name != "degrees_of_freedom")
        return f"degrees_of_freedom > {self._length - 1} and a positive definite {name}"

    def _normalizer(self) -> TensorVariable:
        half, length = 0.5 * self._degrees, self._length
        total: TensorVariable = self._degrees * pt.log(diagonal(self._factor)).sum(axis=-1)
        total = total - half * length * log(2.0) - 0.25 * length * (length - 1) * log(pi)
        for row in range(length):
            total = total - pt.gammaln(half - 0.5 * row)
        return total

    def _bartlett(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and the factor of a Wishart matrix with the identity as its scale [1]_.

        .. [1] Bartlett (1933). On the theory of statistical regression. Proceedings of the Royal Society of Edinburgh.
        """
        length, batch = self._length, self.variable.type.shape[:-2]
        shapes = 0.5 * (self._degrees[..., None] - pt.arange(length))
        next_rng, squares = rng.gamma(shapes, scale=2.0, size=(*batch, length))
        next_rng, noise = next_rng.normal(0.0, 1.0, size=(*batch, length, length))
        roots = pt.sqrt(squares)[..., None] * pt.eye(length)
        factor: TensorVariable = noise * pt.tril(pt.ones((length, length)), -1) + roots
        return next_rng, factor


class Wishart(_WishartOf):
    """Wishart law: ``|X|^((degrees_of_freedom - d - 1) / 2) exp(-tr(inverse_scale X) / 2)``, X being d by d.

    Parameters: ``degrees_of_freedom`` of shape (...), ``inverse_scale`` of shape (..., d, d).
    """

    family = "Wishart"

    @property
    def _matrix(self) -> TensorVariable:
        return self.parameters["inverse_scale"]

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``, one for each matrix."""
        logdet = 2.0 * pt.log(diagonal(cholesky(value, lower=True, on_error="nan"))).sum(axis=-1)
        trace = (self._matrix * value).sum(axis=(-2, -1))
        return self._normalizer() + 0.5 * (self._degrees - self._length - 1) * logdet - 0.5 * trace

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, bartlett = self._bartlett(rng)
        root = solve_triangular(self._factor.mT, bartlett, lower=False, b_ndim=2)
        return next_rng, root @ root.mT

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self._degrees[..., None, None] * inv(self._matrix)

    def mode(self) -> TensorVariable:
        """Return the mode, for at least ``d + 1`` degrees of freedom."""
        return (self._degrees - self._length - 1)[..., None, None] * inv(self._matrix)

    def anchor(self) -> TensorVariable:
        """Return the mean, which is positive definite for any degrees of freedom."""
        root = solve_triangular(self._factor, pt.eye(self._length), lower=True, b_ndim=2)
        return self._degrees[..., None, None] * (root.mT @ root)


class InverseWishart(_WishartOf):
    """Inverse Wishart law: ``|X|^(-(degrees_of_freedom + d + 1) / 2) exp(-tr(scale X^-1) / 2)``, X being d by d.

    Parameters: ``degrees_of_freedom`` of shape (...), ``scale`` of shape (..., d, d).
    """

    family = "InverseWishart"

    @property
    def _matrix(self) -> TensorVariable:
        return self.parameters["scale"]

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``, one for each matrix."""
        factor = cholesky(value, lower=True, on_error="nan")
        logdet = 2.0 * pt.log(diagonal(factor)).sum(axis=-1)
        trace = (self._matrix * inv(value)).sum(axis=(-2, -1))
        return self._normalizer() - 0.5 * (self._degrees + self._length + 1) * logdet - 0.5 * trace

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, bartlett = self._bartlett(rng)
        # With the inverse W = F^-T A A' F^-1, X is R'R, where A R = F'.
        root = solve_triangular(bartlett, self._factor.mT, lower=True, b_ndim=2)
        return next_rng, root.mT @ root

    def mean(self) -> TensorVariable:
        """Return the mean, for more than ``d + 1`` degrees of freedom."""
        return self._matrix / (self._degrees - self._length - 1)[..., None, None]

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self._matrix / (self._degrees + self._length + 1)[..., None, None]


def diagonal(matrix: TensorVariable) -> TensorVariable:
    """Return the diagonals of matrices."""
    found: TensorVariable = pt.diagonal(matrix, axis1=-2, axis2=-1)
    return found
