"""Arrays that are computed when they are used, part by part, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing


class Later(BackendArray):
    """An array of draws (chains, draws, ...) that is computed when it is used.

    Parameters
    ----------
    shape : tuple of int
        With chains and draws on the first two axes.
    dtype : dtype
        Of its elements.
    num_rows : int
        Rows of a part: draws, those of all chains behind each other.
    part : callable
        ``number -> (n, ...)``: the values of one part.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, num_rows: int, part: Callable[[int], NDArray]):
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._num_rows = num_rows
        self._part = part

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray:
        found: NDArray = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._chosen
        )
        return found

    def _chosen(self, key: tuple[Any, ...]) -> NDArray:
        """Return elements, by a number, a slice, or numbers along each axis."""
        chains, draws = (np.atleast_1d(np.arange(n)[k]) for n, k in zip(self.shape[:2], key[:2], strict=True))
        rest = key[2:]
        shape = tuple(np.arange(n)[k].shape for n, k in zip(self.shape[2:], rest, strict=True))
        found = np.empty((len(chains), len(draws), *(n for axis in shape for n in axis)), self.dtype)
        for place, chain in enumerate(chains):
            rows = chain * self.shape[1] + draws
            of_row = rows // self._num_rows
            for number in np.unique(of_row):
                own = of_row == number
                values = self._part(int(number))[rows[own] - number * self._num_rows]
                found[place, own] = _outer(values, rest)
        # An axis of which one number was asked for is gone.
        gone = tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key[:2])
        return found[gone]


def _outer(values: NDArray, key: Sequence[Any]) -> NDArray:
    """Return elements of values (n, ...), each axis after the first by itself."""
    for axis in reversed(range(len(key))):
        values = values[(slice(None),) * (axis + 1) + (key[axis],)]
    return values


def later(array: Later) -> indexing.LazilyIndexedArray:
    """Return an array as xarray takes it, cuts it, and computes it when it is used."""
    return indexing.LazilyIndexedArray(array)
