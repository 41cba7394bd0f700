"""Cells that tile a box, in each of which a log-density is taken for linear: a distribution that is easily drawn from.

Each cell knows the log-density and its slopes in its middle. The table is refined where the probability that the linear
form gets wrong is largest, one third by one third, as in cellular Monte Carlo (Jadach 2003, "Foam: a general-purpose
cellular Monte Carlo event generator", Computer Physics Communications 152); slopes make cells larger by an order of
magnitude than constants would have them, and of log-concave densities no part is ever missed, since a tangent lies
above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from samplers.tables.splits import Splits

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]
type EvaluateMany = Callable[[Matrix], tuple[Vector, Matrix]]
"""``positions (n, d) -> log-densities (n,), gradients (n, d)``."""

TOLERANCES = (0.05, 0.12, 0.25)
"""Error of the logarithm at the ends of cells, on average, by the number of axes: what more cells would gain in
accepted proposals has to be worth their evaluation."""
_MOST_ERROR = 2.0
"""More cannot be told from each other."""
_MOST_BEND = 0.5
MOST_TOO_LOW = 0.7
"""Logarithm of how many times larger the density may be than its linear form, where somebody looks."""
_MOST_ROUNDS = 100
_NEAR, _HIGH, _MOST_COMPARED = 10.0, 6.0, 1000
_AT_ONCE = 64
_IMPOSSIBLE = -1e300
_SMALL = 1e-4


@dataclass(frozen=True, eq=False)
class Tiling:
    """Tiling of a box, in coordinates in which the density is about as wide along all axes.

    Parameters
    ----------
    middles, halves : array, shape (n, d), float64
        Where they are, and half their widths.
    values : array, shape (n,), float64
        The log-density in their middles.
    slopes : array, shape (n, d), float64
        Its derivatives there.
    bends : array, shape (n, d, d), float64
        Its second derivatives, about; infinite where nothing is known of them.
    boxes : array, shape (n,), int64
        The number of each among the boxes of ``splits``.
    splits : Splits
        The cuts that made them.
    """

    middles: Matrix
    halves: Matrix
    values: Vector
    slopes: Matrix
    bends: NDArray[np.float64]
    boxes: NDArray[np.int64]
    splits: Splits

    @cached_property
    def heights(self) -> Vector:
        """The logarithm of the linear form in the middles: that of the density, less what it bends on average; (n,)."""
        bends = np.diagonal(self.bends, axis1=1, axis2=2)
        mean = np.where(np.isfinite(bends), bends, 0.0) * self.halves**2 / 6.0
        found: Vector = self.values + np.clip(mean.sum(axis=1), -_MOST_BEND, _MOST_BEND)
        return found

    @cached_property
    def inclines(self) -> Matrix:
        """The slopes of the linear form, (n, d): nowhere does it rise above the largest density that has been seen."""
        rise = (np.abs(self.slopes) * self.halves).sum(axis=1)
        room = self.values.max() + 1.0 - self.values
        found: Matrix = self.slopes * np.where(rise > room, room / np.where(rise > room, rise, 1.0), 1.0)[:, None]
        return found

    @cached_property
    def log_masses(self) -> Vector:
        """The logarithm of the integral of the linear form over each cell, (n,)."""
        along = np.abs(self.inclines) * self.halves
        # From the corner where it is largest: where slopes are 1e40, as of exponentials far out, what it is in the
        # middle and how much it rises are two such numbers, of which nothing is left but rounding.
        corners = np.minimum(self.heights + along.sum(axis=1), self.values.max() + 1.0 + _MOST_BEND)
        found: Vector = corners + (np.log(2.0 * self.halves) + _log_sinhc_less(along)).sum(axis=1)
        return found

    @cached_property
    def _log_middles(self) -> Vector:
        """The logarithm of what each cell would hold, were the density everywhere what it is in the middle; (n,)."""
        found: Vector = self.values + np.log(2.0 * self.halves).sum(axis=1)
        return found

    def errors(self) -> Matrix:
        """Return how far the logarithm is from its linear form at the ends of each cell along each axis; (n, d)."""
        bends = np.abs(self.bends)
        with np.errstate(invalid="ignore"):
            found: Matrix = 0.5 * self.halves * np.einsum("nkj,nj->nk", bends, self.halves)
        return np.where(np.isnan(found), np.inf, found)

    def holding(self, points: Matrix) -> NDArray[np.int64]:
        """Return the number of the cell that each point is in, (m,); -1 outside of the box."""
        found = np.full(len(points), -1)
        for start in range(0, len(points), _AT_ONCE):
            away = np.abs(points[start : start + _AT_ONCE, None, :] - self.middles)
            inside = (away <= self.halves).all(axis=2)
            found[start : start + _AT_ONCE] = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
        return found

    def linear(self, points: Matrix, inside: NDArray[np.int64]) -> Vector:
        """Return the linear forms of cells at points, (m,)."""
        found: Vector = self.heights[inside] + (self.inclines[inside] * (points - self.middles[inside])).sum(axis=1)
        return found

    def bulge(self) -> float:
        """Return how far the log-density lies above one of its tangents; of concave ones nowhere."""
        near = np.flatnonzero((np.abs(self.middles) < _NEAR).all(axis=1))[:_MOST_COMPARED]
        high = np.flatnonzero(self.values > self.values.max() - _HIGH)[:_MOST_COMPARED]
        tangents = self.values[near] - (self.slopes[near] * self.middles[near]).sum(axis=1)
        above = self.values[high] - tangents[:, None] - self.slopes[near] @ self.middles[high].T
        return float(above.max()) if above.size else 0.0

    def stiffness(self) -> float:
        """Return the largest second derivative but for a hundredth of the density: one, if it is normal."""
        known = np.where(np.isfinite(self.bends), np.abs(self.bends), 0.0)
        largest = known.sum(axis=2).max(axis=1)
        order = np.argsort(largest)
        # By values in the middle: forms that rise above the density at an end of their cell do not count.
        shares = np.cumsum(np.exp(self._log_middles - log_total(self._log_middles))[order])
        return float(largest[order[min(int(np.searchsorted(shares, 0.99)), len(order) - 1)]])

    def log_outside(self, radius: float) -> float:
        """Return the logarithm of what the cells that touch the surface of the box would hold, were all of it there."""
        outwards = np.abs(self.middles) + self.halves >= radius * (1.0 - 1e-9)
        along = self.inclines * self.halves
        size = np.abs(along)
        there = np.where(outwards, np.sign(self.middles) * along - size - _log_sinhc_less(size), 0.0).sum(axis=1)
        at_middle = self._log_middles + np.where(outwards, np.sign(self.middles) * along, 0.0).sum(axis=1)
        logs = np.minimum(self.log_masses + there, at_middle)
        return float(log_total(logs[outwards.any(axis=1)])) if outwards.any() else -np.inf


def log_total(logs: NDArray[np.float64]) -> float:
    """Return the logarithm of a sum of exponentials; of 200 numbers in 3 us, where SciPy's takes 70."""
    largest = float(logs.max(initial=-np.inf))
    return largest + float(np.log(np.exp(logs - largest).sum())) if np.isfinite(largest) else largest


