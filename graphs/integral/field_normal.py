"""The law of a normal vector by its covariance matrix in the prior, which is not inverted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import cholesky, solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law


@dataclass(frozen=True, eq=False)
class FieldNormal(Law):
    """The law of a normal vector given what is seen of its elements, by its covariance matrix in the prior.

    The parameters are ``mean`` and ``covariance`` of the prior, and ``linear`` and ``precision`` of the other terms,
    element by element.
    """

    family = "MultivariateNormal"
    domain = "a positive definite covariance"
    improper_draws_are_nan = True

    @cached_property
    def weights(self) -> TensorVariable:
        """Roots of the precisions, zero where nothing is seen."""
        precision = self.parameters["precision"]
        is_seen = pt.gt(precision, 0.0)
        weights: TensorVariable = pt.switch(is_seen, pt.sqrt(pt.switch(is_seen, precision, 1.0)), 0.0)
        return weights

    @cached_property
    def best(self) -> TensorVariable:
        """Where the other terms are largest; the mean where nothing is seen."""
        precision = self.parameters["precision"]
        is_seen = pt.gt(precision, 0.0)
        best: TensorVariable = pt.switch(
            is_seen, self.parameters["linear"] / pt.switch(is_seen, precision, 1.0), self.parameters["mean"]
        )
        return best

    @cached_property
    def matrix(self) -> TensorVariable:
        """``B``, shape (n, n)."""
        outer = self.weights[:, None] * self.weights[None, :]
        matrix: TensorVariable = pt.eye(self.variable.type.shape[0]) + outer * self.parameters["covariance"]
        return matrix

    @cached_property
    def factor(self) -> TensorVariable:
        """Its lower triangular factor."""
        factor: TensorVariable = cholesky(self.matrix, lower=True, on_error="nan")
        return factor

    @cached_property
    def away(self) -> TensorVariable:
        """The distance of the best values from the mean, weighted."""
        away: TensorVariable = self.weights * (self.best - self.parameters["mean"])
        return away

    @cached_property
    def whitened(self) -> TensorVariable:
        """The distance of the best values from the mean, in units of what is expected of it."""
        whitened: TensorVariable = solve_triangular(self.factor, self.away, lower=True, b_ndim=1)
        return whitened

    @property
    def condition(self) -> TensorVariable:
        """Whether the matrix is positive definite."""
        return pt.all(pt.diagonal(self.factor) > 0)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        back = self.weights * solve_triangular(self.factor.T, self.whitened, lower=False, b_ndim=1)
        mean: TensorVariable = self.parameters["mean"] + pt.dot(self.parameters["covariance"], back)
        return mean

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.mean()

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ().

        That of the prior, and of the other terms, less the integral, which takes a factor of the covariance matrix.
        """
        prior = cholesky(self.parameters["covariance"], lower=True, on_error="nan")
        size = int(np.prod(self.variable.type.shape))
        own = pt.sqr(solve_triangular(prior, value - self.parameters["mean"], lower=True, b_ndim=1)).sum()
        own += 2.0 * pt.log(pt.diagonal(prior)).sum() + size * log(2.0 * pi)
        seen = pt.sqr(self.weights * (value - self.best)).sum()
        integral = pt.sqr(self.whitened).sum() + 2.0 * pt.log(pt.diagonal(self.factor)).sum()
        density: TensorVariable = -0.5 * (own + seen - integral)
        return density

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw: one of the prior, moved by what is seen (Matheron's rule)."""
        size = int(np.prod(self.variable.type.shape))
        prior = cholesky(self.parameters["covariance"], lower=True, on_error="nan")
        next_rng, noise = rng.normal(0.0, 1.0, size=(2, size))
        drawn = self.parameters["mean"] + pt.dot(prior, noise[0])
        moved = self.weights * (self.best - drawn) - noise[1]
        inner = solve_triangular(self.factor, moved, lower=True, b_ndim=1)
        back = self.weights * solve_triangular(self.factor.T, inner, lower=False, b_ndim=1)
        return next_rng, drawn + pt.dot(self.parameters["covariance"], back)
