"""Columns of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import BackendError, ModelError
from ppl.chunks.source import Source, checked_dtype


class ParquetTable:
    """Parquet files of the same columns, one after the other.

    Parameters
    ----------
    files : sequence of str
        Their paths.
    groups : sequence of sequence of int
        How many rows each group of rows has, file by file.
    columns : mapping of str to dtype
        What they hold.
    """

    def __init__(self, files: Sequence[str], groups: Sequence[Sequence[int]], columns: dict[str, Any]):
        self.files, self.groups, self._columns = tuple(files), tuple(map(tuple, groups)), columns

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._columns)

    @property
    def num_rows(self) -> int:
        """How many rows there are in all files."""
        return sum(map(sum, self.groups))

    def __len__(self) -> int:
        return self.num_rows

    def __repr__(self) -> str:
        groups = sum(map(len, self.groups))
        return f"{self.num_rows:,} rows in {groups} groups of {len(self.files)} files: {', '.join(self.columns)}"

    def __getitem__(self, names: str | Sequence[str]) -> ParquetColumns:
        """Return a column, or several as a matrix."""
        wanted = [names] if isinstance(names, str) else list(names)
        missing = [name for name in wanted if name not in self._columns]
        if missing or not wanted:
            raise ModelError(f"There is no column {missing or wanted}; the table has {', '.join(self.columns)}.")
        shape = (self.num_rows,) if isinstance(names, str) else (self.num_rows, len(wanted))
        dtypes = [self._columns[name] for name in wanted]
        if any(dtype is None for dtype in dtypes):
            what = wanted[dtypes.index(None)]
            raise ModelError(f"The column {what!r} holds no numbers: give the codes of its values.", what)
        return ParquetColumns(self, wanted, shape, checked_dtype(np.result_type(*dtypes), shape, ", ".join(wanted)))


class ParquetColumns(Source):
    """Columns of a table of Parquet files.

    Parameters
    ----------
    table : ParquetTable
        The table.
    names : sequence of str
        Of the columns.
    shape : tuple of int
        Rows alone, or rows and columns.
    dtype : str
        What they are read as.
    """

    def __init__(self, table: ParquetTable, names: Sequence[str], shape: tuple[int, ...], dtype: str):
        super().__init__(shape, dtype)
        self.table, self.names = table, tuple(names)

    @property
    def boundaries(self) -> Sequence[int]:
        """Rows at which groups begin, and the number of all."""
        sizes = [size for groups in self.table.groups for size in groups]
        return list(dict.fromkeys([0, *np.cumsum(sizes).tolist()]))

    def lazy(self, start: int, stop: int) -> Any:
        """Return rows that are not read yet."""
        return _ParquetRows(self, start, stop)


class _ParquetRows:
    """Some rows of columns."""

    def __init__(self, columns: ParquetColumns, start: int, stop: int):
        self.columns, self.start, self.stop = columns, start, stop

    def load_rows(self) -> NDArray:
        """Return them, group by group."""
        columns, first = self.columns, 0
        result = np.empty((self.stop - self.start, *columns.shape[1:]), columns.dtype)
        for file, groups in zip(columns.table.files, columns.table.groups, strict=True):
            wanted: list[int] = []
            begin = first
            for number, size in enumerate(groups):
                if first < self.stop and first + size > self.start:
                    begin = begin if wanted else first
                    wanted.append(number)
                first += size
            if wanted:
                self._fill(result, file, wanted, begin)
        return result

    def _fill(self, result: NDArray, file: str, groups: Sequence[int], begin: int) -> None:
        """Read groups of one file into their place; null is NaN, and there is none of whole numbers."""
        with _parquet(file).ParquetFile(file) as opened:
            for number in groups:
                data = opened.read_row_group(number, columns=list(self.columns.names), use_threads=False)
                low, high = max(self.start - begin, 0), min(self.stop - begin, data.num_rows)
                where = slice(begin + low - self.start, begin + high - self.start)
                for i, name in enumerate(self.columns.names):
                    column = data.column(name).slice(low, high - low)
                    if column.null_count and self.columns.dtype != "float64":
                        raise ModelError(f"The column {name!r} has missing values: leave these rows out.", name)
                    target = result[where] if result.ndim == 1 else result[where, i]
                    target[...] = column.to_numpy()
                begin += data.num_rows


def parquet(path: Any) -> ParquetTable:
    """Read what Parquet files hold, but for their rows: columns of these may be larger than memory.

    Parameters
    ----------
    path : str or path-like, or sequence of these
        A file, a folder, or a pattern such as ``"sales/*.parquet"``; files are read in the order of their names.

    Returns
    -------
    ParquetTable
        ``table["x"]`` is a column, ``table[["a", "b"]]`` a matrix of two: for ``ppl.Data``, and data of ``ppl.Model``.

    Raises
    ------
    ModelError
        If there are no such files, or they differ in their columns.
    BackendError
        If pyarrow is not installed.

    Examples
    --------
    >>> import pathlib, tempfile, pandas as pd, ppl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "sales.parquet"
    ...     pd.DataFrame({"x": [0.5, 1.5], "y": [1.0, 3.0]}).to_parquet(file)
    ...     ppl.parquet(file)
    2 rows in 1 groups of 1 files: x, y
    """
    given = [path] if isinstance(path, str | Path) else list(path)
    files: list[str] = []
    for part in map(str, given):
        inside = sorted(glob(f"{part}/**/*.parquet", recursive=True)) if Path(part).is_dir() else sorted(glob(part))
        if not inside:
            raise ModelError(f"There is no Parquet file {part!r}.")
        files += inside
    module = _parquet(str(files[0]))
    groups, columns = [], None
    for file in files:
        try:
            with module.ParquetFile(file) as opened:
                metadata, found = opened.metadata, _dtypes(opened.schema_arrow)
        except (OSError, ValueError) as error:
            raise ModelError(f"{file} is no Parquet file: {error}.") from error
        groups.append([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
        columns = found if columns is None else columns
        if found != columns:
            raise ModelError(f"The columns of {file} are not those of {files[0]}, or of other types.")
    return ParquetTable(files, groups, columns or {})


def _dtypes(schema: Any) -> dict[str, Any]:
    found = {}
    for field in schema:
        try:
            dtype = np.dtype(field.type.to_pandas_dtype())
        except NotImplementedError:
            dtype = np.dtype(object)
        found[field.name] = dtype if dtype.kind in "biuf" else None
    return found


def _parquet(what: str) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise BackendError(f"To read {what} takes pyarrow: pip install 'rvgraph[dask]'.", "pyarrow") from error
    return pyarrow.parquet
