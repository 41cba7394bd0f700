"""Affine coordinates: where an approximation is, and in which scale steps of it are of the order of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]


@njit(nogil=True, cache=True)
def write_position(centre: Vector, factor: Matrix, y: Vector, position: Vector) -> None:
    """Write ``centre + factor y``; a factor of one row is a diagonal, others are lower triangles."""
    if factor.shape[0] != y.size:
        for i in range(y.size):
            position[i] = centre[i] + factor[0, i] * y[i]
        return
    for i in range(y.size):
        total = centre[i]
        for j in range(i + 1):
            total += factor[i, j] * y[j]
        position[i] = total


@njit(nogil=True, cache=True)
def from_slope(factor: Matrix, slope: Vector, out: Vector) -> None:
    """Write the gradient in coordinates of what has a gradient at positions."""
    if factor.shape[0] != slope.size:
        for i in range(slope.size):
            out[i] = factor[0, i] * slope[i]
        return
    out[:] = 0.0
    for i in range(slope.size):
        for j in range(i + 1):
            out[j] += factor[i, j] * slope[i]


@dataclass(frozen=True, eq=False)
class Base:
    """Positions as ``centre + factor y``.

    Parameters
    ----------
    centre : array, shape (d,), float64
        Where the coordinates are zero.
    factor : array, shape (1, d) or (d, d), float64
        A diagonal, or a lower triangle; without zeros on the diagonal.
    """

    centre: Vector
    factor: Matrix

    @property
    def log_determinant(self) -> float:
        """Logarithm of the determinant of the factor: densities of positions have so much less."""
        diagonal = self.factor[0] if self.is_diagonal else np.diag(self.factor)
        return float(np.log(np.abs(diagonal)).sum())

    @property
    def is_diagonal(self) -> bool:
        """Whether the factor is a diagonal."""
        return len(self.factor) != len(self.centre) or len(self.centre) == 1

    def positions(self, y: Matrix) -> Matrix:
        """Return positions of coordinates (..., d)."""
        scaled = y * self.factor[0] if self.is_diagonal else y @ self.factor.T
        found: Matrix = self.centre + scaled
        return found

    def moved(self, shift: Vector) -> Base:
        """Return coordinates that are zero where these are ``shift``."""
        return Base(self.positions(shift), self.factor)
