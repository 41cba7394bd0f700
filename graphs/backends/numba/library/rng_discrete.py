"""Draws of counts, categories and other integers, made of those of the random generator.

References
----------
Hormann (1993a), The transformed rejection method for generating Poisson random variables, Insurance: Mathematics and
Economics 12(1).
Hormann (1993b), The generation of binomial random variates, J. Stat. Computation and Simulation 46(1-2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.rng import Words, draw_bits, draw_positive, draw_uniform
from graphs.backends.numba.library.rng_gamma import draw_beta, draw_gamma
from graphs.backends.numba.machine_code.kept import njit

type Count = int | np.int64

INVALID = np.iinfo(np.int64).min
"""What a draw with impossible parameters gives, integers having no NaN."""


@njit(cache=True)
def draw_bernoulli(probability: float, words: Words) -> tuple[Count, Words]:
    """Draw 1 with the probability given, else 0."""
    u, words = draw_uniform(words)
    return np.int64(u < probability), words


@njit(cache=True)
def draw_integer(lower: int, upper: int, words: Words) -> tuple[Count, Words]:
    """Draw from ``lower, ..., upper - 1``, all equally probable."""
    if upper <= lower:
        return INVALID, words
    length = np.uint64(upper - lower)
    # Bits beyond the largest multiple of the length would favour small remainders.
    limit = np.uint64(0) - (np.uint64(0) - length) % length
    while True:
        bits, words = draw_bits(words)
        if limit == np.uint64(0) or bits < limit:
            return lower + np.int64(bits % length), words


@njit(cache=True, error_model="numpy")
def draw_geometric(probability: float, words: Words) -> tuple[Count, Words]:
    """Draw the number of trials up to and including the first success."""
    if not 0.0 < probability <= 1.0:
        return INVALID, words
    u, words = draw_positive(words)
    if probability == 1.0:
        return 1, words
    return np.int64(max(1.0, math.ceil(math.log(u) / math.log1p(-probability)))), words


@njit(cache=True)
def draw_poisson(mean: float, words: Words) -> tuple[Count, Words]:
    """Draw from the Poisson distribution: by products below a mean of 10, else by Hormann's PTRS (1993a)."""
    if not mean >= 0.0:
        return INVALID, words
    if mean < 10.0:
        limit, product, count = math.exp(-mean), 1.0, -1
        while product > limit or count < 0:
            u, words = draw_uniform(words)
            product *= u
            count += 1
        return count, words
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    log_mean, inverse_alpha = math.log(mean), 1.1239 + 1.1328 / (b - 3.4)
    bound = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, words = draw_uniform(words)
        u -= 0.5
        v, words = draw_positive(words)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43) if us > 0.0 else -1.0
        if us >= 0.07 and v <= bound:
            return np.int64(k), words
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if math.log(v * inverse_alpha / (a / (us * us) + b)) <= k * log_mean - mean - math.lgamma(k + 1.0):
            return np.int64(k), words


@njit(cache=True)
def _draw_binomial_inversion(n: int, probability: float, words: Words) -> tuple[Count, Words]:
    """Draw from the binomial distribution of small mean by summing its probabilities."""
    odds, first = probability / (1.0 - probability), math.exp(n * math.log1p(-probability))
    while True:
        u, words = draw_uniform(words)
        mass = first
        for k in range(n + 1):
            if u < mass:
                return k, words
            u -= mass
            mass *= odds * (n - k) / (k + 1.0)


@njit(cache=True)
def _draw_binomial_rejection(n: int, probability: float, words: Words) -> tuple[Count, Words]:
    """Draw from the binomial distribution by Hormann's BTRS (1993b), for a mean of at least 10."""
    spread = math.sqrt(n * probability * (1.0 - probability))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * probability
    center, bound = n * probability + 0.5, 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    log_odds = math.log(probability / (1.0 - probability))
    mode = math.floor((n + 1) * probability)
    height = math.lgamma(mode + 1.0) + math.lgamma(n - mode + 1.0)
    while True:
        v, words = draw_positive(words)
        u, words = draw_uniform(words)
        u -= 0.5
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        k = math.floor((2.0 * a / us + b) * u + center)
        if us >= 0.07 and v <= bound:
            return np.int64(k), words
        if k < 0.0 or k > n:
            continue
        ratio = height - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0) + (k - mode) * log_odds
        if math.log(v * alpha / (a / (us * us) + b)) <= ratio:
            return np.int64(k), words


@njit(cache=True)
def draw_binomial(n: int, probability: float, words: Words) -> tuple[Count, Words]:
    """Draw from the binomial distribution."""
    if not 0.0 <= probability <= 1.0 or n < 0:
        return INVALID, words
    smaller = min(probability, 1.0 - probability)
    if smaller == 0.0:
        k = 0
    elif n * smaller < 10.0:
        k, words = _draw_binomial_inversion(n, smaller, words)
    else:
        k, words = _draw_binomial_rejection(n, smaller, words)
    return (k if probability <= 0.5 else n - k), words


@njit(cache=True, error_model="numpy")
def draw_negative_binomial(n: float, probability: float, words: Words) -> tuple[Count, Words]:
    """Draw the number of failures before the ``n``-th success."""
    g, words = draw_gamma(n, words)
    return draw_poisson(g * (1.0 - probability) / probability, words)


@njit(cache=True)
def draw_beta_binomial(n: int, alpha: float, beta: float, words: Words) -> tuple[Count, Words]:
    """Draw from the binomial distribution whose probability is beta distributed."""
    probability, words = draw_beta(alpha, beta, words)
    return draw_binomial(n, probability, words)


@njit(cache=True)
def draw_hypergeometric(good: int, bad: int, sample: int, words: Words) -> tuple[Count, Words]:
    """Draw the number of good ones among ``sample`` drawn without replacement."""
    if good < 0 or bad < 0 or sample < 0 or sample > good + bad:
        return INVALID, words
    rest = min(sample, good + bad - sample)
    total, remaining = good + bad, good
    for _ in range(rest):
        i, words = draw_integer(0, total, words)
        remaining -= int(i < remaining)
        total -= 1
    # Drawing the complement and drawing the sample are the same.
    return (good - remaining if rest == sample else remaining), words


@njit(cache=True)
def draw_categorical(probabilities: NDArray[np.float64], words: Words) -> tuple[Count, Words]:
    """Draw a position with probability proportional to its entry."""
    total = 0.0
    for probability in probabilities:
        total += probability
    u, words = draw_uniform(words)
    u *= total
    last = 0
    for k in range(probabilities.size):
        if probabilities[k] > 0.0:
            last = k
            u -= probabilities[k]
            if u < 0.0:
                return k, words
    return last, words


NAMES: dict[str, Any] = {
    "draw_bernoulli": draw_bernoulli,
    "draw_beta_binomial": draw_beta_binomial,
    "draw_binomial": draw_binomial,
    "draw_categorical": draw_categorical,
    "draw_geometric": draw_geometric,
    "draw_hypergeometric": draw_hypergeometric,
    "draw_integer": draw_integer,
    "draw_negative_binomial": draw_negative_binomial,
    "draw_poisson": draw_poisson,
}
"""What generated source calls."""
