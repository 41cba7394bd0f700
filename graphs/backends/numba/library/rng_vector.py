"""Draws of vectors, written into an array given by the caller."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.rng import Words, draw_normal
from graphs.backends.numba.library.rng_discrete import draw_binomial, draw_integer
from graphs.backends.numba.library.rng_gamma import draw_gamma, draw_log_gamma
from graphs.backends.numba.machine_code.kept import njit


@njit(cache=True)
def draw_dirichlet(concentration: NDArray[np.float64], out: NDArray[np.float64], words: Words) -> Words:
    """Draw from the Dirichlet distribution; in logarithms where a concentration is small, lest all underflow."""
    smallest = np.inf
    for alpha in concentration:
        smallest = min(smallest, alpha)
    total = 0.0
    if smallest >= 0.1:
        for i in range(out.size):
            out[i], words = draw_gamma(concentration[i], words)
            total += out[i]
    else:
        largest = -np.inf
        for i in range(out.size):
            out[i], words = draw_log_gamma(concentration[i], words)
            largest = max(largest, out[i])
        for i in range(out.size):
            out[i] = math.exp(out[i] - largest)
            total += out[i]
    for i in range(out.size):
        out[i] /= total
    return words


@njit(cache=True, error_model="numpy")
def draw_multinomial(n: int, probabilities: NDArray[np.float64], out: NDArray[np.int64], words: Words) -> Words:
    """Draw counts from the multinomial distribution, one conditional binomial after the other."""
    rest = 0.0
    for probability in probabilities:
        rest += probability
    for i in range(out.size):
        share = probabilities[i] / rest if i < out.size - 1 and rest > 0.0 else 1.0
        out[i], words = draw_binomial(n, min(share, 1.0), words)
        n -= out[i]
        rest -= probabilities[i]
    return words


@njit(cache=True)
def draw_multivariate_normal(
    mean: NDArray[np.float64], covariance: NDArray[np.float64], out: NDArray[np.float64], words: Words
) -> Words:
    """Draw from the multivariate normal distribution by the Cholesky factor; NaN if there is none."""
    d = out.size
    factor = np.zeros((d, d))
    noise = np.empty(d)
    scale = 0.0
    for i in range(d):
        noise[i], words = draw_normal(words)
        scale = max(scale, covariance[i, i])
    for i in range(d):
        for j in range(i + 1):
            rest = covariance[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i > j:
                factor[i, j] = rest / factor[j, j] if factor[j, j] > 0.0 else 0.0
            elif rest >= -1e-12 * scale:
                # A singular covariance leaves a pivot of zero, up to rounding.
                factor[i, i] = math.sqrt(max(rest, 0.0)) if rest > 1e-14 * scale else 0.0
            else:
                factor[i, i] = math.nan
    for i in range(d):
        out[i] = mean[i]
        for k in range(i + 1):
            out[i] += factor[i, k] * noise[k]
    return words


@njit(cache=True)
def draw_permutation(out: Any, words: Words) -> Words:
    """Shuffle the rows of an array in place (Fisher and Yates)."""
    for i in range(out.shape[0] - 1, 0, -1):
        j, words = draw_integer(0, i + 1, words)
        if i != j:
            for k in range(out.shape[1]):
                out[i, k], out[j, k] = out[j, k], out[i, k]
    return words


NAMES = {
    "draw_dirichlet": draw_dirichlet,
    "draw_multinomial": draw_multinomial,
    "draw_multivariate_normal": draw_multivariate_normal,
    "draw_permutation": draw_permutation,
}
"""What generated source calls."""
