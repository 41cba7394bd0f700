"""Metrics: diagonal, dense, or diagonal plus low rank; and the coordinates in which they are the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError

DENSE = 1
LOW_RANK = 2

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]
Kind = Literal["diag", "dense", "low_rank"]


@dataclass(frozen=True, eq=False)
class Metric:
    """An inverse mass matrix ``F F^T``.

    Parameters
    ----------
    kind : {"diag", "dense", "low_rank"}
        ``F`` is diagonal; any regular matrix; or ``D (1 + U^T diag(c) U)``.
    scale : array, shape (d,), float64
        Diagonal of ``F``, or ``D``; ones if dense.
    rows : array, shape (k, d), float64
        ``F``, or orthonormal rows ``U``; none if diagonal.
    coefficients : array, shape (k,), float64
        ``c``, above -1; none unless the rank is low.
    """

    kind: Kind
    scale: Vector
    rows: Matrix
    coefficients: Vector

    @classmethod
    def diagonal(cls, inverse_mass_matrix: Vector) -> Metric:
        """Return the metric of a diagonal inverse mass matrix, shape (d,)."""
        return cls("diag", np.sqrt(inverse_mass_matrix), np.zeros((0, inverse_mass_matrix.size)), np.zeros(0))

    @classmethod
    def dense(cls, factor: Matrix) -> Metric:
        """Return the metric of a factor, shape (d, d)."""
        return cls("dense", np.ones(len(factor)), np.ascontiguousarray(factor), np.zeros(0))

    @classmethod
    def of(cls, inverse_mass_matrix: Any, size: int) -> Metric:
        """Return the metric of an inverse mass matrix.

        Parameters
        ----------
        inverse_mass_matrix : array, shape (d,) or (d, d), float64
            A diagonal, positive; or a symmetric, positive definite matrix.
        size : int
            The number ``d`` of elements of the position.

        Raises
        ------
        SamplingError
            If it is not one.
        """
        matrix = np.array(inverse_mass_matrix, np.float64)
        if matrix.shape not in ((size,), (size, size)):
            raise SamplingError(
                f"The inverse mass matrix has shape {matrix.shape}; the position has {size} elements: give their "
                f"variances, shape ({size},), or covariances, shape ({size}, {size})."
            )
        if not np.isfinite(matrix).all():
            raise SamplingError(f"The inverse mass matrix is not finite at {np.argwhere(~np.isfinite(matrix))[0]}.")
        if matrix.ndim == 1:
            if not (matrix > 0).all():
                raise SamplingError(
                    f"The inverse mass matrix must be {size} positive numbers, one for each element: element "
                    f"{int(np.argmin(matrix))} is {matrix.min()}."
                )
            return cls.diagonal(matrix)
        if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0.0):
            raise SamplingError("The inverse mass matrix is not symmetric; give covariances of the position.")
        scale = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
        try:
            return cls.dense(scale[:, None] * np.linalg.cholesky(matrix / np.outer(scale, scale)))
        except np.linalg.LinAlgError:
            raise SamplingError(
                "The inverse mass matrix is not positive definite; a covariance of more draws than dimensions is, or "
                "give variances alone."
            ) from None

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return self.scale.size

    @property
    def numbers(self) -> Vector:
        """The factor as ``samplers.tuning.preconditioning`` takes it."""
        if self.kind == "dense":
            return self.rows.ravel()
        return np.concatenate([self.scale, self.coefficients, self.rows.ravel()])

    @property
    def kind_number(self) -> int:
        """The kind as ``samplers.tuning.preconditioning`` takes it."""
        return DENSE if self.kind == "dense" else LOW_RANK

    @property
    def factor(self) -> Matrix:
        """The matrix ``F``, shape (d, d)."""
        if self.kind == "dense":
            return self.rows
        return self.scale[:, None] * (np.eye(self.size) + self.rows.T @ (self.coefficients[:, None] * self.rows))

    @property
    def inverse_mass_matrix(self) -> NDArray[np.float64]:
        """The matrix ``F F^T``, shape (d, d); its diagonal, shape (d,), if the metric is diagonal."""
        if self.kind == "diag":
            return self.scale**2
        factor = self.factor
        return factor @ factor.T

    @property
    def variances(self) -> Vector:
        """The diagonal of ``F F^T``, shape (d,)."""
        if self.kind == "dense":
            return (self.rows**2).sum(axis=1)
        # (1 + U^T diag(c) U)^2 = 1 + U^T diag(2 c + c^2) U
        weights = self.coefficients * (2.0 + self.coefficients)
        return self.scale**2 * (1.0 + weights @ self.rows**2)

    @property
    def _inverse_coefficients(self) -> Vector:
        return -self.coefficients / (1.0 + self.coefficients)

    def coordinates(self, positions: Matrix) -> Matrix:
        """Return ``F^-1 x`` of rows ``x``."""
        if self.kind == "dense":
            return np.linalg.solve(self.rows, positions.T).T
        scaled = positions / self.scale
        return scaled + (scaled @ self.rows.T * self._inverse_coefficients) @ self.rows

    def transformed(self, gradients: Matrix) -> Matrix:
        """Return ``F^T g`` of rows ``g``: gradients with respect to the coordinates."""
        if self.kind == "dense":
            return gradients @ self.rows
        scaled = gradients * self.scale
        return scaled + (scaled @ self.rows.T * self.coefficients) @ self.rows

    def gradients(self, transformed: Matrix) -> Matrix:
        """Return ``F^-T h`` of rows ``h``, which undoes ``transformed``."""
        if self.kind == "dense":
            return np.linalg.solve(self.rows.T, transformed.T).T
        return (transformed + (transformed @ self.rows.T * self._inverse_coefficients) @ self.rows) / self.scale


class Centring(NamedTuple):
    """Between which coordinates a chain moves: what these depend on, as in `graphs.centring`, each of shape (k,)."""

    share: Vector  # 1 centred, 0 not
    scale: Vector  # positive
    pull: Vector

    @property
    def is_declared(self) -> bool:
        """Whether coordinates are positions."""
        return bool((self.share == 1.0).all())

    @property
    def floor(self) -> Vector:
        """The part of the squared scale of coordinates that does not follow that of variables."""
        return (1.0 - self.share) * self.scale**2

    @property
    def data(self) -> tuple[Vector, Vector, Vector]:
        """Shares, floors and pulls as densities take them; where the share is one coordinates are positions."""
        return self.share, self.floor, np.where(self.share == 1.0, 0.0, self.pull)


class Learnt(NamedTuple):
    """What a NUTS block has learnt."""

    step_size: float
    metric: Metric
    centring: Centring | None = None
