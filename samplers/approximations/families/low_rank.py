"""Normal distributions whose covariance is a diagonal and a few directions."""

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

_FIRST = 0.1
"""Where directions begin: at zero their gradient is zero."""
_LEAST = 1e-6
"""Added to variances of the diagonal, which are of the order of one: inverses lose no more than six digits."""


@njit(nogil=True, cache=True)
def _variance(scale: float) -> float:
    return scale * scale + _LEAST


@njit(nogil=True, cache=True)
def _inverted(matrix: Matrix) -> float:
    """Replace a positive definite matrix by its inverse; return the logarithm of its determinant."""
    size, total = matrix.shape[0], 0.0
    for p in range(size):
        pivot = matrix[p, p]
        total += np.log(pivot)
        matrix[p, p] = 1.0
        for j in range(size):
            matrix[p, j] /= pivot
        for i in range(size):
            if i != p:
                factor = matrix[i, p]
                matrix[i, p] = 0.0
                for j in range(size):
                    matrix[i, j] -= factor * matrix[p, j]
    return total


@njit(nogil=True, cache=True)
def _entropy(parameters: Vector, gradient: Vector, work: Vector) -> float:
    # Sigma = D + U U'; V = D^-1 U (1 + U' D^-1 U)^-1 is Sigma^-1 U, and kept, with log det Sigma behind it.
    size = (parameters.size - work.size + 1) // 2
    num, u = (work.size - 1) // size, 2 * size
    capacity = np.zeros((num, num))
    for j in range(num):
        capacity[j, j] = 1.0
    for i in range(size):
        precision = 1.0 / _variance(parameters[size + i])
        for j in range(num):
            for k in range(num):
                capacity[j, k] += precision * parameters[u + i * num + j] * parameters[u + i * num + k]
    log_determinant = _inverted(capacity)
    for i in range(size):
        precision = 1.0 / _variance(parameters[size + i])
        removed = 0.0
        for j in range(num):
            value = 0.0
            for k in range(num):
                value += parameters[u + i * num + k] * capacity[k, j]
            work[i * num + j] = precision * value
            gradient[u + i * num + j] = precision * value if j <= i else 0.0
            removed += precision * value * parameters[u + i * num + j]
        log_determinant -= np.log(precision)
        gradient[i] = 0.0
        gradient[size + i] = (1.0 - removed) * precision * parameters[size + i]
    work[work.size - 1] = log_determinant
    return size * (0.5 + HALF_LOG_TWO_PI) + 0.5 * log_determinant


@njit(nogil=True, cache=True)
def _place(parameters: Vector, noise: Vector, position: Vector, work: Vector) -> None:
    size = position.size
    num = noise.size - size
    for i in range(size):
        total = parameters[i] + np.sqrt(_variance(parameters[size + i])) * noise[i]
        for j in range(num):
            total += parameters[2 * size + i * num + j] * noise[size + j]
        position[i] = total


@njit(nogil=True, cache=True)
def _score(parameters: Vector, noise: Vector, out: Vector, work: Vector) -> float:
    size = out.size
    num = noise.size - size
    inside = np.zeros(num)
    total = -0.5 * work[work.size - 1]
    for i in range(size):
        # First D^-1 (y - m), of which V U' D^-1 (y - m) is taken off.
        away = np.sqrt(_variance(parameters[size + i])) * noise[i]
        for j in range(num):
            away += parameters[2 * size + i * num + j] * noise[size + j]
        out[i] = away / _variance(parameters[size + i])
        total -= HALF_LOG_TWO_PI + 0.5 * away * out[i]
        for j in range(num):
            inside[j] += parameters[2 * size + i * num + j] * out[i]
    for i in range(size):
        away = _variance(parameters[size + i]) * out[i]
        removed = 0.0
        for j in range(num):
            removed += work[i * num + j] * inside[j]
        total += 0.5 * away * removed
        out[i] = removed - out[i]
    return total


