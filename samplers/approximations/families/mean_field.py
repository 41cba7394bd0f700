"""Independent normal distributions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from samplers.approximations.families.base import Base
from samplers.approximations.families.family import HALF_LOG_TWO_PI, FamilyFunctions, FittedFamily

type Vector = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _entropy(parameters: Vector, gradient: Vector, work: Vector) -> float:
    size = parameters.size // 2
    total = size * (0.5 + HALF_LOG_TWO_PI)
    for i in range(size):
        total += parameters[size + i]
        gradient[i] = 0.0
        gradient[size + i] = 1.0
    return total


@njit(nogil=True, cache=True)
def _place(parameters: Vector, noise: Vector, position: Vector, work: Vector) -> None:
    for i in range(noise.size):
        position[i] = parameters[i] + np.exp(parameters[noise.size + i]) * noise[i]


@njit(nogil=True, cache=True)
def _score(parameters: Vector, noise: Vector, out: Vector, work: Vector) -> float:
    total = 0.0
    for i in range(noise.size):
        log_scale = parameters[noise.size + i]
        out[i] = -noise[i] * np.exp(-log_scale)
        total -= HALF_LOG_TWO_PI + log_scale + 0.5 * noise[i] * noise[i]
    return total


@njit(nogil=True, cache=True)
def _pull(parameters: Vector, noise: Vector, slope: Vector, out: Vector, work: Vector) -> None:
    for i in range(noise.size):
        out[i] = slope[i]
        out[noise.size + i] = slope[i] * noise[i] * np.exp(parameters[noise.size + i])


class MeanField(FittedFamily):
    """``y = m + exp(l) e``: parameters are the means m (d,) and the logarithms l (d,) of the standard deviations.

    Parameters
    ----------
    size : int
        Of a draw.

    Examples
    --------
    >>> family = MeanField(2)
    >>> round(family.entropy(family.standard())[0], 6)  # 1 + log(2 pi)
    2.837877
    """

    name: ClassVar[str] = "meanfield"
    functions: ClassVar[FamilyFunctions] = FamilyFunctions(_entropy, _place, _score, _pull)

    @property
    def num_parameters(self) -> int:
        """Two for each number."""
        return 2 * self.size

    def standard(self) -> Vector:
        """Return zeros."""
        return np.zeros(2 * self.size)

    def rebased(self, parameters: Vector, base: Base) -> tuple[Vector, Base]:
        """Return zeros, with all that they were in the base."""
        means, log_scales = np.split(parameters, 2)
        return self.standard(), Base(base.positions(means), base.factor * np.exp(log_scales))