def whole_box(evaluate: EvaluateMany, radius: float, num_axes: int) -> Tiling:
    """Return one cell, ``|z| < radius``."""
    middle = np.zeros((1, num_axes))
    values, slopes = _possible(*evaluate(middle))
    bends = np.full((1, num_axes, num_axes), np.inf)
    return Tiling(middle, np.full_like(middle, radius), values, slopes, bends, np.array([0]), Splits.none())


def refined(cells: Tiling, evaluate: EvaluateMany, points: Matrix, values: Vector, most: int) -> Tiling | None:
    """Return smaller cells, as many as are needed; None where that is more than ``most``.

    Parameters
    ----------
    cells : Tiling
        To begin with.
    evaluate : callable
        The log-density and its slopes at positions.
    points : array, shape (n, d), float64
        Where the linear form must not be much too low.
    values : array, shape (n,), float64
        The log-density there.
    most : int
        Number of cells.
    """
    tolerance = TOLERANCES[cells.middles.shape[1] - 1]
    for _ in range(_MOST_ROUNDS):
        errors = cells.errors()
        masses = np.exp(cells.log_masses - log_total(cells.log_masses))
        scores = masses * np.minimum(np.sqrt((np.minimum(errors, _MOST_ERROR) ** 2).sum(axis=1)), _MOST_ERROR)
        low = _too_low(cells, points, values)
        if not low.any() and scores.sum() <= tolerance:
            return cells
        if len(scores) > most:
            return None
        scores[low] = np.maximum(scores[low], 1.0)
        chosen = _those_that_matter(scores, tolerance)
        # Where the form is too low second derivatives are not what they seem: nothing is known.
        errors[low] = np.inf
        cells = _split(cells, chosen, _longest(errors[chosen], cells.halves[chosen]), evaluate)
    return None


