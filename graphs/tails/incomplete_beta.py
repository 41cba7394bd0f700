"""The regularised incomplete beta function on the log scale, and its derivatives with respect to both shapes.

References
----------
Didonato and Morris (1992), *Algorithm 708*, equation 9: the continued fraction, of which every coefficient is positive
up to the step that the second shape counts. Derivatives are carried along, step by step.
"""

from __future__ import annotations

import math

from numba import njit

from graphs.tails.incomplete_gamma import MOST_STEPS, PRECISION, TINY
from graphs.tails.special import LOG_2PI, deviance, digamma, log_complement, stirling_error


@njit(cache=True, error_model="numpy")
def incomplete_beta(a: float, b: float, x: float) -> tuple[float, float, float, float, float, float]:
    """Return ``log I``, ``log(1 - I)``, and the derivatives of both with respect to ``a`` and then to ``b``.

    ``I(a, b, x)`` is the probability that a beta variable of these shapes is below ``x``.

    Parameters
    ----------
    a, b : float
        Above zero.
    x : float
        Any number: below zero is nothing, above one everything.

    Returns
    -------
    tuple of float
        NaN where a shape is not positive and finite.

    Examples
    --------
    >>> [round(value, 4) for value in incomplete_beta(2.0, 3.0, 1e-100)]
    [-458.7253, -0.0, -229.6752, 0.0, 0.5833, -0.0]
    """
    if not (a > 0.0 and b > 0.0 and a < math.inf and b < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    if x <= 0.0:
        return -math.inf, 0.0, 0.0, 0.0, 0.0, 0.0
    if x >= 1.0:
        return 0.0, -math.inf, 0.0, 0.0, 0.0, 0.0
    if x * (a + b + 2.0) <= a + 1.0:
        log_below, slope_a, slope_b = _smaller(a, b, x, 1.0 - x)
        log_above = log_complement(log_below)
        odds = math.exp(log_below - log_above)
        return log_below, log_above, slope_a, -slope_a * odds, slope_b, -slope_b * odds
    log_above, slope_b, slope_a = _smaller(b, a, 1.0 - x, x)
    log_below = log_complement(log_above)
    odds = math.exp(log_above - log_below)
    return log_below, log_above, -slope_a * odds, slope_a, -slope_b * odds, slope_b


@njit(cache=True, error_model="numpy")
def _smaller(a: float, b: float, x: float, y: float) -> tuple[float, float, float]:
    """Return ``log I(a, b, x)`` with ``y = 1 - x``, and its derivatives, where ``x`` is below the mean or near it."""
    total = a + b
    # log(x**a y**b gamma(a + b) / (gamma(a) gamma(b))), and its derivatives.
    log_factor = (
        stirling_error(total)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, total * x)
        - deviance(b, total * y)
        + 0.5 * (math.log(a) + math.log(b) - math.log(total) - LOG_2PI)
    )
    both = digamma(total)
    log_fraction, slope_a, slope_b = _fraction(a, b, x, y)
    return (
        log_factor - log_fraction,
        math.log(x) + both - digamma(a) - slope_a,
        math.log(y) + both - digamma(b) - slope_b,
    )


@njit(cache=True, error_model="numpy")
def _fraction(a: float, b: float, x: float, y: float) -> tuple[float, float, float]:
    """Return the logarithm of the continued fraction, and its derivatives with respect to ``a`` and ``b``."""
    c = (a * y - b * x + 1.0) * a / (a + 1.0)
    c_a = ((a * y - b * x + 1.0) / (a + 1.0) + a * y) / (a + 1.0)
    c_b = -x * a / (a + 1.0)
    fraction, slope_a, slope_b = c, c_a / c, c_b / c
    d, d_a, d_b = 0.0, 0.0, 0.0
    for m in range(1, MOST_STEPS):
        u, v = a + 2.0 * m - 1.0, a + 2.0 * m + 1.0
        weight = m * (x / u) * (x / u)
        top = weight * (a + m - 1.0) * (a + b + m - 1.0) * (b - m)
        top_a = weight * (b - m) * (2.0 * a + b + 2.0 * m - 2.0) - 2.0 * top / u
        top_b = weight * (a + m - 1.0) * (a + 2.0 * b - 1.0)
        rest = a * y - b * x + 1.0 + m * (2.0 - x)
        step = m + m * (b - m) * x / u + (a + m) * rest / v
        step_a = -m * (b - m) * x / (u * u) + ((a + m) * y + rest * (m + 1.0) / v) / v
        step_b = (m / u - (a + m) / v) * x
        # d = 1 / (step + top d) and c = step + top / c.
        bottom = step + top * d
        d_a = -(step_a + top_a * d + top * d_a) / (bottom * bottom)
        d_b = -(step_b + top_b * d + top * d_b) / (bottom * bottom)
        d = 1.0 / bottom
        c_a = step_a + top_a / c - top * c_a / (c * c)
        c_b = step_b + top_b / c - top * c_b / (c * c)
        c = step + top / c
        fraction *= c * d
        change_a, change_b = c_a / c + d_a / d, c_b / c + d_b / d
        slope_a += change_a
        slope_b += change_b
        # What is not a number stays that.
        is_moving = abs(change_a) > PRECISION * abs(slope_a) + TINY or abs(change_b) > PRECISION * abs(slope_b) + TINY
        if not (abs(c * d - 1.0) > PRECISION or is_moving):
            break
    return math.log(fraction), slope_a, slope_b
