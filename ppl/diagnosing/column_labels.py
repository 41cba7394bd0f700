"""What the columns of a trace are called: made when they are asked for, since there may be millions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import overload

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Variable


class ColumnLabels(Sequence[str]):
    """A label for each of some columns: the variable, and its place by coordinates, positions where there are none.

    Parameters
    ----------
    arrays : mapping of str to DataArray, or to Variable where it has no axes for elements
        By the name of the variable; two axes before those of its elements. Columns are elements one after the other.

    Examples
    --------
    >>> dims, schools = ("chain", "draw", "school"), {"school": ["Choate", "Exeter"]}
    >>> theta = DataArray(np.zeros((1, 1, 2)), dims=dims, coords=schools)
    >>> list(ColumnLabels({"mu": theta[:, :, 0], "theta": theta}))
    ['mu', 'theta[Choate]', 'theta[Exeter]']
    """

    def __init__(self, arrays: Mapping[str, DataArray | Variable]):
        self._variables = [_Variable.of(name, array) for name, array in arrays.items()]
        self._ends = np.cumsum([prod(variable.shape) for variable in self._variables])
        self._columns: NDArray[np.int64] = np.arange(sum(prod(variable.shape) for variable in self._variables))

    def at(self, columns: NDArray[np.int64]) -> ColumnLabels:
        """Return the labels of some of the columns."""
        chosen = copy(self)
        chosen._columns = self._columns[columns]
        return chosen

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> ColumnLabels: ...
    def __getitem__(self, index: int | slice) -> str | ColumnLabels:
        if isinstance(index, slice):
            return self.at(np.arange(len(self))[index])
        column = self._columns[index]
        which = int(np.searchsorted(self._ends, column, side="right"))
        variable = self._variables[which]
        return variable.label(int(column - self._ends[which]) + prod(variable.shape))


@dataclass(frozen=True)
class _Variable:
    """What the labels of a variable are made of; not its draws, which may be dropped before."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[NDArray | range, ...]

    @classmethod
    def of(cls, name: str, array: DataArray | Variable) -> _Variable:
        if isinstance(array, Variable):
            return cls(name, array.shape[2:], tuple(range(length) for length in array.shape[2:]))
        axes = [array.coords[d].to_numpy() if d in array.coords else range(array.sizes[d]) for d in array.dims[2:]]
        return cls(name, array.shape[2:], tuple(axes))

    def label(self, position: int) -> str:
        if not self.shape:
            return self.name
        place = [int(i) for i in np.unravel_index(position, self.shape)]
        return f"{self.name}[{', '.join(map(_text, self.axes, place))}]"


def _text(axis: NDArray | range, place: int) -> str:
    return str(place if isinstance(axis, range) else axis[place : place + 1].tolist()[0])


class ByLabel(Mapping[str, float]):
    """Numbers by the label of their column.

    Parameters
    ----------
    labels : sequence of str
        One for each number.
    numbers : (n,) float64 array
        The numbers.
    """

    def __init__(self, labels: Sequence[str], numbers: NDArray[np.float64]):
        self.labels = labels
        self.numbers = numbers

    @cached_property
    def _by_label(self) -> dict[str, float]:
        return dict(zip(self.labels, self.numbers.tolist(), strict=True))

    def __getitem__(self, label: str) -> float:
        return self._by_label[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_label)

    def __len__(self) -> int:
        return len(self._by_label)

    def __repr__(self) -> str:
        return repr(self._by_label)