def _too_low(cells: Tiling, points: Matrix, values: Vector) -> NDArray[np.bool_]:
    """Return which cells hold a point where the density is much larger than they say."""
    found = np.zeros(len(cells.values), bool)
    inside = cells.holding(points)
    known = inside >= 0
    found[inside[known][values[known] - cells.linear(points, inside)[known] > MOST_TOO_LOW]] = True
    return found


def _longest(errors: Matrix, halves: Matrix) -> NDArray[np.int64]:
    """Return the axis with the largest error; the longest of those of which nothing is known."""
    unknown = np.isinf(errors)
    return np.where(unknown.any(axis=1), np.where(unknown, halves, 0.0).argmax(axis=1), errors.argmax(axis=1))


def _those_that_matter(scores: Vector, tolerance: float) -> NDArray[np.int64]:
    """Return the cells without which what is left is within the tolerance, but for those far from the worst."""
    order = np.argsort(-scores, kind="stable")
    left = scores.sum() - np.cumsum(scores[order])
    number = int(np.searchsorted(-left, -0.5 * tolerance)) + 1
    chosen = order[:number]
    return chosen[scores[chosen] > 1e-2 * scores[order[0]]]


def _split(cells: Tiling, chosen: NDArray[np.int64], axes: NDArray[np.int64], evaluate: EvaluateMany) -> Tiling:
    """Return cells of which some are three, side by side; that in the middle knows its density already."""
    rows, number = np.arange(len(chosen)), len(chosen)
    halves = cells.halves[chosen]
    thirds = halves[rows, axes] / 3.0
    halves = halves.copy()
    halves[rows, axes] = thirds
    below, above = cells.middles[chosen].copy(), cells.middles[chosen].copy()
    below[rows, axes] -= 2.0 * thirds
    above[rows, axes] += 2.0 * thirds
    values, slopes = _possible(*evaluate(np.concatenate([below, above])))
    low, high, here = values[:number], values[number:], cells.values[chosen]
    slope_low, slope_high, slope = slopes[:number], slopes[number:], cells.slopes[chosen]
    step = 2.0 * thirds
    with np.errstate(invalid="ignore", over="ignore"):
        second = np.abs((high - 2.0 * here + low) / step**2)
        rates = [
            (slope - slope_low) / step[:, None],
            (slope_high - slope) / step[:, None],
            (slope_high - slope_low) / (2.0 * step[:, None]),
        ]
    bends = [_with_column(cells.bends[chosen], rows, axes, rate, second) for rate in rates]
    kept = np.ones(len(cells.values), bool)
    kept[chosen] = False
    splits = cells.splits.cut(cells.boxes[chosen], axes)
    first = splits.parts[cells.boxes[chosen]]
    return Tiling(
        np.concatenate([cells.middles[kept], below, above, cells.middles[chosen]]),
        np.concatenate([cells.halves[kept], halves, halves, halves]),
        np.concatenate([cells.values[kept], low, high, here]),
        np.concatenate([cells.slopes[kept], slope_low, slope_high, slope]),
        np.concatenate([cells.bends[kept], *bends]),
        np.concatenate([cells.boxes[kept], first, first + 2, first + 1]),
        splits,
    )


def _possible(values: Vector, slopes: Matrix) -> tuple[Vector, Matrix]:
    """Return log-densities and slopes that are numbers: where they are none nothing stands."""
    known = np.isfinite(values) & np.isfinite(slopes).all(axis=1)
    return np.where(known, values, _IMPOSSIBLE), np.where(known[:, None], slopes, 0.0)


def _with_column(
    bends: NDArray[np.float64], rows: NDArray[np.int64], axes: NDArray[np.int64], rate: Matrix, second: Vector
) -> NDArray[np.float64]:
    """Return second derivatives of which those along one axis are known: by slopes, or values where they say more."""
    found = bends.copy()
    rate = np.where(np.isfinite(rate), rate, 0.0)
    own = rate[rows, axes]
    with np.errstate(invalid="ignore"):
        own = np.where(second > 2.0 * np.abs(own), np.copysign(second, own), own)
    rate[rows, axes] = np.where(np.isfinite(own), own, 0.0)
    found[rows, axes, :] = rate
    found[rows, :, axes] = rate
    return found


def _log_sinhc_less(size: Matrix) -> Matrix:
    """Return ``log(sinh(x) / x) - x`` of what is not negative."""
    safe = np.maximum(size, _SMALL)
    small = np.minimum(size, _SMALL)
    return np.where(size < _SMALL, small**2 / 6.0 - small, np.log1p(-np.exp(-2.0 * safe)) - np.log(2.0 * safe))
