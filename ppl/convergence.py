"""Rank-normalised split R-hat and effective sample sizes of many numbers at once.

The formulas, and the numbers to rounding, are ArviZ's; it computes them one number after the other.

References
----------
A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Buerkner (2021), Rank-normalization, folding, and
localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16, 667-718.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

LEAST_DRAWS = 4
BAD_R_HAT = 1.1
"""Of chains that are not merely short, but in different places."""
_BLOM = 3 / 8
_TAILS = (0.05, 0.95)
_COLUMNS = 256
"""So many numbers are taken at once: the transforms of more would not fit the processor's caches."""


@dataclass(frozen=True, eq=False)
class Convergence:
    """How well chains of draws agree with each other, and what they are worth.

    Parameters
    ----------
    r_hat, ess_bulk, ess_tail : array, shape (size,), float64
        NaN where a number does not vary, and R-hat of a single chain.
    """

    r_hat: NDArray[np.float64]
    ess_bulk: NDArray[np.float64]
    ess_tail: NDArray[np.float64]


def convergence(draws: NDArray) -> Convergence:
    """Return R-hat and effective sample sizes of every column.

    Parameters
    ----------
    draws : array, shape (chains, draws, size)
        Finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> found = convergence(np.random.default_rng(1).normal(size=(4, 1000, 2)))
    >>> found.r_hat.round(2).tolist()
    [1.0, 1.0]
    """
    size = draws.shape[2]
    result = np.full((3, size), np.nan)
    if draws.shape[1] >= LEAST_DRAWS:
        for start in range(0, size, _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            # Copied: all that follows runs along the draws of one number.
            result[:, columns] = _block(np.ascontiguousarray(np.moveaxis(draws[:, :, columns], 2, 0), np.float64))
    return Convergence(*result)


def _block(draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the three of an array (size, chains, draws)."""
    varies = np.ptp(draws, axis=(1, 2)) > 0
    r_hat, bulk, tail = np.full((3, len(draws)), np.nan)
    if varies.any():
        varying = draws[varies]
        halves = split(varying)
        normal = _normal_scores(halves)
        bulk[varies] = _effective_size(normal)
        tail[varies] = _tail_size(varying)
        if draws.shape[1] > 1:
            folded = _normal_scores(np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True)))
            r_hat[varies] = np.fmax(split_r_hat(normal), split_r_hat(folded))
    return r_hat, bulk, tail


def split(draws: NDArray) -> NDArray:
    """Return the halves of chains as chains; draws are on the last axis, chains before it."""
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., draws.shape[-1] - half :]], axis=-2)


def split_r_hat(halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Gelman and Rubin's R-hat of chains (..., chains, draws)."""
    count = halves.shape[-1]
    between = count * halves.mean(axis=-1).var(axis=-1, ddof=1)
    within = halves.var(axis=-1, ddof=1).mean(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = np.sqrt((between / within + count - 1) / count)
    return ratio


def standardised(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers (..., chains, draws) between -1 and 1 about zero: squares of others may not be numbers."""
    centred = draws - np.median(draws, axis=(-2, -1), keepdims=True)
    largest = np.abs(centred).max(axis=(-2, -1), keepdims=True)
    return centred / np.where(largest > 0, largest, 1.0)


def batch_size_per_draw(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return effective draws per draw of numbers (size, chains, draws) from the variance of means of batches.

    NaN where a number does not vary.
    """
    length = int(np.sqrt(chains.shape[2]))
    count = chains.shape[2] // length
    batches = chains[:, :, : count * length].reshape(*chains.shape[:2], count, length)
    means = batches.mean(axis=3)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = chains.var(axis=2).mean(axis=1) / (length * means.var(axis=2, ddof=1).mean(axis=1))
    return ratio


def _normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = values.reshape(len(values), -1)
    ranks = average_ranks(flat)
    scores: NDArray[np.float64] = ndtri((ranks - _BLOM) / (flat.shape[1] - 2 * _BLOM + 1))
    return scores.reshape(values.shape)


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of finite numbers, from 1 on, within each row; equal numbers share the mean of theirs.

    They are SciPy's ``rankdata``, which takes seven times as long.
    """
    order = np.argsort(values, axis=1)
    in_order = np.take_along_axis(values, order, axis=1)
    count = values.shape[1]
    places = np.arange(count)
    is_first = np.ones(values.shape, bool)
    is_first[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    first = np.maximum.accumulate(np.where(is_first, places, 0), axis=1)
    is_last = np.ones(values.shape, bool)
    is_last[:, :-1] = is_first[:, 1:]
    last = np.minimum.accumulate(np.where(is_last, places, count)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, 0.5 * (first + last) + 1.0, axis=1)
    return ranks


def _tail_size(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    quantiles = np.quantile(draws, _TAILS, axis=(1, 2))[..., None, None]
    lower, upper = (_effective_size(split((draws <= q).astype(np.float64))) for q in quantiles)
    return np.minimum(lower, upper)


def _effective_size(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective sample size of chains (size, chains, draws) by Geyer's initial monotone sequence."""
    _, num_chains, count = chains.shape
    mean = chains.mean(axis=2)
    length = next_fast_len(2 * count, real=True)
    spectrum = rfft(chains - mean[..., None], n=length, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance = irfft(power, n=length, axis=1)[:, :count] / count
    within = covariance[:, 0] * count / (count - 1)
    total = covariance[:, 0] + (mean.var(axis=1, ddof=1) if num_chains > 1 else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = 1 - (within[:, None] - covariance) / total[:, None]
    correlation[:, 0] = 1.0
    # As of ArviZ: what does not vary, such as whether a Bernoulli variable is at most one, is known from every draw.
    is_constant = np.ptp(chains, axis=(1, 2)) == 0
    sizes: NDArray[np.float64] = _integrated(correlation, num_chains * count)
    sizes[is_constant] = num_chains * count
    return sizes


def _integrated(correlation: NDArray[np.float64], num_draws: int) -> NDArray[np.float64]:
    """Return how many independent draws a number of correlated ones is worth."""
    # As many pairs of lags as ArviZ looks at.
    last = max((correlation.shape[1] - 3) // 2, 0)
    pairs = correlation[:, : 2 * last + 2].reshape(len(correlation), last + 1, 2)
    sums = pairs.sum(axis=2)
    is_negative = sums <= 0
    # Pairs before the first that is not positive; of the next one, the first lag where that is positive.
    kept = np.where(is_negative.any(axis=1), is_negative.argmax(axis=1), last)
    rows = np.arange(len(sums))
    cumulative = np.cumsum(np.minimum.accumulate(sums, axis=1), axis=1)
    time: NDArray[np.float64] = (
        -1 + 2 * np.where(kept > 0, cumulative[rows, kept - 1], 0.0) + np.fmax(pairs[rows, kept, 0], 0.0)
    )
    size: NDArray[np.float64] = num_draws / np.maximum(time, 1 / np.log10(num_draws))
    return size
