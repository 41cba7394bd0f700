"""Rows that agree in everything that a graph reads from them: one cell each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 4096
_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of rows.

    Parameters
    ----------
    codes : (num_rows,) int64 array
        The cell of each row.
    representatives : (num_cells,) int64 array
        A row of each cell.
    """

    codes: NDArray[np.int64]
    representatives: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.representatives)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the values in each cell, accumulated in chunks and in extended precision.

        Parameters
        ----------
        values : (num_rows,) float64 array
            One number per row.
        """
        if len(self) == 1:
            return np.array([np.sum(values)])
        total = np.zeros(len(self), np.longdouble)
        chunk = max(_CHUNK, 4 * len(self))
        for start in range(0, len(values), chunk):
            part = slice(start, start + chunk)
            total += np.bincount(self.codes[part], values[part], len(self))
        return total.astype("float64")


def one_cell(num_rows: int) -> Cells:
    """Return the partition that puts all rows together."""
    return Cells(np.zeros(num_rows, np.int64), np.zeros(1, np.int64))


def find_cells(keys: Sequence[NDArray], num_rows: int, most: int) -> Cells | None:
    """Return the cells of rows that agree in all keys; None where there are more than ``most``, or probably so.

    Parameters
    ----------
    keys : sequence of (num_rows,) array
        Numbers of any dtype, compared exactly.
    num_rows : int
        How many rows there are.
    most : int
        How many cells are worth having.
    """
    if not keys:
        return one_cell(num_rows)
    if num_rows > _SAMPLE and _looks_distinct(keys, num_rows, most):
        return None
    found = partition(keys, num_rows)
    return None if len(found) > most else found


def partition(keys: Sequence[NDArray], num_rows: int) -> Cells:
    """Return the cells of rows that agree in all keys, however many.

    Parameters
    ----------
    keys : sequence of (num_rows,) array
        Numbers of any dtype, compared exactly.
    num_rows : int
        How many rows there are; none at all have no cells.
    """
    if not num_rows:
        return Cells(np.zeros(0, np.int64), np.zeros(0, np.int64))
    if not keys:
        return one_cell(num_rows)
    codes, size = _coded(keys[0], num_rows)
    for key in keys[1:]:
        other, other_size = _coded(key, num_rows)
        codes, size = _coded(codes * other_size + other, num_rows)
    representatives = np.empty(size, np.int64)
    representatives[codes[::-1]] = np.arange(num_rows - 1, -1, -1)
    return Cells(codes, representatives)


def _coded(key: NDArray, num_rows: int) -> tuple[NDArray[np.int64], int]:
    """Give the distinct values of a key numbers, without sorting where it holds integers of a short range."""
    if key.dtype.kind in "biu" or _holds_integers(key):
        key = key.astype("int64")
        least, greatest = int(key.min()), int(key.max())
        if greatest - least < 4 * num_rows + _SAMPLE:
            shifted = key - least
            is_present = np.bincount(shifted, minlength=greatest - least + 1) > 0
            return (np.cumsum(is_present) - 1)[shifted], int(is_present.sum())
    values, codes = np.unique(key, return_inverse=True)
    return codes.astype("int64"), len(values)


def _holds_integers(key: NDArray) -> bool:
    """Whether floating-point numbers are whole, and small enough to be told apart as integers."""
    few = key[:_SAMPLE]
    if not (np.isfinite(few).all() and (few == np.rint(few)).all()):
        return False
    return bool(np.isfinite(key).all() and (np.abs(key) < 2**52).all() and (key == np.rint(key)).all())


def _looks_distinct(keys: Sequence[NDArray], num_rows: int, most: int) -> bool:
    """Whether a sample of rows holds so few equal ones that there must be many cells.

    Of m rows drawn from U equally likely cells, m (m - 1) / 2U pairs are equal on average, more of unequal ones.
    """
    rows = np.random.default_rng(0).choice(num_rows, _SAMPLE, replace=False)
    codes = np.zeros(_SAMPLE, np.int64)
    for key in keys:
        _, other = np.unique(key[rows], return_inverse=True)
        _, codes = np.unique(codes * _SAMPLE + other, return_inverse=True)
    counts = np.bincount(codes)
    pairs = float((counts * (counts - 1) / 2).sum())
    expected = _SAMPLE * (_SAMPLE - 1) / 2 / most
    return pairs < expected / 4 if expected >= 40 else pairs == 0
