"""Where a density of few dimensions is largest, and how wide it is there, by Newton's method.

By hand, as a table must not depend on where the search for a mode began, and needs the curvature there anyway: of two
numbers this takes 0.2 ms, and SciPy's L-BFGS as long, which stops 2e-7 of a standard deviation away.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from samplers.tables.tiling import EvaluateMany, Matrix, Vector

_MOST_STEPS, _MOST_HALVINGS = 40, 12
_STEP = 1e-4
_NEAR = 1e-12
"""Decrement, in units of the log-density, below which a point is a mode; or where nothing is higher any more."""
_DIGITS = 10
"""Binary digits of what is found: it does not depend on where the search began, nor do tables."""
_FLAT = 0.01
_SAME = 1.0
"""Two modes are one that are so near to each other, in standard deviations."""
_LEAST_CURVATURE, _LONGEST = 1e-8, 3.0


class Mode(NamedTuple):
    """A maximum of a log-density."""

    position: Vector  # (d,)
    value: float
    precision: Matrix  # (d, d): minus the second derivatives

    def is_near(self, other: Mode) -> bool:
        """Whether another mode is this one."""
        away = other.position - self.position
        return bool(away @ self.precision @ away < _SAME**2)

    def frame(self) -> tuple[Vector, Matrix]:
        """Return the mode, (d,), and axes of the length of the density there as columns, (d, d); rounded."""
        axes = _rounded(np.linalg.inv(np.linalg.cholesky(self.precision)).T)
        return axes @ (np.round(np.linalg.solve(axes, self.position) * 2.0**_DIGITS) / 2.0**_DIGITS), axes


def climbed(evaluate: EvaluateMany, start: Vector) -> Mode | None:
    """Return a mode that a start leads to; None where there is none near by.

    Parameters
    ----------
    evaluate : callable
        The log-density and its gradient at positions.
    start : array, shape (d,), float64
        Where to begin.
    """
    position = start
    [value], [gradient] = evaluate(position[None])
    for _ in range(_MOST_STEPS):
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return None
        found = _curvature(evaluate, position)
        if found is None:
            return None
        lengths, directions = np.linalg.eigh(found)
        is_mode = lengths[0] > _LEAST_CURVATURE * max(lengths[-1], 1.0)
        sizes = np.maximum(np.abs(lengths), _LEAST_CURVATURE * max(np.abs(lengths).max(), 1.0))
        along = directions.T @ gradient
        if is_mode and along @ (along / sizes) < _NEAR:
            return Mode(position, float(value), found)
        move = along / sizes
        if not is_mode:
            move = np.clip(move, -_LONGEST, _LONGEST)
        better = _better(evaluate, position, value, gradient, directions @ move)
        if better is None:
            return Mode(position, float(value), found) if is_mode and along @ (along / sizes) < _FLAT else None
        position, value, gradient = better
    return None


def _better(
    evaluate: EvaluateMany, position: Vector, value: float, gradient: Vector, move: Vector
) -> tuple[Vector, float, Vector] | None:
    """Return a point along a step where the density is larger; None where there is none."""
    for _ in range(_MOST_HALVINGS):
        [there], [slope] = evaluate((position + move)[None])
        if there > value + 1e-4 * (gradient @ move) and np.isfinite(slope).all():
            return position + move, there, slope
        move = 0.5 * move
    return None


def _curvature(evaluate: EvaluateMany, position: Vector) -> Matrix | None:
    """Return the negative second derivatives by differences of gradients."""
    steps = np.diag(_STEP * np.maximum(1.0, np.abs(position)))
    _, slopes = evaluate(np.concatenate([position + steps, position - steps]))
    above, below = slopes[: position.size], slopes[position.size :]
    found = (below - above) / (2.0 * np.diag(steps)[:, None])
    return 0.5 * (found + found.T) if np.isfinite(found).all() else None


def _rounded(numbers: Matrix) -> Matrix:
    """Return numbers of few binary digits."""
    fractions, exponents = np.frexp(numbers)
    found: Matrix = np.ldexp(np.round(fractions * 2.0**_DIGITS), exponents - _DIGITS)
    return found
