"""Continuous draws that need an algorithm of their own; the others are expressions of those in ``rng``.

References
----------
Devroye (1986), Non-Uniform Random Variate Generation, Springer.
Michael, Schucany and Haas (1976), Generating random variates using transformations with multiple roots, American
Statistician 30(2).
Best and Fisher (1979), Efficient simulation of the von Mises distribution, Applied Statistics 28(2).
Robert (1995), Simulation of truncated normal variables, Statistics and Computing 5(2).
"""

from __future__ import annotations

import math

import numpy as np

from graphs.backends.numba.library.rng import Words, draw_exponential, draw_normal, draw_positive, draw_uniform
from graphs.backends.numba.library.rng_gamma import draw_gamma
from graphs.backends.numba.machine_code.kept import njit


@njit(cache=True, error_model="numpy")
def draw_student_t(df: float, words: Words) -> tuple[float, Words]:
    """Draw from Student's t distribution of unit scale."""
    z, words = draw_normal(words)
    g, words = draw_gamma(0.5 * df, words)
    return z if df == np.inf else z * math.sqrt(0.5 * df / g), words


@njit(cache=True, error_model="numpy")
def draw_logistic(words: Words) -> tuple[float, Words]:
    """Draw from the standard logistic distribution, as the log-ratio of two exponential variables."""
    x, words = draw_exponential(words)
    y, words = draw_exponential(words)
    return math.log(x / y), words


@njit(cache=True)
def draw_laplace(words: Words) -> tuple[float, Words]:
    """Draw from the standard Laplace distribution, as the difference of two exponential variables."""
    x, words = draw_exponential(words)
    y, words = draw_exponential(words)
    return x - y, words


@njit(cache=True)
def draw_cauchy(words: Words) -> tuple[float, Words]:
    """Draw from the standard Cauchy distribution."""
    u, words = draw_uniform(words)
    return math.tan(math.pi * (u - 0.5)), words


@njit(cache=True)
def draw_triangular(left: float, mode: float, right: float, words: Words) -> tuple[float, Words]:
    """Draw from the triangular distribution by inversion."""
    u, words = draw_uniform(words)
    width = right - left
    if u * width <= mode - left:
        return left + math.sqrt(u * width * (mode - left)), words
    return right - math.sqrt((1.0 - u) * width * (right - mode)), words


@njit(cache=True, error_model="numpy")
def draw_wald(mean: float, shape: float, words: Words) -> tuple[float, Words]:
    """Draw from the inverse Gaussian distribution (Michael, Schucany and Haas)."""
    z, words = draw_normal(words)
    y = mean * z * z / (2.0 * shape)
    # The smaller root in the form that does not cancel.
    x = mean / (1.0 + y + math.sqrt(y * (2.0 + y)))
    u, words = draw_uniform(words)
    return (x if u * (mean + x) <= mean else mean * mean / x), words


@njit(cache=True, error_model="numpy")
def draw_vonmises(mean: float, concentration: float, words: Words) -> tuple[float, Words]:
    """Draw an angle in [-pi, pi] from the von Mises distribution (Best and Fisher)."""
    if concentration < 1e-8:
        u, words = draw_uniform(words)
        angle = math.pi * (2.0 * u - 1.0)
    else:
        tau = 1.0 + math.sqrt(1.0 + 4.0 * concentration * concentration)
        rho = 2.0 * concentration / (tau + math.sqrt(2.0 * tau))
        r = (1.0 + rho * rho) / (2.0 * rho)
        while True:
            u, words = draw_uniform(words)
            z = math.cos(math.pi * u)
            f = (1.0 + r * z) / (r + z)
            c = concentration * (r - f)
            v, words = draw_positive(words)
            if c * (2.0 - c) > v or math.log(c / v) + 1.0 >= c:
                break
        u, words = draw_uniform(words)
        angle = math.acos(min(1.0, max(-1.0, f)))
        if u < 0.5:
            angle = -angle
    angle += mean
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi)), words


@njit(cache=True)
def _draw_normal_tail(lower: float, upper: float, words: Words) -> tuple[float, Words]:
    """Draw a standard normal variable between two positive bounds by rejection from an exponential one (Robert)."""
    rate = 0.5 * (lower + math.sqrt(lower * lower + 4.0))
    width = -math.expm1(-rate * (upper - lower))
    while True:
        u, words = draw_uniform(words)
        x = lower - math.log1p(-u * width) / rate
        v, words = draw_positive(words)
        if math.log(v) <= -0.5 * (x - rate) * (x - rate):
            return min(x, upper), words


@njit(cache=True)
def draw_truncated_normal(lower: float, upper: float, words: Words) -> tuple[float, Words]:
    """Draw a standard normal variable between two bounds."""
    if not lower < upper:
        return (lower if lower == upper else math.nan), words
    if lower > 0.4:
        return _draw_normal_tail(lower, upper, words)
    if upper < -0.4:
        x, words = _draw_normal_tail(-upper, -lower, words)
        return -x, words
    if upper - lower > 1.0:
        while True:
            x, words = draw_normal(words)
            if lower <= x <= upper:
                return x, words
    # The density varies by less than a factor of 3 between bounds this close to zero.
    nearest = max(lower, min(upper, 0.0))
    while True:
        u, words = draw_uniform(words)
        x = lower + (upper - lower) * u
        v, words = draw_positive(words)
        if math.log(v) <= 0.5 * (nearest * nearest - x * x):
            return x, words


@njit(cache=True)
def draw_skew_normal(slant: float, words: Words) -> tuple[float, Words]:
    """Draw from the skew-normal distribution of unit scale."""
    x, words = draw_normal(words)
    y, words = draw_normal(words)
    return (slant * abs(x) + y) / math.sqrt(1.0 + slant * slant), words


NAMES = {
    "draw_cauchy": draw_cauchy,
    "draw_laplace": draw_laplace,
    "draw_logistic": draw_logistic,
    "draw_skew_normal": draw_skew_normal,
    "draw_student_t": draw_student_t,
    "draw_triangular": draw_triangular,
    "draw_truncated_normal": draw_truncated_normal,
    "draw_vonmises": draw_vonmises,
    "draw_wald": draw_wald,
}
"""What generated source calls."""
