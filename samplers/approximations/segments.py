"""Averages of what a fit passes through, and whether it has come to rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Vector = NDArray[np.float64]

MOST = 16
FEWEST = 8
"""Segments before a half of them is looked at."""
SETTLED = 1.1
"""R-hat of segments below which iterates count as stationary (Dhaka et al., 2020, section 4)."""
LEAST_LEVEL = 2000
"""Steps of a round before the bound itself is looked at: parameters may go round and round at one height, as directions
of a low rank do."""
_MANY = 100
_NEGLIGIBLE = 0.01


class Segments:
    """Means of the parameters over stretches of steps of one length, sixteen at most: then each two become one.

    Parameters
    ----------
    length : int
        Steps of the first.
    """

    def __init__(self, length: int):
        self.length = length
        self._means: list[Vector] = []
        self._squares: list[Vector] = []

    def add(self, total: Vector, total_squares: Vector) -> None:
        """Take the sums over the steps of a stretch."""
        self._means.append(total / self.length)
        self._squares.append(total_squares / self.length)
        if len(self._means) == MOST:
            self._means = [0.5 * (a + b) for a, b in zip(self._means[::2], self._means[1::2], strict=True)]
            self._squares = [0.5 * (a + b) for a, b in zip(self._squares[::2], self._squares[1::2], strict=True)]
            self.length *= 2

    @property
    def is_ready(self) -> bool:
        """Whether there is anything to take an average of."""
        return len(self._means) > 1

    @property
    def _later(self) -> tuple[Vector, Vector]:
        """Means (k, p), and variances within (k, p), of the later half."""
        half = len(self._means) // 2
        means, squares = np.array(self._means[half:]), np.array(self._squares[half:])
        return means, np.maximum(squares - means**2, 0.0)

    @property
    def average(self) -> Vector:
        """The mean over the later half."""
        found: Vector = self._later[0].mean(axis=0)
        return found

    @property
    def loss(self) -> float:
        """About what the error of the average costs of the bound.

        Where the distribution has scale one, an error of a mean or of the logarithm of a scale costs half its square or
        its square.
        """
        means, _ = self._later
        return float((means.var(axis=0, ddof=1) / len(means)).sum())

    @property
    def r_hat(self) -> float:
        """The largest R-hat of segments as chains; of very many parameters what one in a hundred exceeds."""
        means, within = self._later
        inside = within.mean(axis=0)
        ratio = means.var(axis=0, ddof=1) / np.where(inside > 0, inside, np.inf)
        found = np.sqrt(1.0 - 1.0 / self.length + ratio)
        return float(np.quantile(found, 0.99) if found.size > _MANY else found.max())

    def has_settled(self, tolerance: float) -> bool:
        """Whether the average can be taken: the bound is to lose less than the tolerance by its error."""
        if len(self._means) < FEWEST:
            return False
        loss = self.loss
        return loss < _NEGLIGIBLE * tolerance or (loss < tolerance and self.r_hat < SETTLED)


def is_level(trace: list[Vector], tolerance: float) -> bool:
    """Whether estimates of the bound are known to change by no more than so much over the later half of a round."""
    bounds = np.concatenate([np.zeros(0), *trace])
    if len(bounds) < LEAST_LEVEL:
        return False
    early, late = np.array_split(bounds[len(bounds) // 2 :], 2)
    early, late = early[~np.isnan(early)], late[~np.isnan(late)]
    error = np.sqrt(early.var() / max(len(early), 1) + late.var() / max(len(late), 1))
    return bool(abs(late.mean() - early.mean()) + 2.0 * error <= tolerance)
