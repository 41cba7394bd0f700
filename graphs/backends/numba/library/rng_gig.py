"""Draws of generalised inverse Gaussian variables between bounds; the method is described in `graphs.variables.gig`."""

from __future__ import annotations

import math

from graphs.backends.numba.library.rng import Words, draw_uniform
from graphs.backends.numba.machine_code.kept import njit


@njit(cache=True)
def _relative(y: float, power: float, rate: float, scale: float) -> float:
    """Return the log-density of the logarithm at a distance from its mode, less that at the mode."""
    height = power * y
    if rate > 0.0:
        height -= rate * math.expm1(y)
    if scale > 0.0:
        height -= scale * math.expm1(-y)
    return height


@njit(cache=True)
def _piece(power: float, rate: float, scale: float, highest: float) -> tuple[float, float]:
    """Return the width of the flat piece right of the mode, and the mass of the exponential one beyond it."""
    if not highest > 0.0:
        return 0.0, 0.0
    slope = power - rate + scale
    place = 2.0 / (-slope + math.sqrt(slope * slope + 2.0 * (rate + scale)))
    for _ in range(40):
        height = _relative(place, power, rate, scale)
        if height < -2.0:
            place *= 0.6
        elif height > -0.5:
            place *= 1.5
        else:
            break
    if place >= highest:
        return highest, 0.0
    slope = power - rate * math.exp(place) + scale * math.exp(-place)
    return place - _relative(place, power, rate, scale) / slope, -1.0 / slope


@njit(cache=True)
def draw_gig(power: float, rate: float, scale: float, lower: float, upper: float, words: Words) -> tuple[float, Words]:
    """Draw from the density ``x^(power - 1) exp(-rate x - scale / x)`` on ``(lower, upper)``."""
    at_zero = scale > 0.0 or lower > 0.0 or power > 0.0
    at_infinity = rate > 0.0 or upper < math.inf or power < 0.0
    if not (rate >= 0.0 and scale >= 0.0 and lower >= 0.0 and lower < upper and at_zero and at_infinity):
        return math.nan, words
    root = math.sqrt(power * power + 4.0 * rate * scale)
    if power > 0.0:
        peak = (power + root) / (2.0 * rate) if rate > 0.0 else math.inf
    else:
        peak = 2.0 * scale / (root - power) if root > power else 0.0
    mode = math.log(min(max(peak, lower), upper))
    rate *= math.exp(mode)
    scale *= math.exp(-mode)
    lowest = math.log(lower) - mode if lower > 0.0 else -math.inf
    highest = math.log(upper) - mode if upper < math.inf else math.inf
    right, right_mass = _piece(power, rate, scale, highest)
    left, left_mass = _piece(-power, scale, rate, -lowest)
    flat = left + right
    while True:
        u, words = draw_uniform(words)
        v, words = draw_uniform(words)
        w, words = draw_uniform(words)
        u *= flat + left_mass + right_mass
        tail = -math.log1p(-v)
        bound = math.log1p(-w)
        if u < flat:
            y = flat * v - left
        else:
            y = right + right_mass * tail if u < flat + right_mass else -left - left_mass * tail
            bound -= tail
        if lowest <= y <= highest and bound <= _relative(y, power, rate, scale):
            return math.exp(mode + y), words


NAMES = {"draw_gig": draw_gig}
"""What generated source calls."""
