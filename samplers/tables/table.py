"""The distribution that cells make, in the coordinates of the density: draws, and how probable they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import lgamma, log, log1p, pi

import numpy as np

from samplers.tables.tiling import Matrix, Tiling, Vector, log_total

WIDE, WIDTH = 1e-3, 3.0
"""Share and scale of the Cauchy distribution that proposals come from otherwise: everything can be proposed."""
_STRAIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class Table:
    """A distribution close to one of which the log-density is known.

    Parameters
    ----------
    cells : Tiling
        In coordinates z of positions ``origin + axes z``.
    origin : array, shape (d,), float64
    axes : array, shape (d, d), float64
    """

    cells: Tiling
    origin: Vector
    axes: Matrix

    @cached_property
    def _scale(self) -> float:
        """What makes the linear forms of the cells a normalised density."""
        return log1p(-WIDE) - log_total(self.cells.log_masses)

    @cached_property
    def heights(self) -> Vector:
        """The logarithm of the normalised density in the middle of each cell."""
        found: Vector = self.cells.heights + self._scale
        return found

    @cached_property
    def shares(self) -> Vector:
        """Probabilities of the cells, added up."""
        found: Vector = np.cumsum(np.exp(self.cells.log_masses + self._scale))
        return found / found[-1]

    def draw(self, rng: np.random.Generator, number: int) -> tuple[Matrix, Vector]:
        """Return independent draws, and their log-density but for a constant.

        Parameters
        ----------
        rng : numpy.random.Generator
            Advanced.
        number : int
            How many.

        Returns
        -------
        positions : array, shape (number, d), float64
        logs : array, shape (number,), float64
        """
        z, logs = self.draw_within(rng, number)
        return self.origin + z @ self.axes.T, logs

    def draw_within(self, rng: np.random.Generator, number: int) -> tuple[Matrix, Vector]:
        """Return the same in the coordinates of the cells."""
        num_axes = self.origin.size
        which, inside = rng.random(number), rng.random((number, num_axes))
        chosen = np.searchsorted(self.shares, which, side="right")
        slopes, halves = self.cells.inclines[chosen], self.cells.halves[chosen]
        away = _along(slopes, halves, inside)
        z = self.cells.middles[chosen] + away
        logs = self.heights[chosen] + (slopes * away).sum(axis=1)
        is_wide = rng.random(number) < WIDE
        if is_wide.any():
            z[is_wide] = _cauchy(rng, int(is_wide.sum()), num_axes)
            logs[is_wide] = self._of_cells(z[is_wide])
        return z, np.logaddexp(logs, log(WIDE) + _log_cauchy(z))

    def log_density(self, z: Matrix) -> Vector:
        """Return the log-density at points in the coordinates of the cells, but for a constant."""
        found: Vector = np.logaddexp(self._of_cells(z), log(WIDE) + _log_cauchy(z))
        return found

    def _of_cells(self, z: Matrix) -> Vector:
        """Return the logarithm of the density of the cells at any points."""
        inside = self.cells.holding(z)
        found: Vector = np.where(inside < 0, -np.inf, self.cells.linear(z, inside) + self._scale)
        return found


def _along(slopes: Matrix, halves: Matrix, uniform: Matrix) -> Matrix:
    """Return draws between ``-halves`` and ``halves`` of densities proportional to ``exp(slopes x)``."""
    size = np.abs(slopes)
    safe = np.where(size * halves < _STRAIGHT, 1.0, size)
    # From the end where the density is largest.
    down = -np.log1p(uniform * np.expm1(-2.0 * safe * halves)) / safe
    found: Matrix = np.where(
        size * halves < _STRAIGHT, halves * (2.0 * uniform - 1.0), np.sign(slopes) * (halves - down)
    )
    return found


def _cauchy(rng: np.random.Generator, number: int, num_axes: int) -> Matrix:
    normal, chi = rng.normal(size=(number, num_axes)), rng.normal(size=(number, 1))
    found: Matrix = WIDTH * normal / np.abs(chi)
    return found


def log_peak_of_cauchy(num_axes: int) -> float:
    """Return the log-density of the wide distribution where it is largest."""
    power = 0.5 * (1 + num_axes)
    return lgamma(power) - power * log(pi) - num_axes * log(WIDTH)


def _log_cauchy(z: Matrix) -> Vector:
    d = z.shape[1]
    found: Vector = log_peak_of_cauchy(d) - 0.5 * (1 + d) * np.log1p((z**2).sum(axis=1) / WIDTH**2)
    return found
