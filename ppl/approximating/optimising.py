"""The search for modes: quasi-Newton steps from several starts, then Newton's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize

from graphs.errors import SamplingError
from ppl.approximating.density import ModelDensity, Vector

MOST_DENSE = 1000
"""Numbers of which all second derivatives are computed: as many products, and a gigabyte for 10^4."""
MOST_NEWTON, MOST_ITERATIONS = 30, 5000
CONVERGED = 1e-10
"""Newton's decrement, about the log-density that is still to be gained."""
_FLAT = 1e-9
"""Curvature along an axis, relative to the largest: with less a direction counts as flat."""
_SAME = 1e-4
_LOADED = 0.1
_LEVEL = 1e-3
"""Of the gradient along a direction in which the density does not bend: with more it rises there, and is not flat."""
_MOST_RESTARTS = 50
_FAR, _FAR_ENOUGH = 12.0, 3.0
"""On the real line, where a scale is e^-12 of what it is measured in: a bound, if the density rises on."""


@dataclass(frozen=True, eq=False)
class Peak:
    """Where a log-density is largest, as far as one start led.

    Parameters
    ----------
    position : array, shape (size,), float64
        On the real line.
    value : float
        The log-density.
    slope : float
        The largest element of the gradient.
    curvature : array, shape (size, size), float64, or None
        The negative second derivatives; None of very many numbers.
    flat : tuple of str
        Variables along a direction in which the density does not bend.
    at_bound : tuple of str
        Variables that went to a bound of their support.
    is_converged : bool
        Whether there is nothing left to gain.
    """

    position: Vector
    value: float
    slope: float
    curvature: NDArray[np.float64] | None
    flat: tuple[str, ...]
    at_bound: tuple[str, ...]
    is_converged: bool

    def is_same(self, other: Peak) -> bool:
        """Whether two searches ended in one place."""
        return abs(self.value - other.value) < _SAME * max(1.0, abs(self.value)) and bool(
            np.allclose(self.position, other.position, atol=1e-2, rtol=1e-2)
        )


def modes_from(density: ModelDensity, starts: NDArray[np.float64]) -> list[Peak]:
    """Return where searches from some starts end, the highest first.

    Those that begin where the density is no number are left out.

    Raises
    ------
    SamplingError
        If none ends elsewhere.
    """
    with np.errstate(all="ignore"):
        found = [mode for start in starts if (mode := _mode_from(density, start)) is not None]
    if not found:
        raise SamplingError(
            "No search for a mode got anywhere: the log-density is not finite where they began. Give values with "
            "init={...}."
        )
    return sorted(found, key=lambda mode: -mode.value)


def different(modes: Sequence[Peak]) -> list[Peak]:
    """Return modes of which no two are the same."""
    found: list[Peak] = []
    for mode in modes:
        if not any(mode.is_same(other) for other in found):
            found.append(mode)
    return found


def _mode_from(density: ModelDensity, start: Vector) -> Peak | None:
    def objective(position: Vector) -> tuple[float, Vector]:
        value, gradient = density(position)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            return 1e300, np.zeros_like(position)
        return -value, -gradient

    if not np.isfinite(density(start)[0]):
        return None
    options = {"maxiter": MOST_ITERATIONS, "maxfun": 4 * MOST_ITERATIONS, "ftol": 1e-15, "gtol": 1e-8, "maxcor": 20}
    position = start
    for _ in range(_MOST_RESTARTS):
        position = minimize(objective, position, jac=True, method="L-BFGS-B", options=options).x
        # Its line search gives up, and calls it success, where a step leads to where the density is zero or no number.
        further = _uphill(density, position)
        if further is None:
            break
        position = further
    is_small = density.layout.size <= MOST_DENSE
    if is_small:
        position = _by_newton(density, position)
    return _described(density, position, density.curvature(position) if is_small else None)


def _uphill(density: ModelDensity, position: Vector) -> Vector | None:
    """Return a point up the gradient, as near as it has to be for the density to rise; None where it hardly does."""
    value, gradient = density(position)
    slope = float(gradient @ gradient)
    if not _LEVEL**2 < slope < np.inf:
        return None
    for shorter in 0.5 ** np.arange(60):
        there = position + shorter / slope**0.5 * gradient
        new = density(there)[0]
        if new >= value + 1e-4 * shorter * slope**0.5:
            return np.asarray(there) if new > value + CONVERGED * abs(value) else None
    return None


def _by_newton(density: ModelDensity, position: Vector) -> Vector:
    """Return where Newton's steps lead; only where the density is concave are they taken."""
    value, gradient = density(position)
    for _ in range(MOST_NEWTON):
        curvature = density.curvature(position)
        if not np.isfinite(curvature).all():
            return position
        weights, axes = eigh(curvature)
        if weights[0] <= _FLAT * max(weights[-1], 1.0):
            return position
        step = axes @ ((axes.T @ gradient) / weights)
        decrement = float(gradient @ step)
        if decrement < CONVERGED:
            return position
        for shorter in 0.5 ** np.arange(20):
            there = position + shorter * step
            new, slope = density(there)
            if np.isfinite(new) and new >= value + 1e-4 * shorter * decrement:
                position, value, gradient = there, new, slope
                break
        else:
            return position
    return position


def _described(density: ModelDensity, position: Vector, curvature: NDArray[np.float64] | None) -> Peak:
    value, gradient = density(position)
    is_flat, rises, decrement = np.zeros(len(position), bool), False, np.inf
    if curvature is not None and np.isfinite(curvature).all():
        weights, axes = eigh(curvature)
        bends = weights > _FLAT * max(weights[-1], 1.0)
        decrement = float((((axes.T @ gradient) ** 2)[bends] / weights[bends]).sum())
        is_flat = np.abs(axes[:, ~bends]).max(axis=1, initial=0.0) > _LOADED
        rises = bool((np.abs(axes.T @ gradient)[~bends] > _LEVEL).any())
    is_bounded = _is_bounded(density)
    at_bound = is_bounded & (is_flat | (np.abs(position) > _FAR)) & _rises_outwards(density, position)
    is_converged = decrement < 1e-4 and not rises if np.isfinite(decrement) else bool(np.abs(gradient).max() < 1e-3)
    # What is flat beside a scale of zero has lost its place by that.
    flat = () if at_bound.any() or rises else tuple(density.names_of(np.flatnonzero(is_flat)))
    slope = float(np.abs(gradient).max())
    return Peak(
        position, value, slope, curvature, flat, tuple(density.names_of(np.flatnonzero(at_bound))), is_converged
    )


def _is_bounded(density: ModelDensity) -> NDArray[np.bool_]:
    """Return of which elements the variable has a bound in natural space."""
    sampled, layout = density.plan.sampled, density.layout
    kinds = {str(v.name): sampled.values[n] is not sampled.natural[n] for n, v in sampled.values.items()}
    return np.repeat([kinds[name] for name in layout.names], layout.sizes)


def _rises_outwards(density: ModelDensity, position: Vector) -> NDArray[np.bool_]:
    """Return along which elements the density is no smaller further out."""
    value = density(position)[0]
    found = np.zeros(len(position), bool)
    for element in np.flatnonzero(np.abs(position) > _FAR_ENOUGH):
        further = position.copy()
        further[element] += np.sign(position[element])
        found[element] = density(further)[0] >= value - 1e-3
    return found
