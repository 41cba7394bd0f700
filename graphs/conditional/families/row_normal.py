"""Normal laws by the rows of their least squares, ``exp(-|A x - b|^2 / 2)``: what they forget of no scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law
from graphs.sparse.row_ops import FactoredRows
from graphs.sparse.rows import RowPattern


@dataclass(frozen=True, eq=False)
class RowNormal(Law):
    """Multivariate normal law of a variable, all of whose elements are one vector of length n.

    The parameters are ``elements`` of A, shape (k,), and ``right``, b, shape (m,).

    Parameters
    ----------
    rows : RowPattern
        Where A has elements.
    is_sparse : bool
        Whether few pairs of elements depend on each other.
    slices : mapping of str to tuple of slice or None
        For each term of a log-density by name, the rows of each of its squares, in order; None where these were made
        fewer.
    """

    rows: RowPattern
    is_sparse: bool
    slices: Mapping[str, tuple[slice | None, ...]]

    domain = "a positive definite precision"
    improper_draws_are_nan = True

    @property
    def family(self) -> str:
        """Name of the family."""
        return "SparseNormal" if self.is_sparse else "MultivariateNormal"

    @cached_property
    def factored(self) -> FactoredRows:
        """The rows and their factor."""
        return FactoredRows.of(self.parameters["elements"], self.rows)

    @property
    def condition(self) -> TensorVariable:
        """Whether the precision matrix is positive definite."""
        return pt.all(self.factored.diagonal > 0)

    @property
    def diagonal(self) -> TensorVariable:
        """The diagonal of the factor of the precision matrix, in the order of the elements; shape (n,)."""
        pattern = self.rows.pattern
        diagonal: TensorVariable = pt.zeros((pattern.size,))[pattern.order].set(self.factored.diagonal)
        return diagonal

    def least_pivot(self) -> TensorVariable:
        """Return what elimination leaves of an element of the diagonal, at least, as a part of it; shape ()."""
        squares = pt.sqr(self.parameters["elements"])
        whole = pt.zeros((self.rows.pattern.size,))[self.rows.columns].inc(squares)
        return pt.min(pt.sqr(self.factored.diagonal) / whole)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ()."""
        away = (value - self.mean()).reshape((self.rows.pattern.size,))
        return self.peak() - 0.5 * pt.sqr(self.factored.times(away)).sum()

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw: the solution for a right side with noise."""
        next_rng, noise = rng.normal(0.0, 1.0, size=(len(self.rows.begins) - 1,))
        drawn, _ = self.factored.solve(self.parameters["right"] + noise)
        return next_rng, drawn.reshape(self.variable.type.shape)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self.factored.solve(self.parameters["right"])[0].reshape(self.variable.type.shape)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.mean()

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode; shape ()."""
        size = int(np.prod(self.variable.type.shape))
        return 0.5 * self.factored.log_determinant() - 0.5 * size * log(2.0 * pi)

    def residuals(self) -> TensorVariable:
        """Return ``b - A x`` at the mode, as if that had more digits than it has; shape (m,)."""
        return self.factored.solve(self.parameters["right"])[1]
