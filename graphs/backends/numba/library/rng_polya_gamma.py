"""Draws of Polya-gamma variables; the methods are described in `graphs.variables.polya_gamma`."""

from __future__ import annotations

import math

from graphs.backends.numba.library.rng import Words, draw_exponential, draw_normal, draw_uniform
from graphs.backends.numba.library.rng_gamma import draw_gamma
from graphs.backends.numba.machine_code.kept import njit
from graphs.variables.polya_gamma import FEWEST_TERMS, MOST_TERMS

_SPLIT = 0.64
_MOST_UNITS = 4.0


@njit(cache=True)
def _coefficient(n: int, x: float) -> float:
    """Return a coefficient of the alternating series of the density of four times a unit variable without tilt."""
    half = n + 0.5
    if x > _SPLIT:
        return math.pi * half * math.exp(-0.5 * (half * math.pi) ** 2 * x)
    return math.pi * half * (2.0 / (math.pi * x)) ** 1.5 * math.exp(-2.0 * half * half / x)


@njit(cache=True)
def _normal_tail(x: float) -> float:
    """Return the probability below ``x`` of a standard normal variable."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@njit(cache=True)
def _draw_inverse_gaussian(z: float, words: Words) -> tuple[float, Words]:
    """Draw an inverse Gaussian variable of mean ``1 / z`` and shape 1, below `_SPLIT`."""
    if z < 1.0 / _SPLIT:
        while True:
            e, words = draw_exponential(words)
            f, words = draw_exponential(words)
            if e * e <= 2.0 * f / _SPLIT:
                x = _SPLIT / (1.0 + _SPLIT * e) ** 2
                u, words = draw_uniform(words)
                if u <= math.exp(-0.5 * z * z * x):
                    return x, words
    mean = 1.0 / z
    while True:
        y, words = draw_normal(words)
        y *= y
        x = mean + 0.5 * mean * mean * y - 0.5 * mean * math.sqrt(4.0 * mean * y + (mean * y) ** 2)
        u, words = draw_uniform(words)
        if u > mean / (mean + x):
            x = mean * mean / x
        if x <= _SPLIT:
            return x, words


@njit(cache=True)
def _draw_unit(tilt: float, words: Words) -> tuple[float, Words]:
    """Draw a variable of count 1, exactly."""
    z = 0.5 * tilt
    rate = math.pi * math.pi / 8.0 + 0.5 * z * z
    root = math.sqrt(1.0 / _SPLIT)
    start = math.log(rate) + rate * _SPLIT
    below, above = _normal_tail(root * (_SPLIT * z - 1.0)), _normal_tail(-root * (_SPLIT * z + 1.0))
    odds = 0.0
    if below > 0.0:
        odds += math.exp(min(start - z + math.log(below), 700.0))
    if above > 0.0:
        odds += math.exp(min(start + z + math.log(above), 700.0))
    right = 1.0 / (1.0 + 4.0 / math.pi * odds)
    while True:
        u, words = draw_uniform(words)
        if u < right:
            e, words = draw_exponential(words)
            x = _SPLIT + e / rate
        else:
            x, words = _draw_inverse_gaussian(z, words)
        total = _coefficient(0, x)
        v, words = draw_uniform(words)
        height = v * total
        n = 0
        while True:
            n += 1
            if n % 2 == 1:
                total -= _coefficient(n, x)
                if height <= total:
                    return 0.25 * x, words
            else:
                total += _coefficient(n, x)
                if height > total:
                    break


@njit(cache=True)
def _moments(tilt: float) -> tuple[float, float]:
    """Return mean and variance for a count of one."""
    if tilt < 0.05:
        square = tilt * tilt
        mean = 0.25 - square / 48.0 + square * square / 480.0
        return mean, 1.0 / 24.0 - square / 120.0 + 17.0 * square * square / 13440.0
    decay = math.exp(-tilt)
    slope = math.tanh(0.5 * tilt)
    return slope / (2.0 * tilt), (2.0 * slope - 4.0 * tilt * decay / (1.0 + decay) ** 2) / (4.0 * tilt**3)


@njit(cache=True)
def draw_polya_gamma(count: float, tilt: float, words: Words) -> tuple[float, Words]:
    """Draw a Polya-gamma variable, 0 of a count of zero; not a number where the count is negative."""
    tilt = abs(tilt)
    if not (count >= 0.0 and tilt < math.inf):
        return math.nan, words
    value = 0.0
    if count <= _MOST_UNITS and count == math.floor(count):
        for _ in range(int(count)):
            unit, words = _draw_unit(tilt, words)
            value += unit
        return value, words
    mean, variance = _moments(tilt)
    for k in range(int(min(float(MOST_TERMS), FEWEST_TERMS + tilt))):
        weight = 0.5 / ((math.pi * (k + 0.5)) ** 2 + 0.25 * tilt * tilt)
        part, words = draw_gamma(count, words)
        value += weight * part
        mean -= weight
        variance -= weight * weight
    mean, variance = max(mean, 1e-15), max(variance, 1e-30)
    part, words = draw_gamma(count * mean * mean / variance, words)
    return value + variance / mean * part, words


NAMES = {"draw_polya_gamma": draw_polya_gamma}
"""What generated source calls."""
