"""Tables of densities: cells around the modes, refined until nothing is found that they miss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log

import numpy as np

from samplers.tables.modes import Mode, climbed
from samplers.tables.table import Table
from samplers.tables.tiling import MOST_TOO_LOW, EvaluateMany, Matrix, Tiling, Vector, log_total, refined, whole_box

REACH = 121.5
"""Half the width of the box, in lengths that the curvature at a mode gives: an exponential tail has e^-120 beyond."""
_FURTHER, _FARTHEST, _LEAST_OUTSIDE = 27.0, 1e7, 1e-4
"""So many times larger where a tail is so heavy that more than this stands in the cells of the surface."""
_MOST_AXES_WIDENED = 2
"""Of more numbers a density with such tails would take too many cells."""
_FLAT = 0.5
"""Below it a log-density counts as concave, of which nothing can be missed."""
_MOST_STIFF = 16.0
"""Where it is not concave, and bends so much more somewhere than a normal one, ridges may turn: others are better."""
LONGEST_STEP = 0.5
_EVERYWHERE = np.linspace(-20.0, 20.0, 41)[:, None]
"""Of a density of one number so many places are looked at, whatever its form."""
NUM_WALKS = 8
"""So many walks look for what a table lacks."""
_MOST_FINDINGS = 4
"""So often they may find something."""

type Explore = Callable[[Matrix, Matrix, float], Matrix]
"""``starts (n, d), axes (d, d), step size -> positions (m, d)`` that a sampler comes to which leaves the density
unchanged."""


def made_table(evaluate: EvaluateMany, starts: Matrix, most: int, explore: Explore) -> Table | None:
    """Return a table of a density, or None where that takes too many cells, or the density has no mode.

    What cells say of a density may be wrong where it is not concave: ridges that bend, say, are thinner than cells. So
    another sampler explores it from draws of the table. Where it finds it larger, the cells become smaller, until it
    finds nothing; a density of which it finds more and more is left to it.

    Parameters
    ----------
    evaluate : callable
        The log-density and its gradient at positions.
    starts : array, shape (n, d), float64
        From where modes are looked for.
    most : int
        Number of cells.
    explore : callable
        The other sampler.
    """
    modes: list[Mode] = []
    for end in (climbed(evaluate, start) for start in starts):
        if end is not None and not any(end.is_near(mode) for mode in modes):
            modes.append(end)
    return _Making(evaluate, modes).made(most, explore) if modes else None


class _Making:
    """The making of a table.

    Parameters
    ----------
    evaluate : callable
        As in `made_table`.
    modes : sequence of Mode
        Different ones: the highest is the origin of the coordinates in which there are cells.
    """

    def __init__(self, evaluate: EvaluateMany, modes: Sequence[Mode]):
        self._evaluate, self._has_several = evaluate, len(modes) > 1
        self._origin, self._axes = max(modes, key=lambda mode: mode.value).frame()
        positions = np.array([mode.position for mode in modes])
        self._points = np.linalg.solve(self._axes, (positions - self._origin).T).T
        if len(self._origin) == 1:
            self._points = np.concatenate([self._points, _EVERYWHERE])
        self._values = self._within(self._points)[0]
        self._radius = REACH
        self._cells: Tiling | None = None

    def made(self, most: int, explore: Explore) -> Table | None:
        """Return the table, or None."""
        table = self._fitting(most)
        if table is None or len(self._origin) == 1 or not (self._has_several or table.cells.bulge() > _FLAT):
            return table
        rng = np.random.default_rng(0)
        for _ in range(_MOST_FINDINGS):
            if table is None or table.cells.stiffness() > _MOST_STIFF:
                return None
            if not self._has_missed(table, explore, rng):
                return table
            table = self._fitting(most)
        return None

    def _has_missed(self, table: Table, explore: Explore, rng: np.random.Generator) -> bool:
        """Whether the density is much larger somewhere than a table says; that is looked at from now on."""
        z, logs = table.draw_within(rng, NUM_WALKS)
        starts = self._origin + z @ self._axes.T
        step = min(LONGEST_STEP, table.cells.stiffness() ** -0.5)
        constant = float(np.median(self._evaluate(starts)[0] - logs))
        found = np.linalg.solve(self._axes, (explore(starts, self._axes, step) - self._origin).T).T
        values = self._within(found)[0]
        missed = values - table.log_density(found) - constant > 2.0 * MOST_TOO_LOW
        self._look_at(found[missed], values[missed])
        return bool(missed.any())

    def _within(self, z: Matrix) -> tuple[Vector, Matrix]:
        """Return the log-density and its slopes in the coordinates of the cells."""
        values, gradients = self._evaluate(self._origin + z @ self._axes.T)
        with np.errstate(invalid="ignore", over="ignore"):
            return values, gradients @ self._axes

    def _look_at(self, points: Matrix, values: Vector) -> None:
        """Look at more points."""
        self._points = np.concatenate([self._points, points])
        self._values = np.concatenate([self._values, values])

    def _fitting(self, most: int) -> Table | None:
        """Return a table that holds all points and, but for little, all of the density."""
        while self._radius < _FARTHEST:
            if np.abs(self._points).max() > self._radius:
                self._widen()
                continue
            cells = self._cells or whole_box(self._within, self._radius, len(self._origin))
            self._cells = refined(cells, self._within, self._points, self._values, most)
            if self._cells is None:
                return None
            if self._cells.log_outside(self._radius) - log_total(self._cells.log_masses) < log(_LEAST_OUTSIDE):
                return Table(self._cells, self._origin, self._axes)
            if len(self._origin) > _MOST_AXES_WIDENED:
                return None
            self._widen()
        return None

    def _widen(self) -> None:
        self._radius *= _FURTHER
        self._cells = None
