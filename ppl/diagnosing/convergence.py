"""Rank-normalised split R-hat and effective sample sizes of many numbers at once.

The formulas, and the numbers to rounding, are ArviZ's; it computes them one number after the other.

References
----------
A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Buerkner (2021), Rank-normalization, folding, and
localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16, 667-718.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

LEAST_DRAWS = 4
BAD_R_HAT = 1.1
"""Of chains that are not merely short, but in different places."""
_BLOM = 3 / 8
_TAILS = (0.05, 0.95)
_NUMBERS = 2**18
"""So many draws are taken at once: more would not fit the processor's caches."""
_FIRST_LAGS = 16


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
        width = max(1, _NUMBERS // (draws.shape[0] * draws.shape[1]))
        for start in range(0, size, width):
            columns = slice(start, start + width)
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
        # Sorted once: ranks, quantiles and the ranks of distances from the median follow from it.
        order, in_order = _sorted(halves.reshape(len(halves), -1))
        normal = _normal_scores(order, in_order).reshape(halves.shape)
        bulk[varies] = _effective_size(normal)
        is_all = halves.size == varying.size
        tail[varies] = _tail_size(varying, in_order if is_all else np.sort(varying.reshape(len(varying), -1), axis=1))
        if draws.shape[1] > 1:
            distances = np.abs(in_order - _quantiles(in_order, 0.5)[:, None])
            # They fall and then rise: what merges runs sorts them in one pass.
            places, folded = _sorted(distances, kind="stable")
            scores = _normal_scores(_taken(order, places), folded).reshape(halves.shape)
            r_hat[varies] = np.fmax(split_r_hat(normal), split_r_hat(scores))
    return r_hat, bulk, tail


def _sorted(rows: NDArray[np.float64], kind: Any = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return what sorts rows, and the rows sorted."""
    order = np.argsort(rows, axis=1, kind=kind)
    return order, _taken(rows, order)


def _taken[T: np.generic](rows: NDArray[T], order: NDArray[np.int64]) -> NDArray[T]:
    """Return ``np.take_along_axis`` of rows, in half the time."""
    return rows.ravel()[order + _starts(order)]


def _starts(rows: NDArray) -> NDArray[np.int64]:
    """Return where rows begin, one after the other."""
    return rows.shape[1] * np.arange(len(rows))[:, None]


def _quantiles(in_order: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return a quantile of every sorted row, between the two nearest numbers."""
    place = share * (in_order.shape[1] - 1)
    below = int(place)
    above = min(below + 1, in_order.shape[1] - 1)
    low, high = in_order[:, below], in_order[:, above]
    # Weights, not a difference, of which huge numbers have none.
    between: NDArray[np.float64] = (1.0 - (place - below)) * low + (place - below) * high
    return np.where(low == high, low, between)


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


def _normal_scores(order: NDArray[np.int64], in_order: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal scores of numbers from what sorts them, and them sorted."""
    count = order.shape[1]
    # Of all ranks and halves of ranks that there are.
    table = ndtri((0.5 * np.arange(2 * count - 1) + 1.0 - _BLOM) / (count - 2 * _BLOM + 1))
    scores = np.empty(order.shape)
    scores.ravel()[order + _starts(order)] = table[_twice_ranks(in_order)]
    return scores


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of finite numbers, from 1 on, within each row; equal numbers share the mean of theirs.

    They are SciPy's ``rankdata``, which takes seven times as long.
    """
    order, in_order = _sorted(values)
    ranks = np.empty(values.shape)
    ranks.ravel()[order + _starts(order)] = 0.5 * _twice_ranks(in_order) + 1.0
    return ranks


def _twice_ranks(in_order: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return twice the ranks of sorted numbers, from 0 on; one row where no row has equal numbers."""
    ranks = 2 * np.arange(in_order.shape[1])[None, :]
    is_repeated = np.zeros((len(in_order), in_order.shape[1] + 1), bool)
    np.equal(in_order[:, 1:], in_order[:, :-1], out=is_repeated[:, 1:-1])
    steps = np.diff(is_repeated.ravel().astype(np.int8))
    first, last = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if not len(first):
        return ranks
    # Runs of equal numbers, in a table with a column more, at whose start no row goes on.
    result = np.broadcast_to(np.pad(ranks, ((0, 0), (0, 1))), is_repeated.shape).copy()
    lengths, width = last - first + 1, result.shape[1]
    places = np.repeat(first - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    result.ravel()[places] = np.repeat(first % width + last % width, lengths)
    return result[:, :-1]


def _tail_size(draws: NDArray[np.float64], in_order: NDArray[np.float64]) -> NDArray[np.float64]:
    quantiles = (_quantiles(in_order, share)[:, None, None] for share in _TAILS)
    lower, upper = (_effective_size(split((draws <= q).astype(np.float64))) for q in quantiles)
    return np.minimum(lower, upper)


def _effective_size(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective sample size of chains (size, chains, draws) by Geyer's initial monotone sequence.

    Of chains that mix well the first lags are all that counts: they are summed up directly, in a third of the time of
    a transform, and only of what is left all lags are transformed.
    """
    _, num_chains, count = chains.shape
    mean = chains.mean(axis=2)
    centred = chains - mean[..., None]
    # As of ArviZ: what does not vary, such as whether a Bernoulli variable is at most one, is known from every draw.
    sizes = np.full(len(chains), float(num_chains * count))
    rows = np.flatnonzero(np.ptp(chains, axis=(1, 2)) > 0)
    between = mean.var(axis=1, ddof=1) if num_chains > 1 else np.zeros(len(chains))
    for first_lags in (_first_covariances, _covariances):
        if not len(rows):
            break
        covariance = first_lags(centred[rows])
        within = covariance[:, 0] * count / (count - 1)
        total = covariance[:, 0] + between[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = 1 - (within[:, None] - covariance) / total[:, None]
        correlation[:, 0] = 1.0
        sizes[rows], is_final = _integrated(correlation, num_chains, count)
        rows = rows[~is_final]
    return sizes


def _first_covariances(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return autocovariances at the first lags, averaged over chains."""
    _, num_chains, count = centred.shape
    lags = range(min(_FIRST_LAGS, count))
    sums = [np.einsum("scn,scn->s", centred[..., : count - lag], centred[..., lag:]) for lag in lags]
    return np.stack(sums, axis=1) / (num_chains * count)


def _covariances(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return autocovariances at all lags, averaged over chains."""
    count = centred.shape[2]
    length = next_fast_len(2 * count, real=True)
    spectrum = rfft(centred, n=length, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance: NDArray[np.float64] = irfft(power, n=length, axis=1)[:, :count] / count
    return covariance


def _integrated(
    correlation: NDArray[np.float64], num_chains: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how many independent draws a number of correlated ones is worth, and whether the lags given say so."""
    # As many pairs of lags as ArviZ looks at.
    last = max((count - 3) // 2, 0)
    num_pairs = min(last + 1, correlation.shape[1] // 2)
    pairs = correlation[:, : 2 * num_pairs].reshape(len(correlation), num_pairs, 2)
    sums = pairs.sum(axis=2)
    is_negative = sums <= 0
    is_final = is_negative.any(axis=1) | (num_pairs == last + 1)
    # Pairs before the first that is not positive; of the next one, the first lag where that is positive.
    kept = np.where(is_negative.any(axis=1), is_negative.argmax(axis=1), num_pairs - 1)
    rows = np.arange(len(sums))
    cumulative = np.cumsum(np.minimum.accumulate(sums, axis=1), axis=1)
    time: NDArray[np.float64] = (
        -1 + 2 * np.where(kept > 0, cumulative[rows, kept - 1], 0.0) + np.fmax(pairs[rows, kept, 0], 0.0)
    )
    num_draws = num_chains * count
    return num_draws / np.maximum(time, 1 / np.log10(num_draws)), is_final