@njit(nogil=True, cache=True)
def _pull(parameters: Vector, noise: Vector, slope: Vector, out: Vector, work: Vector) -> None:
    size = slope.size
    num = noise.size - size
    for i in range(size):
        out[i] = slope[i]
        variance = _variance(parameters[size + i])
        out[size + i] = slope[i] * noise[i] * parameters[size + i] / np.sqrt(variance)
        for j in range(num):
            # Above the diagonal they stay zero: rotations of directions would be the same distribution.
            out[2 * size + i * num + j] = slope[i] * noise[size + j] if j <= i else 0.0


class LowRank(FittedFamily):
    """``y = m + (s^2 + 1e-6)^(1/2) e + U f``: parameters are m (d,), s (d,) and U (d, k) by rows.

    Noise is e (d,) and f (k,). The best s is often zero somewhere (Heywood's case), which logarithms would never reach;
    and U is a lower triangle: rotated it would be the same distribution.

    Parameters
    ----------
    size : int
        Of a draw.
    num_directions : int
        Columns of U.

    References
    ----------
    Ong, Nott and Smith (2018). Gaussian variational approximation with a factor covariance structure. JCGS 27.
    """

    name: ClassVar[str] = "lowrank"
    functions: ClassVar[FamilyFunctions] = FamilyFunctions(_entropy, _place, _score, _pull)

    def __init__(self, size: int, num_directions: int):
        super().__init__(size)
        self.num_directions = num_directions

    @property
    def num_parameters(self) -> int:
        """Of mean, diagonal and directions."""
        return self.size * (2 + self.num_directions)

    @property
    def noise_size(self) -> int:
        """One number for each element and direction."""
        return self.size + self.num_directions

    @property
    def work_size(self) -> int:
        """The directions times the precision, and a determinant."""
        return self.size * self.num_directions + 1

    def standard(self) -> Vector:
        """Return no mean, ones, and directions that are short, and not alike."""
        directions = np.random.default_rng(0).normal(size=(self.size, self.num_directions)) * _FIRST
        return np.concatenate([np.zeros(self.size), np.ones(self.size), np.tril(directions).ravel()])

    def begun(self, normal: Approximation) -> tuple[Vector, Base]:
        """Return that distribution along its widest directions, relative to independent ones."""
        scales = normal.precisions**-0.5
        # 1 + Q (L L' - 1) Q' in the scales of the normal distribution: eigenvectors above one are directions.
        weights, axes = np.linalg.eigh(normal.lower @ normal.lower.T)
        wide = np.argsort(-weights)[: self.num_directions]
        lengths = np.sqrt(np.maximum(weights[wide] - 1.0, _FIRST**2))
        found = (normal.scale / scales)[:, None] * (normal.basis @ axes[:, wide]) * lengths
        missing = self.standard()[2 * self.size :].reshape(self.size, -1)[:, found.shape[1] :]
        return self.parameters_of(np.ones(self.size), np.hstack([found, missing])), Base(normal.mean, scales[None])

    def parameters_of(self, scales: Vector, directions: Matrix) -> Vector:
        """Return the parameters of given standard deviations (d,) and directions (d, k), around zero."""
        lower = np.linalg.qr(directions.T, mode="r").T
        return np.concatenate([np.zeros(self.size), scales, lower.ravel()])

    def rebased(self, parameters: Vector, base: Base) -> tuple[Vector, Base]:
        """Return what has standard deviations of one in the base; the mean is in that."""
        means, scales = parameters[: self.size], parameters[self.size : 2 * self.size]
        directions = parameters[2 * self.size :].reshape(self.size, self.num_directions)
        deviations = np.sqrt(scales**2 + _LEAST + (directions**2).sum(axis=1))
        kept = self.parameters_of(scales / deviations, directions / deviations[:, None])
        return kept, Base(base.positions(means), base.factor * deviations)
