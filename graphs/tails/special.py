"""What the incomplete gamma and beta functions share: factors that lose no digits.

References
----------
Loader (2000), *Fast and accurate computation of binomial probabilities*: the deviance, and the error of Stirling's
formula. DLMF (2024), 5.11.1 and 5.11.2: the asymptotic series.
"""

from __future__ import annotations

import math

from numba import njit

LOG_2PI = math.log(2.0 * math.pi)
LOG_HALF = math.log(0.5)
FIRST_ASYMPTOTIC = 15.0
NEAR_ONE = 0.1


@njit(cache=True, error_model="numpy")
def digamma(x: float) -> float:
    """Return the derivative of the logarithm of the gamma function, for ``x`` above zero."""
    total = 0.0
    while x < FIRST_ASYMPTOTIC:
        total -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))
    return total + math.log(x) - 0.5 / x - series


@njit(cache=True, error_model="numpy")
def stirling_error(x: float) -> float:
    """Return ``log(gamma(x + 1)) - (x + 1/2) log(x) + x - log(2 pi) / 2``, for ``x`` above zero."""
    if x < FIRST_ASYMPTOTIC:
        return math.lgamma(x + 1.0) - (x + 0.5) * math.log(x) + x - 0.5 * LOG_2PI
    y = 1.0 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - y * 691 / 360360))))) / x


@njit(cache=True, error_model="numpy")
def deviance(x: float, mean: float) -> float:
    """Return ``x log(x / mean) + mean - x``, which is small where the two are close."""
    distance = x - mean
    if abs(distance) >= NEAR_ONE * (x + mean):
        return x * (math.log(x) - math.log(mean)) + mean - x
    # 2 x artanh(r) - (x - mean) in powers of r.
    r = distance / (x + mean)
    total, term, n = distance * r, 2.0 * x * r, 1
    while True:
        term *= r * r
        change = term / (2 * n + 1)
        if total + change == total:
            return total
        total += change
        n += 1


@njit(cache=True, error_model="numpy")
def log_complement(log_p: float) -> float:
    """Return ``log(1 - p)``."""
    if log_p >= 0.0:
        return -math.inf
    if log_p < LOG_HALF:
        return math.log1p(-math.exp(log_p))
    return math.log(-math.expm1(log_p))
