"""Draws from the gamma distribution and what is made of it, in compiled programs.

References
----------
Marsaglia and Tsang (2000), A simple method for generating gamma variables, ACM TOMS 26(3), 363-372.
"""

from __future__ import annotations

from math import exp, log, nan, sqrt

import numpy as np

from graphs.backends.numba.library.rng import Words, draw_normal, draw_positive
from graphs.backends.numba.machine_code.kept import njit


@njit(cache=True, forceinline=True)
def _draw_gamma_above_one(shape: float, words: Words) -> tuple[float, Words]:
    """Draw a gamma of shape at least one (Marsaglia and Tsang, 2000)."""
    d = shape - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    while True:
        x, words = draw_normal(words)
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            u, words = draw_positive(words)
            square = x * x
            if u < 1.0 - 0.0331 * square * square or log(u) < 0.5 * square + d * (1.0 - v + log(v)):
                return d * v, words


@njit(cache=True, error_model="numpy")
def _draw_gamma_edge(shape: float, words: Words) -> tuple[float, Words]:
    """Draw from the gamma distribution of a shape below one, or infinite."""
    if shape == np.inf:
        return shape, words
    if shape > 0.0:
        draw, words = _draw_gamma_above_one(shape + 1.0, words)
        u, words = draw_positive(words)
        return draw * u ** (1.0 / shape), words
    return (0.0 if shape == 0.0 else nan), words


@njit(cache=True, error_model="numpy", forceinline=True)
def draw_gamma(shape: float, words: Words) -> tuple[float, Words]:
    """Draw from the gamma distribution of scale one (Marsaglia and Tsang, 2000); NaN unless ``shape`` is positive."""
    # In the calling loop, where a constant shape decides once, a draw takes half the time of a call.
    if 1.0 <= shape < np.inf:
        return _draw_gamma_above_one(shape, words)
    return _draw_gamma_edge(shape, words)


@njit(cache=True)
def draw_log_gamma(shape: float, words: Words) -> tuple[float, Words]:
    """Draw the logarithm of a gamma variable of scale one; it does not underflow for a small ``shape``."""
    if shape >= 1.0:
        draw, words = draw_gamma(shape, words)
        return log(draw), words
    draw, words = draw_gamma(shape + 1.0, words)
    u, words = draw_positive(words)
    return log(draw) + log(u) / shape, words


@njit(cache=True)
def draw_signed_log_gamma(shape: float, is_positive: float, words: Words) -> tuple[float, Words]:
    """Draw the logarithm of a gamma variable of scale one, of which the first normal number has a sign."""
    if not 0.0 < shape < np.inf:
        return (shape if shape > 0.0 else -np.inf if shape == 0.0 else nan), words
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    x, words = draw_normal(words)
    x = abs(x) if is_positive > 0.0 else -abs(x)
    v = 1.0 + x / sqrt(9.0 * d)
    value = d * v * v * v
    u, words = draw_positive(words)
    square = x * x
    is_taken = v > 0.0 and u < 1.0 - 0.0331 * square * square
    if not is_taken and v > 0.0:
        is_taken = log(u) < 0.5 * square + d * (1.0 - v * v * v + 3.0 * log(v))
    if not is_taken:
        value, words = _draw_gamma_above_one(d + 1.0 / 3.0, words)
    if shape >= 1.0:
        return log(value), words
    u, words = draw_positive(words)
    return log(value) + log(u) / shape, words


@njit(cache=True)
def draw_beta(alpha: float, beta: float, words: Words) -> tuple[float, Words]:
    """Draw from the beta distribution."""
    if alpha >= 1.0 or beta >= 1.0:
        x, words = draw_gamma(alpha, words)
        y, words = draw_gamma(beta, words)
        return x / (x + y), words
    if not (alpha > 0.0 and beta > 0.0):
        return nan, words
    # Both gamma draws may underflow for small parameters: their logarithms do not.
    log_x, words = draw_log_gamma(alpha, words)
    log_y, words = draw_log_gamma(beta, words)
    return 1.0 / (1.0 + exp(min(log_y - log_x, 709.0))), words


NAMES = {
    "draw_gamma": draw_gamma,
    "draw_beta": draw_beta,
    "draw_log_gamma": draw_log_gamma,
    "draw_signed_log_gamma": draw_signed_log_gamma,
}
"""What generated source calls."""
