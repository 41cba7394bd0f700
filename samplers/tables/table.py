"""The distribution that cells make, in the coordinates of the density: draws, and how probable they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import lgamma, log, log1p, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.tables.splits import BELOW_ONE
from samplers.tables.tiling import Matrix, Tiling, Vector, log_total

WIDE, WIDTH = 1e-3, 3.0
"""Share and scale of the Cauchy distribution that proposals come from otherwise: everything can be proposed."""
_STRAIGHT = 1e-6


class MadeOf(NamedTuple):
    """What points of a table are made of, each by itself."""

    uniform: Matrix
    """In [0, 1); shape (n, d): which cell, and where in it."""
    is_wide: NDArray[np.bool_]
    """Shape (n,): the point is from the Cauchy distribution instead."""
    wide: Matrix
    """Shape (n, d): where then."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, number: int, num_axes: int) -> MadeOf:
        """Return what independent draws are made of."""
        normal, chi = rng.normal(size=(number, num_axes)), rng.normal(size=(number, 1))
        return cls(rng.random((number, num_axes)), rng.random(number) < WIDE, WIDTH * normal / np.abs(chi))


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
        found: Vector = np.cumsum(self._probabilities)
        return found / found[-1]

    @cached_property
    def _probabilities(self) -> Vector:
        found: Vector = np.exp(self.cells.log_masses + self._scale)
        return found

    @cached_property
    def _ends(self) -> Matrix:
        """Where the thirds of the boxes end."""
        return self.cells.splits.shares(self.cells.boxes, self._probabilities)

    @cached_property
    def _cell_of(self) -> NDArray[np.int64]:
        """The number of the cell that each box is."""
        found = np.full(len(self.cells.splits.axes), -1)
        found[self.cells.boxes] = np.arange(len(self.cells.boxes))
        return found

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
        return self.placed(MadeOf.drawn(rng, number, self.origin.size))

    def draw_within(self, rng: np.random.Generator, number: int) -> tuple[Matrix, Vector]:
        """Return the same in the coordinates of the cells."""
        return self._placed_within(MadeOf.drawn(rng, number, self.origin.size))

    def placed(self, made_of: MadeOf) -> tuple[Matrix, Vector]:
        """Return the points that are made of some numbers, and their log-density, as `draw` does."""
        z, logs = self._placed_within(made_of)
        return self.origin + z @ self.axes.T, logs

    def _placed_within(self, made_of: MadeOf) -> tuple[Matrix, Vector]:
        box, inside = self.cells.splits.falling(made_of.uniform, self._ends)
        chosen = self._cell_of[box]
        slopes, halves = self.cells.inclines[chosen], self.cells.halves[chosen]
        away = _along(slopes, halves, inside)
        z = self.cells.middles[chosen] + away
        logs = self.heights[chosen] + (slopes * away).sum(axis=1)
        if made_of.is_wide.any():
            z[made_of.is_wide] = made_of.wide[made_of.is_wide]
            logs[made_of.is_wide] = self._of_cells(z[made_of.is_wide])
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
    """Return where densities proportional to ``exp(slopes x)`` on ``(-halves, halves)`` have quantiles."""
    size = np.abs(slopes)
    safe = np.where(size * halves < _STRAIGHT, 1.0, size)
    # From the end where the density is largest.
    from_there = np.where(slopes > 0.0, np.minimum(1.0 - uniform, BELOW_ONE), uniform)
    down = -np.log1p(from_there * np.expm1(-2.0 * safe * halves)) / safe
    found: Matrix = np.where(
        size * halves < _STRAIGHT, halves * (2.0 * uniform - 1.0), np.sign(slopes) * (halves - down)
    )
    return found


def log_peak_of_cauchy(num_axes: int) -> float:
    """Return the log-density of the wide distribution where it is largest."""
    power = 0.5 * (1 + num_axes)
    return lgamma(power) - power * log(pi) - num_axes * log(WIDTH)


def _log_cauchy(z: Matrix) -> Vector:
    d = z.shape[1]
    found: Vector = log_peak_of_cauchy(d) - 0.5 * (1 + d) * np.log1p((z**2).sum(axis=1) / WIDTH**2)
    return found
