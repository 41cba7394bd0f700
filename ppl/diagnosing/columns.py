"""The draws of a trace as columns of numbers, one for each element of its variables, and threads that share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, DataTree, Variable

from graphs.errors import ModelError
from ppl.predicting.flat_draws import is_in_memory

KEPT_VALUES = 2**20
"""Columns with so many draws are copied."""
BLOCK_VALUES = 2**16
"""So many draws are looked at at once, which the caches of a processor hold."""
AT_ONCE = 4
READ_BYTES = 2**27
"""So much is read at a time, or one number of every draw if that is more. A store has all numbers of a draw beside each
other: each piece reads all of them, and pieces that are too small the same again and again."""


class Columns:
    """Columns of numbers, of one variable after the other.

    Parameters
    ----------
    arrays : mapping of str to DataArray, or to Variable where it has no axes for elements
        By the name of the variable: chains, draws, and its elements.
    """

    def __init__(self, arrays: Mapping[str, DataArray | Variable]):
        self.arrays = arrays
        self.counts = [prod(array.shape[2:]) for array in arrays.values()]
        self._block: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, trace: DataTree, var_names: Iterable[str] | None) -> Columns:
        """Return the columns of variables of a trace: of those that are named, or of all that are numbers.

        Raises
        ------
        ModelError
            If a variable is not in the trace, or there are no numbers.
        """
        posterior = trace["posterior"].to_dataset()
        known, variables = {str(name): name for name in posterior.data_vars}, posterior.variables
        found: dict[str, DataArray | Variable] = {}
        for name in known if var_names is None else dict.fromkeys(var_names):
            if name not in known:
                raise ModelError(f"There are no draws of {name!r}; there are of {', '.join(known)}.", name)
            # Of each of thousands of scalars xarray would look for coordinates among all variables.
            variable = variables[known[name]]
            array = variable if variable.ndim == 2 else posterior[known[name]]
            if array.dtype.kind in "biuf" and array.size:
                is_ordered = array.dims[:2] == ("chain", "draw")
                found[name] = array if is_ordered else array.transpose("chain", "draw", ...)
        if not found:
            raise ModelError("The trace holds no draws of numbers.")
        return cls(found)

    def of_variables[T: np.generic](self, values: NDArray[T]) -> NDArray[T]:
        """Return a value of each variable for each of its columns."""
        return np.repeat(values, self.counts)

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """Give the columns in pieces that are small next to a long run: all at once would be a second copy of it.

        Where there are not many, they are one piece, which is kept.
        """
        num_values = prod(next(iter(self.arrays.values())).shape[:2])
        if num_values * sum(self.counts) <= KEPT_VALUES:
            if self._block is None:
                self._block = _joined([_flat(array) for array in self.arrays.values()])
            yield self._block
            return
        most = max(1, BLOCK_VALUES // num_values)
        waiting: list[NDArray] = []
        num_waiting = 0
        for values in map(_flat, self._pieces()):
            for start in range(0, values.shape[2], most):
                piece = values[:, :, start : start + most]
                if num_waiting + piece.shape[2] > most and waiting:
                    yield _joined(waiting)
                    waiting, num_waiting = [], 0
                waiting.append(piece)
                num_waiting += piece.shape[2]
        if waiting:
            yield _joined(waiting)

    def _pieces(self) -> Iterator[DataArray | Variable]:
        """Give the variables; those that are not in memory in pieces."""
        most = most_columns(prod(next(iter(self.arrays.values())).shape[:2]))
        for array in self.arrays.values():
            yield from [array] if is_in_memory(array) else cut(array, most)

    def chosen(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return some of the columns, which are in order."""
        if self._block is not None:
            return self._block if len(positions) == self._block.shape[2] else self._block[:, :, positions]
        shape = next(iter(self.arrays.values())).shape[:2]
        found, first = [], 0
        for piece in self._pieces():
            count = prod(piece.shape[2:])
            own = positions[(positions >= first) & (positions < first + count)] - first
            if len(own):
                found.append(_flat(piece)[:, :, own].astype(np.float64))
            first += count
        return np.concatenate(found, axis=2) if found else np.zeros((*shape, 0))


def most_columns(num_values: int) -> int:
    """Return how many numbers, each with so many draws, are read at a time."""
    return max(READ_BYTES // (8 * max(num_values, 1)), 1)


def cut(array: Any, most: int) -> Iterator[Any]:
    """Give an array (chains, draws, ...) of xarray in pieces of so many numbers at most, none of which is read."""
    lengths = array.shape[2:]
    axis = next((i for i, length in enumerate(lengths) if length > 1), None)
    if prod(lengths) <= most or axis is None:
        yield array
        return
    width = max(most // prod(lengths[axis + 1 :]), 1)
    for start in range(0, lengths[axis], width):
        yield from cut(array.isel({array.dims[2 + axis]: slice(start, start + width)}), most)


def _joined(pieces: Sequence[NDArray]) -> NDArray[np.float64]:
    """Return pieces side by side; one alone is not copied."""
    if len(pieces) == 1:
        return pieces[0].astype(np.float64, copy=False)
    return np.concatenate(pieces, axis=2, dtype=np.float64)


def _flat(array: DataArray | Variable) -> NDArray:
    values = array.to_numpy()
    return values.reshape(*values.shape[:2], -1)


def shared[A, B](work: Callable[[A], B], pieces: Iterable[A], num_threads: int, at_once: int = AT_ONCE) -> list[B]:
    """Return the results of work on pieces, in order.

    Parameters
    ----------
    work : callable
        Of a piece: a millisecond or more, most of it in NumPy, which lets other threads run.
    pieces : iterable
        Pieces are taken a few at a time, since each may be a copy.
    num_threads : int
        How many threads may share them.
    at_once : int
        How many pieces of each thread there may be at the same time.
    """
    if num_threads == 1:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(num_threads, thread_name_prefix="diagnosis") as pool:
        return [found for some in batched(pieces, at_once * num_threads) for found in pool.map(work, some)]
