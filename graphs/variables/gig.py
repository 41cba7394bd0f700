"""Generalised inverse Gaussian random variables between bounds; truncated gamma and inverse gamma ones are among them.

The logarithm of such a variable has a concave log-density, ``power y - rate exp(y) - scale exp(-y)``. It is drawn by
rejection from a hat that is flat around the mode and exponential on both sides, after Devroye, "Random variate
generation for the generalized inverse Gaussian distribution", Statistics and Computing 24, 2014; bounds cut the hat.
Where the pieces meet decides only how often a proposal is rejected.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.random.op import RandomVariable

_SEARCHES = 40


class GIGRV(RandomVariable):
    """Draws of the density ``x^(power - 1) exp(-rate x - scale / x)`` on ``(lower, upper)``.

    Parameters of the node: ``power``, ``rate`` and ``scale`` (not negative), ``lower`` (not negative), ``upper``.
    """

    name = "gig"
    signature = "(),(),(),(),()->()"
    dtype = "float64"
    _print_name = ("GIG", "\\operatorname{GIG}")

    def rng_fn(self, rng: np.random.Generator, *arguments: Any) -> NDArray[np.float64]:
        """Draw by NumPy."""
        *parameters, size = arguments
        shape = np.broadcast_shapes(*(np.shape(p) for p in parameters)) if size is None else tuple(size)
        with np.errstate(all="ignore"):
            power, rate, scale, lower, upper = (
                np.broadcast_to(np.asarray(p, "float64"), shape).ravel() for p in parameters
            )
            hat = hat_of(np, power, rate, scale, lower, upper)
            result = np.full(power.size, np.nan)
            waiting = np.flatnonzero(is_proper(np, power, rate, scale, lower, upper))
            while waiting.size:
                part = Hat(*(field[waiting] for field in hat))
                value, is_accepted = proposed(np, part, *rng.random((3, waiting.size)))
                result[waiting[is_accepted]] = value[is_accepted]
                waiting = waiting[~is_accepted]
        return np.asarray(result.reshape(shape))


class Hat(NamedTuple):
    """A hat over a log-density that is concave, relative to its mode; arrays of one shape."""

    mode: Any
    power: Any
    rate: Any  # times exp(mode)
    scale: Any  # times exp(-mode)
    left_width: Any  # of the flat piece
    right_width: Any
    left_mass: Any  # of the exponential pieces, one over their slopes
    right_mass: Any
    lowest: Any  # bounds relative to the mode
    highest: Any


def is_proper(xp: Any, power: Any, rate: Any, scale: Any, lower: Any, upper: Any) -> Any:
    """Whether the density can be normalised."""
    at_zero = (scale > 0) | (lower > 0) | (power > 0)
    at_infinity = (rate > 0) | (upper < xp.inf) | (power < 0)
    return (rate >= 0) & (scale >= 0) & (lower >= 0) & (lower < upper) & at_zero & at_infinity


def hat_of(xp: Any, power: Any, rate: Any, scale: Any, lower: Any, upper: Any) -> Hat:
    """Return the hats of densities, with NumPy or ``jax.numpy``."""
    root = xp.sqrt(power * power + 4.0 * rate * scale)
    inner = xp.where(root > power, 2.0 * scale / (root - power), 0.0)
    peak = xp.where(power > 0, (power + root) / (2.0 * rate), inner)
    mode = xp.log(xp.clip(peak, lower, upper))
    rate, scale = rate * xp.exp(mode), scale * xp.exp(-mode)
    lowest, highest = xp.log(lower) - mode, xp.log(upper) - mode
    right, height, slope = _foot(xp, power, rate, scale, highest)
    right_mass = xp.where(right < highest, 1.0 / -slope, 0.0)
    right_width = xp.where(right < highest, right - height / slope, xp.maximum(highest, 0.0))
    # Mirrored: y becomes -y.
    left, height, slope = _foot(xp, -power, scale, rate, -lowest)
    left_mass = xp.where(left < -lowest, 1.0 / -slope, 0.0)
    left_width = xp.where(left < -lowest, left - height / slope, xp.maximum(-lowest, 0.0))
    return Hat(mode, power, rate, scale, left_width, right_width, left_mass, right_mass, lowest, highest)


def _foot(xp: Any, power: Any, rate: Any, scale: Any, highest: Any) -> tuple[Any, Any, Any]:
    """Return where, right of the mode, the log-density has dropped by about one, the drop, and the slope there."""
    curvature, slope = rate + scale, power - rate + scale
    place = 2.0 / (-slope + xp.sqrt(slope * slope + 2.0 * curvature))
    for _ in range(_SEARCHES):
        height = _relative(xp, place, power, rate, scale)
        place = xp.where(height < -2.0, 0.6 * place, xp.where(height > -0.5, 1.5 * place, place))
    place = xp.minimum(place, highest)
    return place, _relative(xp, place, power, rate, scale), power - rate * xp.exp(place) + scale * xp.exp(-place)


def _relative(xp: Any, y: Any, power: Any, rate: Any, scale: Any) -> Any:
    """Return the log-density at a distance from the mode, less that at the mode."""
    return power * y - xp.where(rate > 0, rate * xp.expm1(y), 0.0) - xp.where(scale > 0, scale * xp.expm1(-y), 0.0)


def proposed(xp: Any, hat: Hat, u: Any, v: Any, w: Any) -> tuple[Any, Any]:
    """Return proposals made of three uniform numbers each, and whether they are accepted."""
    flat = hat.left_width + hat.right_width
    total = flat + hat.left_mass + hat.right_mass
    tail = -xp.log1p(-v)
    is_flat, is_right = u * total < flat, u * total < flat + hat.right_mass
    y = xp.where(is_right, hat.right_width + hat.right_mass * tail, -hat.left_width - hat.left_mass * tail)
    y = xp.where(is_flat, flat * v - hat.left_width, y)
    log_hat = xp.where(is_flat, 0.0, -tail)
    is_inside = (y >= hat.lowest) & (y <= hat.highest)
    height = _relative(xp, y, hat.power, hat.rate, hat.scale)
    return xp.exp(hat.mode + y), is_inside & (xp.log1p(-w) + log_hat <= height)


gig = GIGRV()
