"""The regularised incomplete gamma functions on the log scale, and their derivatives with respect to the shape.

References
----------
DLMF (2024), 8.7.1: the power series of the lower function, every term positive; 8.9.2: the continued fraction of the
upper one. Thompson and Barnett (1986), *Coulomb and Bessel functions of complex arguments and order*: its evaluation
from the front. Derivatives are carried along, step by step.
"""

from __future__ import annotations

import math

from numba import njit

from graphs.tails.special import LOG_2PI, deviance, digamma, log_complement, stirling_error

PRECISION = 1e-16
TINY = 1e-300
MOST_STEPS = 10_000_000


@njit(cache=True, error_model="numpy")
def incomplete_gamma(shape: float, x: float) -> tuple[float, float, float, float]:
    """Return ``log P``, ``log Q`` and their derivatives with respect to the shape.

    ``P(a, x)`` is the probability that a gamma variable of this shape and rate 1 is below ``x``, and ``Q = 1 - P``.

    Parameters
    ----------
    shape : float
        Above zero.
    x : float
        Any number: below zero is nothing.

    Returns
    -------
    tuple of float
        NaN where the shape is not positive and finite.

    Examples
    --------
    >>> [round(value, 6) for value in incomplete_gamma(3.0, 1000.0)]
    [-0.0, -986.875637, -0.0, 5.985972]
    """
    if not (shape > 0.0 and shape < math.inf) or math.isnan(x):
        return math.nan, math.nan, math.nan, math.nan
    if x <= 0.0:
        return -math.inf, 0.0, 0.0, 0.0
    if math.isinf(x):
        return 0.0, -math.inf, 0.0, 0.0
    # log(x**a exp(-x) / gamma(a + 1)), and its derivative.
    log_factor = -deviance(shape, x) - stirling_error(shape) - 0.5 * (LOG_2PI + math.log(shape))
    slope = math.log(x) - digamma(shape + 1.0)
    if x < shape + 1.0:
        log_sum, sum_slope = _lower_series(shape, x)
        log_lower, lower_slope = log_factor + log_sum, slope + sum_slope
        log_upper = log_complement(log_lower)
        return log_lower, log_upper, lower_slope, -lower_slope * math.exp(log_lower - log_upper)
    log_fraction, fraction_slope = _upper_fraction(shape, x)
    log_upper = log_factor + math.log(shape) + log_fraction
    upper_slope = slope + 1.0 / shape + fraction_slope
    log_lower = log_complement(log_upper)
    return log_lower, log_upper, -upper_slope * math.exp(log_upper - log_lower), upper_slope


@njit(cache=True, error_model="numpy")
def _lower_series(shape: float, x: float) -> tuple[float, float]:
    """Return the logarithm of ``1 + x/(a+1) + x**2/((a+1)(a+2)) + ...``, and its derivative."""
    term, total, slope, total_slope = 1.0, 1.0, 0.0, 0.0
    for n in range(1, MOST_STEPS):
        ratio = x / (shape + n)
        slope = (slope - term / (shape + n)) * ratio
        term *= ratio
        total += term
        total_slope += slope
        # What is not a number stays that.
        if not (term > PRECISION * total or -slope > -PRECISION * total_slope):
            break
    return math.log(total), total_slope / total


@njit(cache=True, error_model="numpy")
def _upper_fraction(shape: float, x: float) -> tuple[float, float]:
    """Return the logarithm of ``1/(x+1-a - 1(1-a)/(x+3-a - 2(2-a)/(x+5-a - ...)))``, and its derivative."""
    b = x + 1.0 - shape
    c, c_slope = 1.0 / TINY, 0.0
    d = 1.0 / b
    d_slope = d * d
    fraction, log_slope = d, d_slope / d
    for n in range(1, MOST_STEPS):
        b += 2.0
        a = n * (shape - n)
        # d = 1 / (b + a d) and c = b + a / c; a grows by n and b falls by 1 with the shape.
        denominator = b + a * d
        d_slope = -(-1.0 + n * d + a * d_slope) / (denominator * denominator)
        d = 1.0 / denominator
        c, c_slope = b + a / c, -1.0 + n / c - a * c_slope / (c * c)
        factor = c * d
        change = c_slope / c + d_slope / d
        fraction *= factor
        log_slope += change
        if not (abs(factor - 1.0) > PRECISION or abs(change) > PRECISION * abs(log_slope) + TINY):
            break
    return math.log(fraction), log_slope
