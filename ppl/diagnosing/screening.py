"""A first look at many numbers of a trace: which of them are numbers, and which have to be looked at closely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppl.diagnosing.convergence import LEAST_DRAWS
from samplers.tuning.effective import r_hat_of

SUSPECT_R_HAT = 1.005
SUSPECT_SIZE = 200.0  # effective draws of a chain, twice what is asked for: the screen errs by some 15%
LARGEST = 1e300
"""Infinite draws count as so large: ranks, which are what is compared, are the same."""
_SCALED_BY = 256


@dataclass(frozen=True, eq=False)
class Screen:
    """What a first look tells of each column.

    Parameters
    ----------
    num_nan, num_infinite : array, shape (size,), int64
        Number of its draws that are not numbers, and that are infinite.
    is_constant : array, shape (size,), bool
        Whether all its draws are equal; what is never a number is.
    r_hat : array, shape (size,), float64
        The larger of the plain R-hat of the squashed draws and of their distances from the middle.
    is_suspect : array, shape (size,), bool
        Whether R-hat or the effective size may be bad.
    """

    num_nan: NDArray[np.int64]
    num_infinite: NDArray[np.int64]
    is_constant: NDArray[np.bool_]
    r_hat: NDArray[np.float64]
    is_suspect: NDArray[np.bool_]

    @classmethod
    def of(cls, draws: NDArray[np.float64], is_compared: bool = True) -> Screen:
        """Look at draws (chains, draws, size); unless chains are compared, all are suspect that are not constant."""
        is_compared = is_compared and draws.shape[1] >= LEAST_DRAWS
        # Columns of a wide array are far apart in memory, and overwritten below.
        by_column = np.moveaxis(draws, 2, 0).copy() if is_compared else np.moveaxis(draws, 2, 0)
        draws, size = np.moveaxis(by_column, 0, 2), len(by_column)
        num_nan, num_infinite = np.zeros((2, size), np.int64)
        if draws.size and not np.isfinite([draws.min(), draws.max()]).all():
            num_nan, num_infinite = np.isnan(draws).sum(axis=(0, 1)), np.isinf(draws).sum(axis=(0, 1))
        is_constant = _is_constant(draws) | (num_nan == draws[..., 0].size)
        r_hat, is_suspect = np.full(size, np.inf), np.full(size, True)
        rows = np.flatnonzero(~is_constant & (num_nan == 0))
        if is_compared and rows.size:
            some = by_column if len(rows) == size else by_column[rows]
            r_hat[rows], sizes = _compared(_squashed(clipped(some)))
            is_suspect[rows] = (r_hat[rows] > SUSPECT_R_HAT) | ~(sizes > SUSPECT_SIZE)
        return cls(num_nan, num_infinite, is_constant, r_hat, is_suspect & ~is_constant)

    @classmethod
    def joined(cls, screens: list[Screen]) -> Screen:
        """Return one screen of the columns of several."""
        return cls(*(np.concatenate([getattr(s, name) for s in screens]) for name in cls.__dataclass_fields__))


def clipped(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return draws in which what is infinite is as large as finite numbers can safely be."""
    is_small = not draws.size or (draws.min() >= -LARGEST and draws.max() <= LARGEST)
    return draws if is_small else np.clip(draws, -LARGEST, LARGEST)


def _is_constant(draws: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether all draws of a column are equal."""
    result: NDArray[np.bool_] = (draws[:, -1] == draws[0, 0]).all(axis=0)
    # Most columns differ at once; what is left is looked at to the end.
    left = np.flatnonzero(result)
    result[left] = (draws[:, :, left] == draws[0, 0, left]).all(axis=(0, 1))
    return result


def _squashed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers (size, chains, draws) between -1 and 1, in the same order and about zero in the middle.

    Ranks would tell more, and take a hundred times as long; the variance of heavy tails tells nothing. The numbers
    given are overwritten.
    """
    flat = rows.reshape(len(rows), -1)
    sample = flat[:, :: max(1, flat.shape[1] // _SCALED_BY)]
    middle = np.median(sample, axis=1)
    distance = np.median(np.abs(sample - middle[:, None]), axis=1)
    flat -= middle[:, None]
    size = np.abs(flat)
    # Where more than half of the draws are equal, the others differ from them by as much as any.
    equal = np.flatnonzero(~(distance > 0))
    distance[equal] = size[equal].max(axis=1)
    size += distance[:, None]
    flat /= size
    return rows


def _compared(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return R-hat of numbers (size, chains, draws) about zero, that of their sizes if larger, and effective sizes.

    These are by the variance of means of batches. What is no number is infinite or NaN: it is not good.
    """
    size, num_chains, count = rows.shape
    half = count // 2
    halves = rows[:, :, : 2 * half].reshape(size, 2 * num_chains, half)
    squares = np.vecdot(halves, halves)
    means = [halves.mean(axis=2), np.abs(halves).mean(axis=2)]
    r_hats = [r_hat_of(mean, squares - half * np.square(mean), half) for mean in means]
    length = int(np.sqrt(count))
    batches = rows[:, :, : count // length * length].reshape(size, num_chains, -1, length)
    of_batches = batches @ np.full(length, 1 / length)
    variance = np.vecdot(rows, rows) / count - np.square(rows.mean(axis=2))
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = count * variance.mean(axis=1) / (length * of_batches.var(axis=2, ddof=1).mean(axis=1))
    return np.maximum(*(np.nan_to_num(found, nan=np.inf) for found in r_hats)), sizes
