"""Rows of numbers sorted, and what follows from their order: ranks, normal scores, quantiles."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_BLOM = 3 / 8


def sorted_with_places(rows: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return where the numbers of sorted rows are, counted through all rows of finite numbers, and the rows sorted.

    Numbers are sorted with their places in the bits that tell least, in half the time that it takes to sort places by
    numbers; rows with numbers that differ in these bits only are sorted again.
    """
    count, rows = rows.shape[1], np.ascontiguousarray(rows, np.float64)
    keys = rows.view(np.int64)
    # Bits of negative numbers but for the sign, which fall as the numbers rise.
    keys = keys ^ ((keys >> 63) & np.int64(2**63 - 1))
    most = np.int64((1 << max(count - 1, 0).bit_length()) - 1)
    keys &= ~most
    keys |= np.arange(count)
    keys.sort(axis=1)
    keys &= most
    keys += _starts(rows)
    result = rows.ravel()[keys]
    close = np.flatnonzero((result[:, 1:] < result[:, :-1]).any(axis=1))
    if len(close):
        keys[close] = np.argsort(rows[close], axis=1) + _starts(rows)[close]
        result[close] = rows.ravel()[keys[close]]
    return keys, result


def _starts(rows: NDArray) -> NDArray[np.int64]:
    """Return where rows begin, one after the other."""
    return rows.shape[1] * np.arange(len(rows))[:, None]


def quantiles(sorted_rows: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return a quantile of every sorted row, between the two nearest numbers."""
    place = share * (sorted_rows.shape[1] - 1)
    below = int(place)
    above = min(below + 1, sorted_rows.shape[1] - 1)
    low, high = sorted_rows[:, below], sorted_rows[:, above]
    # Weights, not a difference, of which huge numbers have none.
    between: NDArray[np.float64] = (1.0 - (place - below)) * low + (place - below) * high
    return np.where(low == high, low, between)


def normal_scores(places: NDArray[np.int64], sorted_rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal scores of numbers from where those of sorted rows are, and these rows."""
    return _by_rank(places, sorted_rows, _scores(places.shape[1]))


@lru_cache(maxsize=1)
def _scores(count: int) -> NDArray[np.float64]:
    """Return the scores of all ranks and halves of ranks that there are: of runs of one length always the same."""
    table: NDArray[np.float64] = ndtri((0.5 * np.arange(2 * count - 1) + 1.0 - _BLOM) / (count - 2 * _BLOM + 1))
    return table


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of finite numbers, from 1 on, within each row; equal numbers share the mean of theirs.

    They are SciPy's ``rankdata``, which takes seven times as long.
    """
    return _by_rank(*sorted_with_places(values), 0.5 * np.arange(2 * values.shape[1] - 1) + 1.0)


def _by_rank(
    places: NDArray[np.int64], sorted_rows: NDArray[np.float64], table: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for every number the entry of a table that is at twice its rank, from 0 on."""
    result = np.empty(places.shape)
    result.ravel()[places] = table[::2]
    is_repeated = np.zeros((len(sorted_rows), sorted_rows.shape[1] + 1), bool)
    np.equal(sorted_rows[:, 1:], sorted_rows[:, :-1], out=is_repeated[:, 1:-1])
    steps = np.diff(is_repeated.ravel().astype(np.int8))
    first, last = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if len(first):
        # Runs of equal numbers, in a table with a column more, at whose start no row goes on.
        width, lengths = is_repeated.shape[1], last - first + 1
        inside = np.repeat(first - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        entries = np.repeat(table[first % width + last % width], lengths)
        result.ravel()[places.ravel()[inside - inside // width]] = entries
    return result
