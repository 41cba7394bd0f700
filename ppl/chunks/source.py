"""What rows are read from: arrays that lie in chunks on disk, or are computed chunk by chunk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import named_input

_KINDS = {"f": "float64", "i": "int64", "u": "int64", "b": "bool"}


class Source(ABC):
    """An array of which rows are read when they are needed.

    Parameters
    ----------
    shape : tuple of int
        Rows first.
    dtype : str
        What they are read as: "float64", "int64" or "bool".

    Raises
    ------
    ModelError
        If it has no rows, or holds no numbers.
    """

    def __init__(self, shape: Sequence[int], dtype: str):
        self.shape = tuple(int(n) for n in shape)
        self.dtype = dtype

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.shape[0]

    @property
    @abstractmethod
    def boundaries(self) -> Sequence[int]:
        """Rows at which chunks begin, and the number of all."""

    @abstractmethod
    def lazy(self, start: int, stop: int) -> Any:
        """Return what `read` makes rows of: something that can be sent to where it is read.

        Parameters
        ----------
        start, stop : int
            The rows.
        """

    def read(self, start: int, stop: int) -> NDArray:
        """Return rows in memory.

        Parameters
        ----------
        start, stop : int
            The rows.
        """
        return as_numbers(self.lazy(start, stop), self.dtype)

    def take(self, rows: NDArray[np.int64]) -> NDArray:
        """Return any rows, in their order; each chunk that has one is read once.

        Parameters
        ----------
        rows : (size,) int64 array
            Which.
        """
        rows = np.asarray(rows, "int64")
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        bounds = np.asarray(self.boundaries)
        chunks = np.searchsorted(bounds, rows, side="right") - 1
        for chunk in np.unique(chunks):
            wanted = np.flatnonzero(chunks == chunk)
            first, last = int(rows[wanted].min()), int(rows[wanted].max()) + 1
            result[wanted] = self.read(first, last)[rows[wanted] - first]
        return result


class SomeRows(Source):
    """Rows of a source.

    Parameters
    ----------
    source : Source
        Where they are.
    rows : (size,) int64 array
        Which.
    """

    def __init__(self, source: Source, rows: NDArray[np.int64]):
        super().__init__((len(rows), *source.shape[1:]), source.dtype)
        self.source, self.rows = source, rows

    @property
    def boundaries(self) -> Sequence[int]:
        """The first row, and the number of all: they are read at once."""
        return [0, self.num_rows]

    def lazy(self, start: int, stop: int) -> Any:
        """Return rows in memory."""
        return self.source.take(self.rows[start:stop])


def rows_from_everywhere(sources: Sequence[Source], most: int, places: int = 16) -> NDArray[np.int64]:
    """Return rows without missing numbers, from places that lie evenly in sources of the same length.

    Parameters
    ----------
    sources : sequence of Source
        Of the same number of rows.
    most : int
        Rows at most.
    places : int
        So many chunks of each source are read, or twice as many.
    """
    each = max(most // places, 1)
    first = np.linspace(0, max(sources[0].num_rows - each, 0), places).astype("int64")
    rows = np.unique(first[:, None] + np.arange(min(each, sources[0].num_rows)))
    complete = np.ones(len(rows), bool)
    for source in sources:
        complete &= np.isfinite(source.take(rows)).reshape((len(rows), -1)).all(axis=1)
    return rows[complete]


def as_numbers(lazy: Any, dtype: str) -> NDArray:
    """Return rows as an array of numbers: those that are masked or null are NaN.

    Parameters
    ----------
    lazy : array_like, or something with ``compute`` or ``load``
        Rows.
    dtype : str
        Of the numbers.
    """
    if hasattr(lazy, "load_rows"):
        lazy = lazy.load_rows()
    if hasattr(lazy, "compute"):
        lazy = lazy.compute(scheduler="synchronous")
    if np.ma.isMaskedArray(lazy):
        is_complete = not np.ma.getmaskarray(lazy).any()
        lazy = np.ma.getdata(lazy) if is_complete else np.ma.filled(lazy.astype("float64"), np.nan)
    return np.ascontiguousarray(np.asarray(lazy).astype(dtype, copy=False))


def checked_dtype(dtype: Any, shape: Sequence[Any], name: str) -> str:
    """Return what numbers of a dtype are read as.

    Raises
    ------
    ModelError
        If it has no rows, or holds no numbers.
    """
    kind = np.dtype(dtype).kind
    if kind not in _KINDS:
        raise ModelError(f"The chunks of {name} have the type {dtype}: numbers are needed.", name)
    if not shape or not all(shape):
        raise ModelError(f"{name} has no rows, or no columns: its shape is {tuple(shape)}.", name)
    return _KINDS[kind]


def input_for(name: str, source: Source, dtype: str | None = None) -> TensorVariable:
    """Return the input that stands for all rows of a source.

    Parameters
    ----------
    name : str
        Of the input.
    source : Source
        What rows are read from.
    dtype : str, optional
        Of the input; that of the source by default.
    """
    variable = named_input(name, source.shape, dtype or source.dtype)
    variable.tag.source = source
    return variable


def source_of(variable: Variable) -> Source | None:
    """Return what the rows of an input are read from, None for any other variable."""
    source: Source | None = getattr(variable.tag, "source", None)
    return source


_IN_MEMORY: WeakSet[Variable] = WeakSet()
"""Variables above which there are no chunks: models declare thousands, each above the next."""


def inputs_in_chunks(outputs: Iterable[Variable]) -> list[TensorVariable]:
    """Return the inputs of graphs whose rows are read from somewhere, in the order of their names."""
    seen: set[Variable] = set()
    found, waiting = [], list(outputs)
    while waiting:
        variable = waiting.pop()
        if variable in seen or variable in _IN_MEMORY:
            continue
        seen.add(variable)
        if source_of(variable) is not None:
            found.append(variable)
        elif variable.owner is not None:
            waiting += variable.owner.inputs
    if not found:
        _IN_MEMORY.update(seen)
    return sorted(found, key=lambda v: str(v.name))
