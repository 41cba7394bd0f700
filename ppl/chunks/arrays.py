"""Arrays in chunks: dask's, zarr's, h5py's, memory maps, and dask's columns."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray

from graphs.errors import ModelError
from ppl.chunks.parquet import ParquetTable
from ppl.chunks.source import Source, checked_dtype

_ROWS = 2**18
"""Of a chunk where an array has none: 20 MB of ten columns."""


class Sliced(Source):
    """An array that is read by slices: zarr's, h5py's, or one in memory.

    Parameters
    ----------
    array : array_like
        Anything with a shape, a dtype and slices.
    name : str
        How messages call it.
    """

    def __init__(self, array: Any, name: str):
        super().__init__(array.shape, checked_dtype(array.dtype, array.shape, name))
        self.array = array

    @property
    def boundaries(self) -> Sequence[int]:
        """Rows at which chunks begin, and the number of all."""
        chunks = getattr(self.array, "chunks", None)
        length = int(chunks[0]) if isinstance(chunks, tuple) and chunks and isinstance(chunks[0], int) else _ROWS
        return [*range(0, self.num_rows, max(length, 1)), self.num_rows]

    def lazy(self, start: int, stop: int) -> Any:
        """Return rows in memory, but for those of files: where they are read."""
        return _SlicedRows(self.array, start, stop)


class _SlicedRows:
    """Some rows of an array that is read by slices."""

    def __init__(self, array: Any, start: int, stop: int):
        self.array, self.start, self.stop = array, start, stop

    def load_rows(self) -> NDArray:
        """Return them."""
        return np.asarray(self.array[self.start : self.stop])

    def __reduce__(self) -> tuple[Any, ...]:
        # Of an array in memory only these rows are sent; of one in a file, none.
        if isinstance(self.array, np.ndarray) and not isinstance(self.array, np.memmap):
            return _SlicedRows, (self.array[self.start : self.stop], 0, self.stop - self.start)
        if isinstance(self.array, np.memmap):
            return _mapped_rows, (*_place_of(self.array), self.start, self.stop)
        return _SlicedRows, (self.array, self.start, self.stop)


class Mapped(Sliced):
    """A memory map: what is pickled is where it lies."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _mapped, _place_of(self.array)


def _place_of(array: Any) -> tuple[Any, ...]:
    return str(array.filename), array.dtype.str, array.offset, array.shape, bool(array.flags.f_contiguous)


def _mapped(file: str, dtype: str, offset: int, shape: tuple[int, ...], is_fortran: bool) -> Mapped:
    order: Any = "F" if is_fortran and len(shape) > 1 else "C"
    return Mapped(np.memmap(file, dtype, "r", offset, shape, order), file)


def _mapped_rows(
    file: str, dtype: str, offset: int, shape: tuple[int, ...], is_fortran: bool, a: int, b: int
) -> _SlicedRows:
    return _SlicedRows(_mapped(file, dtype, offset, shape, is_fortran).array, a, b)


class Dask(Source):
    """An array of dask's.

    Parameters
    ----------
    array : dask.array.Array
        Its chunks are computed one by one.
    name : str
        How messages call it.
    """

    def __init__(self, array: Any, name: str):
        if any(np.isnan(n) for n in array.shape):
            raise ModelError(
                f"The chunks of {name} have unknown sizes, as those of a table's columns have: "
                f"give {name}.compute_chunk_sizes(), which reads them once, or .to_dask_array(lengths=True).",
                name,
            )
        super().__init__(array.shape, checked_dtype(array.dtype, array.shape, name))
        self.array = array

    @property
    def boundaries(self) -> Sequence[int]:
        """Rows at which chunks begin, and the number of all."""
        return list(dict.fromkeys([0, *np.cumsum(self.array.chunks[0]).tolist()]))

    def lazy(self, start: int, stop: int) -> Any:
        """Return rows that are not computed yet."""
        return self.array[start:stop]


def as_source(given: Any, name: str) -> Source | None:
    """Return what rows are read from; None where an array is in memory as it is.

    Parameters
    ----------
    given : object
        An array of dask, zarr or h5py, a memory map, a column or columns of a Parquet table (`ppl.parquet`), of a table
        of dask, or of an xarray array that holds one of dask.
    name : str
        How messages call it.

    Raises
    ------
    ModelError
        If sizes of chunks are unknown, there are no rows, or no numbers.
    """
    if isinstance(given, Source | None):
        return given
    if isinstance(given, ParquetTable):
        raise ModelError(f"{name} is a table: give a column, table['x'], or several, table[['a', 'b']].", name)
    if isinstance(given, np.memmap):
        # Views of a map no longer say where they lie in the file.
        is_whole = given.base is None or not isinstance(given.base, np.memmap)
        return (Mapped if is_whole and given.ndim else Sliced)(given, name) if given.ndim else None
    module = type(given).__module__.partition(".")[0]
    if isinstance(given, DataArray) and given.chunks is not None:
        given, module = given.data, "dask"
    if module in ("dask", "dask_expr"):
        return _of_dask(given, name)
    is_stored = module in ("zarr", "h5py") and hasattr(given, "shape") and hasattr(given, "dtype")
    return Sliced(given, name) if is_stored and given.ndim else None


def _of_dask(given: Any, name: str) -> Source | None:
    if hasattr(given, "to_dask_array"):
        given = given.to_dask_array(lengths=True)
    arrays: Any = sys.modules.get("dask.array")
    if arrays is not None and isinstance(given, arrays.Array):
        return Dask(given, name) if given.ndim else None
    raise ModelError(f"{name} is a {type(given).__name__} of dask: an array or columns are needed.", name)
