"""Normal distributions of any covariance."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from samplers.approximations.families.base import Base
from samplers.approximations.families.family import HALF_LOG_TWO_PI, FamilyFunctions, FittedFamily
from samplers.tuning.pathfinder import Approximation

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _entropy(parameters: Vector, gradient: Vector, work: Vector) -> float:
    gradient[:] = 0.0
    size = work.size
    total, row = size * (0.5 + HALF_LOG_TWO_PI), size
    for i in range(size):
        total += parameters[row + i]
        gradient[row + i] = 1.0
        work[i] = np.exp(parameters[row + i])
        row += i + 1
    return total


@njit(nogil=True, cache=True)
def _place(parameters: Vector, noise: Vector, position: Vector, work: Vector) -> None:
    row = noise.size
    for i in range(noise.size):
        total = parameters[i] + work[i] * noise[i]
        for j in range(i):
            total += parameters[row + j] * noise[j]
        position[i] = total
        row += i + 1


@njit(nogil=True, cache=True)
def _score(parameters: Vector, noise: Vector, out: Vector, work: Vector) -> float:
    size, total, row = noise.size, 0.0, parameters.size
    for i in range(size):
        out[i] = -noise[i]
    for i in range(size - 1, -1, -1):
        row -= i + 1
        out[i] /= work[i]
        for j in range(i):
            out[j] -= parameters[row + j] * out[i]
        total -= HALF_LOG_TWO_PI + parameters[row + i] + 0.5 * noise[i] * noise[i]
    return total


@njit(nogil=True, cache=True)
def _pull(parameters: Vector, noise: Vector, slope: Vector, out: Vector, work: Vector) -> None:
    row = noise.size
    for i in range(noise.size):
        out[i] = slope[i]
        for j in range(i):
            out[row + j] = slope[i] * noise[j]
        out[row + i] = slope[i] * noise[i] * work[i]
        row += i + 1


class FullRank(FittedFamily):
    """``y = m + L e``: parameters are m (d,) and the lower triangle of L by rows, logarithms on its diagonal.

    Parameters
    ----------
    size : int
        Of a draw.
    """

    name: ClassVar[str] = "fullrank"
    functions: ClassVar[FamilyFunctions] = FamilyFunctions(_entropy, _place, _score, _pull)

    @property
    def num_parameters(self) -> int:
        """Of the mean and the triangle."""
        return self.size + self.size * (self.size + 1) // 2

    @property
    def work_size(self) -> int:
        """The diagonal of L."""
        return self.size

    def standard(self) -> Vector:
        """Return zeros."""
        return np.zeros(self.num_parameters)

    def begun(self, normal: Approximation) -> tuple[Vector, Base]:
        """Return that distribution."""
        return self.standard(), Base(normal.mean, np.linalg.cholesky(normal.covariance))

    def lower(self, parameters: Vector) -> Matrix:
        """Return L, (d, d)."""
        found = np.zeros((self.size, self.size))
        found[np.tril_indices(self.size)] = parameters[self.size :]
        np.fill_diagonal(found, np.exp(np.diag(found)))
        return found

    def rebased(self, parameters: Vector, base: Base) -> tuple[Vector, Base]:
        """Return zeros, with all that they were in the base."""
        factor = np.diag(base.factor[0]) if base.is_diagonal else base.factor
        return self.standard(), Base(base.positions(parameters[: self.size]), factor @ self.lower(parameters))
