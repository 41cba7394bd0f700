"""Rank-normalised split R-hat and effective sample sizes of many numbers at once.

The formulas, and the numbers to rounding, are ArviZ's; it computes them one number after the other.

References
----------
A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Buerkner (2021), Rank-normalization, folding, and
localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16, 667-718.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ppl.diagnosing.columns import shared
from samplers.tuning.effective import Centred, Series, effective_sizes
from samplers.tuning.ranks import normal_scores, quantiles, sorted_with_places

LEAST_DRAWS = 4
BAD_R_HAT = 1.1
"""Of chains that are not merely short, but in different places."""
_TAILS = (0.05, 0.95)
_NUMBERS = 2**15
"""So many draws are taken at once: more would not fit the processor's caches."""
_FEWEST_SHARED = 4
"""So many times as many are worth the start of threads, which takes a tenth of a millisecond."""


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


def convergence(draws: NDArray, num_threads: int = 1) -> Convergence:
    """Return R-hat and effective sample sizes of every column.

    Parameters
    ----------
    draws : array, shape (chains, draws, size)
        Finite numbers.
    num_threads : int
        How many threads may share the columns, if these are many; the numbers do not depend on it.

    Examples
    --------
    >>> import numpy as np
    >>> found = convergence(np.random.default_rng(1).normal(size=(4, 1000, 2)))
    >>> found.r_hat.round(2).tolist()
    [1.0, 1.0]
    """
    size = draws.shape[2]
    result = np.full((3, size), np.nan)
    if draws.shape[1] < LEAST_DRAWS:
        return Convergence(*result)
    num_pieces = ceil(size / max(1, _NUMBERS // (draws.shape[0] * draws.shape[1])))
    pieces = [slice(size * i // num_pieces, size * (i + 1) // num_pieces) for i in range(num_pieces)]

    def fill(columns: slice) -> None:
        # Copied: all that follows runs along the draws of one number.
        result[:, columns] = _block(np.ascontiguousarray(np.moveaxis(draws[:, :, columns], 2, 0), np.float64))

    shared(fill, pieces, num_threads if num_pieces >= _FEWEST_SHARED else 1)
    return Convergence(*result)


def _block(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the three of an array (size, chains, draws), one after the other."""
    halves = halves_of(draws)
    # Sorted once: ranks, quantiles and the ranks of distances from the median follow from it.
    places, in_halves = sorted_with_places(halves.reshape(len(draws), -1))
    is_all = halves.size == draws.size
    whole = in_halves if is_all else np.sort(draws.reshape(len(draws), -1), axis=1)
    varies = whole[:, 0] < whole[:, -1]
    scores = Centred.of(normal_scores(places, in_halves).reshape(halves.shape))
    r_hat = np.full(len(draws), np.nan)
    if draws.shape[1] > 1:
        distances = np.abs(in_halves - quantiles(in_halves, 0.5)[:, None])
        order, folded = sorted_with_places(distances)
        of_distances = Centred.of(normal_scores(places.ravel()[order], folded).reshape(halves.shape))
        r_hat = np.fmax(scores.r_hat, of_distances.r_hat)
    tails = np.concatenate([halves <= quantiles(whole, share)[:, None, None] for share in _TAILS])
    bulk, tail = effective_sizes([Series.of(scores), Series.of_events(tails)])
    return np.where(varies, [r_hat, bulk, tail.reshape(2, -1).min(axis=0)], np.nan)


def mean_errors(draws: NDArray) -> NDArray[np.float64]:
    """Return the Monte Carlo standard error of the mean of every column, as ArviZ does; zero where nothing varies.

    Parameters
    ----------
    draws : array, shape (chains, draws, size)
        Finite numbers.
    """
    columns = np.ascontiguousarray(np.moveaxis(draws, 2, 0), np.float64)
    [sizes] = effective_sizes([Series.of(Centred.of(halves_of(columns)))])
    errors: NDArray[np.float64] = columns.std(axis=(1, 2), ddof=1) / np.sqrt(sizes)
    return errors


def halves_of(draws: NDArray) -> NDArray:
    """Return the halves of chains as chains; draws are on the last axis, chains before it."""
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., draws.shape[-1] - half :]], axis=-2)


def split_r_hat(halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Gelman and Rubin's R-hat of chains (..., chains, draws)."""
    return Centred.of(halves).r_hat


def standardised(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers (..., chains, draws) between -1 and 1 about zero: squares of others may not be numbers."""
    centred = draws - np.median(draws, axis=(-2, -1), keepdims=True)
    largest = np.abs(centred).max(axis=(-2, -1), keepdims=True)
    return centred / np.where(largest > 0, largest, 1.0)
