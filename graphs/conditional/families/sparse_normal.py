"""Multivariate normal laws whose precision matrices have few elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law
from graphs.sparse.ops import SparseFactor, draw_sparse_normal
from graphs.sparse.pattern import Pattern


@dataclass(frozen=True, eq=False)
class SparseNormal(Law):
    """Multivariate normal law in natural form: ``exp(linear' x - x' Q x / 2)``, Q a sparse matrix.

    All elements of the variable, in the order of its memory, are one vector of length m; ``precision`` holds the
    elements of the lower half of Q where the pattern says that it has any, ``linear`` has shape (m,). A draw is forward
    filtering, backward sampling in any graph: elimination in an order that makes few elements.

    Parameters
    ----------
    pattern : Pattern
        Where Q has elements.
    """

    pattern: Pattern

    family = "SparseNormal"
    domain = "a positive definite precision"
    improper_draws_are_nan = True

    @cached_property
    def factor(self) -> SparseFactor:
        """The factor of the precision matrix."""
        return SparseFactor.of(self.parameters["precision"], self.pattern)

    @property
    def condition(self) -> TensorVariable:
        """Whether the precision matrix is positive definite."""
        return pt.all(self.factor.diagonal > 0)

    def least_pivot(self) -> TensorVariable:
        """Return what elimination leaves of an element of the diagonal, at least, as a part of it; shape ()."""
        p = self.pattern
        places = np.flatnonzero(p.first == p.second)
        of_row = places[np.argsort(p.first[places])]
        return pt.min(pt.sqr(self.factor.diagonal) / self.parameters["precision"][of_row[p.order]])

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ()."""
        p = self.pattern
        centred = (value - self.mean()).reshape((p.size,))
        times = np.where(p.first == p.second, 1.0, 2.0)
        quadratic = (times * self.parameters["precision"] * centred[p.first] * centred[p.second]).sum()
        return self.peak() - 0.5 * quadratic

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, noise = rng.normal(0.0, 1.0, size=(self.pattern.size,))
        flat = draw_sparse_normal(self.parameters["precision"], self.parameters["linear"], noise, self.pattern)
        return next_rng, flat.reshape(self.variable.type.shape)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self.factor.solve(self.parameters["linear"]).reshape(self.variable.type.shape)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.mean()

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode; shape (); its gradient costs about as much as itself."""
        return 0.5 * self.factor.log_determinant() - 0.5 * self.pattern.size * log(2 * pi)
