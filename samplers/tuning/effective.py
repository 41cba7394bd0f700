"""Effective sample sizes by Geyer's initial monotone sequence, and what they have in common with R-hat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

_FIRST_LAGS = 16
_MOST_COUNTED = 2**24
"""Up to here single precision counts exactly."""


@dataclass(frozen=True, eq=False)
class Centred:
    """Chains about their means.

    Parameters
    ----------
    mean : array, shape (..., chains), float64
        Of each chain.
    draws : array, shape (..., chains, draws), float64
        Differences from it.
    squares : array, shape (..., chains), float64
        Their squares, summed up.
    """

    mean: NDArray[np.float64]
    draws: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, chains: NDArray[np.float64]) -> Centred:
        """Return chains (..., chains, draws) about their means."""
        mean = chains.mean(axis=-1)
        draws = chains - mean[..., None]
        return cls(mean, draws, np.vecdot(draws, draws))

    @property
    def r_hat(self) -> NDArray[np.float64]:
        """Gelman and Rubin's."""
        return r_hat_of(self.mean, self.squares, self.draws.shape[-1])


def r_hat_of(mean: NDArray[np.float64], squares: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return Gelman and Rubin's R-hat of chains with so many draws from their means and sums of squares about them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        between = count * mean.var(axis=-1, ddof=1)
        within = squares.mean(axis=-1) / (count - 1)
        ratio: NDArray[np.float64] = np.sqrt((between / within + count - 1) / count)
    return ratio


@dataclass(frozen=True, eq=False)
class Series:
    """Chains of numbers, and what their first lags say.

    Parameters
    ----------
    first : array, shape (size, lags), float64
        Autocovariances at the first lags, averaged over chains.
    mean : array, shape (size, chains), float64
        Of each chain.
    count : int
        Number of draws of a chain.
    varies : array, shape (size,), bool
        Whether there are different numbers.
    centred : callable
        Returns some of the chains about their means.
    """

    first: NDArray[np.float64]
    mean: NDArray[np.float64]
    count: int
    varies: NDArray[np.bool_]
    centred: Callable[[NDArray[np.int64]], NDArray[np.float64]]

    @classmethod
    def of(cls, chains: Centred) -> Series:
        """Return chains of numbers (size, chains, draws)."""
        _, num_chains, count = chains.draws.shape
        first = _products(chains.draws, min(_FIRST_LAGS, count)) / (num_chains * count)
        varies = (chains.squares > 0).any(axis=1) | (np.ptp(chains.mean, axis=1) > 0)
        return cls(first, chains.mean, count, varies, lambda rows: chains.draws[rows])

    @classmethod
    def of_events(cls, happens: NDArray[np.bool_]) -> Series:
        """Return chains of ones, where something happens (size, chains, draws), and zeros.

        How often it happens at both of two times is counted, and autocovariances follow from that.
        """
        _, num_chains, count = happens.shape
        num_lags = min(_FIRST_LAGS, count)
        numbers: NDArray[Any] = happens.astype(np.float32 if happens[0].size < _MOST_COUNTED else np.float64)
        total = numbers.sum(axis=2, dtype=np.float64)
        mean = total / count
        # How often it happens but for the last, and but for the first draws.
        edges = np.zeros((*total.shape, num_lags))
        np.cumsum(numbers[..., : num_lags - 1] + numbers[..., :-num_lags:-1], axis=2, out=edges[..., 1:])
        products = mean[..., None] * ((count - np.arange(num_lags) - 2 * count) * mean[..., None] + edges)
        first = (_products(numbers, num_lags) + products.sum(axis=1)) / (num_chains * count)
        share = mean.mean(axis=1)
        return cls(first, mean, count, (share > 0) & (share < 1), lambda rows: happens[rows] - mean[rows][..., None])


def effective_sizes(parts: Sequence[Series]) -> list[NDArray[np.float64]]:
    """Return the effective sample sizes of chains of one length, those of each part by themselves.

    Of chains that mix well the first lags are all that counts: they are summed up directly, in a third of the time of
    a transform, and only of what is left all lags are transformed.
    """
    first, mean = np.concatenate([part.first for part in parts]), np.concatenate([part.mean for part in parts])
    ends = np.cumsum([len(part.mean) for part in parts])
    num_chains, count = mean.shape[1], parts[0].count
    between = mean.var(axis=1, ddof=1) if num_chains > 1 else np.zeros(len(mean))
    # As of ArviZ: what does not vary, such as whether a Bernoulli variable is at most one, is known from every draw.
    sizes = np.full(len(mean), float(num_chains * count))
    rows = np.flatnonzero(np.concatenate([part.varies for part in parts]))
    sizes[rows], is_final = _integrated(first[rows], between[rows], num_chains, count)
    rows = rows[~is_final]
    if len(rows):
        begins = ends - [len(part.mean) for part in parts]
        own = [rows[(rows >= begin) & (rows < end)] - begin for begin, end in zip(begins, ends, strict=True)]
        centred = np.concatenate([part.centred(some) for part, some in zip(parts, own, strict=True)])
        sizes[rows], _ = _integrated(_covariances(centred), between[rows], num_chains, count)
    return np.split(sizes, ends[:-1])


def _products(chains: NDArray, num_lags: int) -> NDArray[np.float64]:
    """Return sums of products of numbers (size, chains, draws) that are so many draws apart, over all chains."""
    size, num_chains, count = chains.shape
    # In one row, with zeros between chains.
    length = num_chains * (count + num_lags)
    rows = np.zeros((size, length + num_lags - 1), chains.dtype)
    rows[:, :length].reshape(size, num_chains, -1)[:, :, :count] = chains
    later = sliding_window_view(rows, length, axis=1)
    return np.vecdot(rows[:, None, :length], later).astype(np.float64)


def _covariances(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return autocovariances at all lags, averaged over chains."""
    count = centred.shape[2]
    length = next_fast_len(2 * count, real=True)
    spectrum = rfft(centred, n=length, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance: NDArray[np.float64] = irfft(power, n=length, axis=1)[:, :count] / count
    return covariance


def _integrated(
    covariance: NDArray[np.float64], between: NDArray[np.float64], num_chains: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how many independent draws correlated ones are worth, and whether the lags given say so.

    Parameters
    ----------
    covariance : array, shape (size, lags), float64
        Autocovariances from lag zero on, averaged over chains.
    between : array, shape (size,), float64
        Variance of the means of chains.
    num_chains, count : int
        Number of chains, and of draws of each.
    """
    within = covariance[:, 0] * count / (count - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = 1 - (within[:, None] - covariance) / (covariance[:, 0] + between)[:, None]
    correlation[:, 0] = 1.0
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
