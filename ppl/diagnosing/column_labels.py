"""What the columns of a trace are called, and their numbers by that: made when asked for, as there may be millions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from math import prod
from typing import overload

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Variable

from graphs.errors import ModelError
from ppl.diagnosing.convergence import Convergence, convergence

_MOST_COMPARED = 1000
"""Labels that are compared with one that there is not."""


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


class UnknownNumberError(ModelError, KeyError):
    """There is no number of such a label."""

    __str__ = Exception.__str__


class Cleared:
    """Columns that a first look has cleared: what they are worth is computed when somebody asks, block by block.

    Parameters
    ----------
    labels : ColumnLabels
        Of these columns.
    draws : callable
        ``columns -> array (chains, draws, n)``: the draws of some of them, by their numbers among them, in order.
    at_once : int
        How many columns are a block.
    """

    def __init__(self, labels: ColumnLabels, draws: Callable[[NDArray[np.int64]], NDArray[np.float64]], at_once: int):
        self.labels = labels
        self._draws, self._at_once = draws, at_once
        self._found: dict[int, Convergence] = {}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.labels)}

    def number(self, which: str, label: str) -> float | None:
        """Return a number by the field of `Convergence` and the label; None where no column has that."""
        place = self._places.get(label)
        if place is None:
            return None
        block, offset = divmod(place, self._at_once)
        if block not in self._found:
            first = block * self._at_once
            columns = np.arange(first, min(first + self._at_once, len(self.labels)))
            self._found[block] = convergence(self._draws(columns))
        return float(getattr(self._found[block], which)[offset])


class ByLabel(Mapping[str, float]):
    """R-hat or effective sample sizes by the label of the number.

    Parameters
    ----------
    which : str
        The field of `Convergence`.
    labels : sequence of str
        Of the columns that were looked at.
    found : Convergence
        Of these columns.
    cleared : Cleared
        The others.
    """

    def __init__(self, which: str, labels: Sequence[str], found: Convergence, cleared: Cleared):
        self._which, self._labels, self._found, self._cleared = which, labels, found, cleared

    @cached_property
    def looked_at(self) -> dict[str, float]:
        """Those of the columns that were looked at."""
        return dict(zip(self._labels, getattr(self._found, self._which).tolist(), strict=True))

    def __getitem__(self, label: str) -> float:
        number = self.looked_at.get(label)
        if number is None:
            number = self._cleared.number(self._which, label)
        if number is None:
            near = [each for each in islice(self, _MOST_COMPARED) if each.partition("[")[0] == label]
            near = near or get_close_matches(str(label), [*islice(self, _MOST_COMPARED)], 3, 0.0)
            some = f"; there are {', '.join(near[:3])}, ..." if near else ""
            raise UnknownNumberError(f"No number that was judged is called {label!r}{some}.", str(label))
        return number

    def __iter__(self) -> Iterator[str]:
        yield from self.looked_at
        yield from self._cleared.labels

    def __len__(self) -> int:
        return len(self._labels) + len(self._cleared.labels)

    def __repr__(self) -> str:
        more = len(self) - len(self._labels)
        return repr(self.looked_at) + (f" and {more:,} more" if more else "")
