"""Log-densities at eighty digits, in mpmath: arrays of its numbers, and derivatives that are differences of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath as mp
import numpy as np
from numpy.typing import NDArray

mp.mp.dps = 80
_STEP = mp.mpf(10) ** -25

Array = NDArray[Any]
"""Numbers of mpmath, or of NumPy."""

lgamma = np.frompyfunc(mp.loggamma, 1, 1)
log = np.frompyfunc(mp.log, 1, 1)
exp = np.frompyfunc(mp.exp, 1, 1)
sqrt = np.frompyfunc(mp.sqrt, 1, 1)
log_cdf = np.frompyfunc(lambda z: mp.log(mp.erfc(-z / mp.sqrt(2)) / 2), 1, 1)
PI = mp.pi


def number(x: Any) -> Any:
    """Return numbers of mpmath: those of NumPy as they are stored."""
    array = np.asarray(x, dtype=object)
    found = np.frompyfunc(mp.mpf, 1, 1)(array)
    return found if array.ndim else mp.mpf(array.item())


def values_and_slopes(
    function: Callable[..., Any], at: Mapping[str, Any], names: list[str]
) -> tuple[Any, dict[str, Array]]:
    """Return the value of a function of named arrays, and its derivatives by some of them.

    Differences of two values half their digits apart: some thirty digits are right.
    """
    point = {n: number(v) for n, v in at.items()}
    slopes = {}
    for name in names:
        flat = np.ravel(np.asarray(point[name], dtype=object))
        found = []
        for i, x in enumerate(flat):
            step = _STEP * (abs(x) or 1)
            ends = []
            for sign in (1, -1):
                moved = flat.copy()
                moved[i] = x + sign * step
                shaped = moved.reshape(np.shape(at[name])) if np.shape(at[name]) else moved[0]
                ends.append(function(**{**point, name: shaped}))
            found.append((ends[0] - ends[1]) / (2 * step))
        slopes[name] = np.array(found, dtype=object).reshape(np.shape(at[name]))
    return function(**point), slopes


def factor(matrix: Array) -> Array:
    """Return the lower triangular Cholesky factor of a matrix."""
    size = len(matrix)
    lower = np.full((size, size), mp.mpf(0), dtype=object)
    for j in range(size):
        lower[j, j] = mp.sqrt(matrix[j, j] - np.dot(lower[j, :j], lower[j, :j]))
        for i in range(j + 1, size):
            lower[i, j] = (matrix[i, j] - np.dot(lower[i, :j], lower[j, :j])) / lower[j, j]
    return lower


def solve(lower: Array, b: Array) -> Array:
    """Return the solution of a triangular system."""
    found = np.array(b, dtype=object)
    for i in range(len(found)):
        found[i] = (found[i] - np.dot(lower[i, :i], found[:i])) / lower[i, i]
    return found


def diagonal(entries: Any) -> Array:
    """Return a diagonal matrix."""
    entries = np.ravel(number(entries))
    matrix = np.full((len(entries), len(entries)), mp.mpf(0), dtype=object)
    matrix[np.diag_indices(len(entries))] = entries
    return matrix


def mv_normal(y: Any, mean: Any, cov: Array) -> Any:
    """Log-density of a normal vector."""
    y = number(y)
    lower = factor(np.asarray(cov, dtype=object))
    z = solve(lower, y - np.broadcast_to(np.asarray(mean, dtype=object), np.shape(y)))
    return -np.dot(z, z) / 2 - sum(log(np.diagonal(lower))) - len(y) * mp.log(2 * PI) / 2


def linear_normal(y: Any, design: Any, mean: Any, cov: Array, noise: Any) -> Any:
    """Log-density of ``design @ b + N(0, diag(noise^2))`` where b is normal."""
    y, design = number(y), number(design)
    around = design @ np.broadcast_to(number(mean), design.shape[1:])
    return mv_normal(y, around, design @ cov @ design.T + diagonal(np.broadcast_to(number(noise), y.shape) ** 2))


def total(x: Any) -> Any:
    """Return the sum of all elements."""
    return np.sum(np.ravel(np.asarray(x, dtype=object)))


def normal(x: Any, mean: Any, sd: Any) -> Any:
    """Log-density of independent normal numbers."""
    x, mean, sd = number(x), number(mean), number(sd)
    return total(-(((x - mean) / sd) ** 2) / 2 - log(sd) + 0 * x - mp.log(2 * PI) / 2)


def half_normal(x: Any, sd: Any) -> Any:
    """Log-density of absolute values of normal numbers."""
    return normal(x, 0, sd) + np.size(x) * mp.log(2)


def gamma(x: Any, shape: Any, rate: Any) -> Any:
    """Log-density of gamma numbers."""
    x, shape, rate = number(x), number(shape), number(rate)
    return total(shape * log(rate) - lgamma(shape) + (shape - 1) * log(x) - rate * x)


def exponential(x: Any, rate: Any) -> Any:
    """Log-density of exponential numbers."""
    return gamma(x, 1, rate)


def inverse_gamma(x: Any, shape: Any, scale: Any) -> Any:
    """Log-density of reciprocals of gamma numbers."""
    x = number(x)
    return gamma(1 / x, shape, scale) - 2 * total(log(x))


def log_beta(a: Any, b: Any) -> Any:
    """Logarithm of the beta function."""
    a, b = number(a), number(b)
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def beta(x: Any, a: Any, b: Any) -> Any:
    """Log-density of beta numbers."""
    x = number(x)
    return total((number(a) - 1) * log(x) + (number(b) - 1) * log(1 - x) - log_beta(a, b))


def log_choose(n: Any, k: Any) -> Any:
    """Logarithm of a binomial coefficient."""
    n, k = number(n), number(k)
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def poisson(k: Any, rate: Any) -> Any:
    """Log-probability of Poisson counts."""
    k, rate = number(k), number(rate)
    return total(k * log(rate) - rate - lgamma(k + 1))


def log_sum(parts: Any) -> Any:
    """Logarithm of a sum of exponentials."""
    return mp.log(sum(mp.exp(p) for p in parts))
