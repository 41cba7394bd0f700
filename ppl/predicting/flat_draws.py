"""The draws of a trace, those of all chains behind each other: in memory, or read when they are needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Dataset, Variable


def is_in_memory(array: DataArray | Variable) -> bool:
    """Whether no number has to be read from somewhere."""
    return bool(getattr(array.variable if isinstance(array, DataArray) else array, "_in_memory", True))


def in_one_row(draws: NDArray) -> NDArray:
    """Return the draws (chains, draws, ...) of one chain after the other; there may be no number in a draw."""
    chains, length, *shape = draws.shape
    return draws.reshape(chains * length, *shape)


class FlatDraws[V]:
    """Draws of variables as rows, those of one chain after those of the other.

    Parameters
    ----------
    arrays : mapping of variables to array or xarray.Variable, shape (chains, draws, ...)
        What is not in memory, as of a store, is read row by row.
    shape : tuple of int
        Chains and draws.
    """

    def __init__(self, arrays: Mapping[V, Any], shape: tuple[int, int]):
        self.arrays = arrays
        self.shape = shape

    @classmethod
    def of(cls, posterior: Dataset, variables: Mapping[str, V]) -> FlatDraws[V]:
        """Return the draws of variables by their names in a trace, chains and draws on the first two axes."""
        found = {variable: posterior.variables[name] for name, variable in variables.items()}
        arrays = {v: array.to_numpy() if is_in_memory(array) else array for v, array in found.items()}
        return cls(arrays, (posterior.sizes["chain"], posterior.sizes["draw"]))

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.shape[0] * self.shape[1]

    @property
    def is_in_memory(self) -> bool:
        """Whether nothing has to be read."""
        return all(isinstance(array, np.ndarray) for array in self.arrays.values())

    def item_shape(self, variable: V) -> tuple[int, ...]:
        """Return the shape of one draw of a variable."""
        return tuple(self.arrays[variable].shape[2:])

    def named[W](self, variables: Mapping[V, W]) -> FlatDraws[W]:
        """Return the draws of some variables, under others."""
        return FlatDraws({new: self.arrays[old] for old, new in variables.items()}, self.shape)

    def first(self) -> FlatDraws[V]:
        """Return the first row alone."""
        return FlatDraws({variable: array[:1, :1] for variable, array in self.arrays.items()}, (1, 1))

    def read(self, first: int, stop: int) -> dict[V, NDArray]:
        """Return the rows from one number to before another."""
        found = {}
        for variable, array in self.arrays.items():
            if isinstance(array, np.ndarray):
                found[variable] = in_one_row(array)[first:stop]
                continue
            pieces = [array[chain, draws].to_numpy() for chain, draws in self._spans(first, stop)]
            found[variable] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return found

    def _spans(self, first: int, stop: int) -> Iterator[tuple[int, slice]]:
        """Give the draws of each chain that rows are."""
        length = self.shape[1]
        for chain in range(first // length, -(-stop // length)):
            yield chain, slice(max(first - chain * length, 0), min(stop - chain * length, length))


def present(draws: Collection[NDArray]) -> NDArray[np.bool_]:
    """Return which rows are there: those none of whose numbers is NaN."""
    is_missing = [np.isnan(array).any(axis=tuple(range(1, array.ndim))) for array in draws]
    is_present: NDArray[np.bool_] = ~np.any(is_missing, axis=0)
    return is_present
