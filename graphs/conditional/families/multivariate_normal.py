"""Multivariate normal laws."""

from __future__ import annotations

from math import log, pi, prod

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import cholesky, solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law
from graphs.sparse.dense import log_determinants_of


class MultivariateNormal(Law):
    """Multivariate normal law in natural form: ``exp(linear' x - x' precision x / 2)``.

    All elements of the variable, in the order of its memory, are one vector of length m; ``precision`` has shape
    (m, m), ``linear`` shape (m,). The mean is ``precision^-1 linear``, the covariance matrix ``precision^-1``.
    """

    family = "MultivariateNormal"
    domain = "a positive definite precision"
    improper_draws_are_nan = True

    @property
    def factor(self) -> TensorVariable:
        """Lower triangular factor of the precision matrix; not a number where that is not positive definite."""
        factor: TensorVariable = cholesky(self.parameters["precision"], lower=True, on_error="nan")
        return factor

    @property
    def condition(self) -> TensorVariable:
        """Whether the precision matrix is positive definite."""
        return pt.all(pt.diagonal(self.factor) > 0)

    def least_pivot(self) -> TensorVariable:
        """Return what elimination leaves of an element of the diagonal, at least, as a part of it; shape ()."""
        return pt.min(pt.sqr(pt.diagonal(self.factor)) / pt.diagonal(self.parameters["precision"]))

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ()."""
        factor = self.factor
        size = prod(self.variable.type.shape)
        whitened = pt.dot(factor.T, value.reshape((size,))) - self._whitened_mean(factor)
        return self.peak() - 0.5 * pt.sqr(whitened).sum()

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        factor = self.factor
        next_rng, noise = rng.normal(0.0, 1.0, size=(prod(self.variable.type.shape),))
        flat = solve_triangular(factor.T, self._whitened_mean(factor) + noise, lower=False, b_ndim=1)
        return next_rng, flat.reshape(self.variable.type.shape)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        factor = self.factor
        flat = solve_triangular(factor.T, self._whitened_mean(factor), lower=False, b_ndim=1)
        return flat.reshape(self.variable.type.shape)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.mean()

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode; shape (); its gradient is half the covariance matrix."""
        log_determinant = log_determinants_of(self.parameters["precision"], self.factor)
        return 0.5 * log_determinant - 0.5 * prod(self.variable.type.shape) * log(2 * pi)

    def _whitened_mean(self, factor: TensorVariable) -> TensorVariable:
        """Return the mean times the transposed factor."""
        whitened: TensorVariable = solve_triangular(factor, self.parameters["linear"], lower=True, b_ndim=1)
        return whitened
