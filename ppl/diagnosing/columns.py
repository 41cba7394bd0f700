"""The draws of a trace as columns of numbers, one for each element of its variables, never copied all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, DataTree, Variable

from graphs.errors import ModelError

BLOCK_VALUES = 2**20


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
        """Give the columns in pieces that are small next to a long run: all at once would be a second copy of it."""
        if self._block is not None:
            yield self._block
            return
        waiting: list[NDArray] = []
        num_waiting, num_left = 0, sum(self.counts)
        for array in self.arrays.values():
            values = _flat(array)
            most = max(1, BLOCK_VALUES // (values.shape[0] * values.shape[1]))
            for start in range(0, values.shape[2], most):
                piece = values[:, :, start : start + most]
                if num_waiting + piece.shape[2] > most and waiting:
                    yield np.concatenate(waiting, axis=2, dtype=np.float64)
                    num_left -= num_waiting
                    waiting, num_waiting = [], 0
                waiting.append(piece)
                num_waiting += piece.shape[2]
        if waiting:
            block = np.concatenate(waiting, axis=2, dtype=np.float64)
            # Where one piece is all there is, it is kept.
            self._block = block if num_left == sum(self.counts) else None
            yield block

    def chosen(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return some of the columns, which are in order."""
        if self._block is not None:
            return self._block if len(positions) == self._block.shape[2] else self._block[:, :, positions]
        found, first = [], 0
        for array, count in zip(self.arrays.values(), self.counts, strict=True):
            own = positions[(positions >= first) & (positions < first + count)] - first
            if len(own):
                found.append(_flat(array)[:, :, own].astype(np.float64))
            first += count
        return np.concatenate(found, axis=2) if found else np.zeros((*array.shape[:2], 0))


def _flat(array: DataArray | Variable) -> NDArray:
    values = array.to_numpy()
    return values.reshape(*values.shape[:2], -1)
