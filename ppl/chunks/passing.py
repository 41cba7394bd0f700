"""One pass over all rows: part by part, on this machine or on the workers of dask's cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.compression.in_blocks import NotSeen, Recipe, Statistics
from graphs.errors import ModelError
from graphs.surgery.pickling import PartsFirst
from ppl.chunks.source import Source, as_numbers
from ppl.modelling.data_supports import check_support
from ppl.reporting.stages import doing

_ROWS_OF_A_PART = 2**19
"""As few as fill a task of some tenths of a second: 40 MB of ten columns."""


@dataclass(frozen=True, eq=False)
class Reader(PartsFirst):
    """What the rows of one input are read from, and what has to hold of them.

    Parameters
    ----------
    name : str
        The input.
    source : Source
        Where rows are.
    dtype : str
        Of the input.
    variable : TensorVariable or None
        The random variable whose data they are, if they are: these may be missing, and lie in its support.
    """

    name: str
    source: Source
    dtype: str
    variable: TensorVariable | None

    @staticmethod
    def rows(readers: Sequence[Reader], start: int, stop: int) -> tuple[list[NDArray], int]:
        """Return rows that have a value, checked, and how many were read."""
        return rows_of([r.without_source() for r in readers], start, [r.source.lazy(start, stop) for r in readers])

    def without_source(self) -> Reader:
        """Return what has to hold of rows."""
        return Reader(self.name, None, self.dtype, self.variable)  # type: ignore[arg-type]  # read by nobody

    def check(self, rows: NDArray, numbers: NDArray[np.int64]) -> None:
        """Raise ModelError if numbers are missing, not finite, or outside of the support.

        Parameters
        ----------
        rows : array
            Rows that are not missing as a whole.
        numbers : (num_rows,) int64 array
            Which they are.
        """
        if rows.dtype.kind == "f":
            are_bad = ~np.isfinite(rows).reshape((len(rows), -1)).all(axis=1)
            if are_bad.any():
                where = int(np.flatnonzero(are_bad)[0])
                raise ModelError(
                    f"{self.name}[{numbers[where]}] is {rows[where]}: of data in chunks, numbers are finite"
                    f"{', or a whole row is missing' if self.variable is not None else ''}. Leave such rows out.",
                    self.name,
                )
        if self.variable is not None:
            mask = np.zeros(rows.shape, bool)
            try:
                check_support(self.variable, self.name, rows, mask)
            except ModelError as error:
                raise ModelError(f"Of the rows from {numbers[0]:,} on: {error}", self.name) from error


def rows_of(readers: Sequence[Reader], start: int, lazy: Sequence[Any]) -> tuple[list[NDArray], int]:
    """Return rows that have a value, checked, and how many were read.

    Parameters
    ----------
    readers : sequence of Reader
        What has to hold of them.
    start : int
        The first of them.
    lazy : sequence of array_like
        The rows of each.
    """
    arrays = [as_numbers(part, reader.dtype) for reader, part in zip(readers, lazy, strict=True)]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ModelError(f"{', '.join(r.name for r in readers)} have {sorted(lengths)} rows from {start:,} on.")
    are_missing = np.zeros(len(arrays[0]), bool)
    for reader, array in zip(readers, arrays, strict=True):
        if reader.variable is not None and array.dtype.kind == "f":
            are_missing = np.isnan(array).reshape((len(array), -1)).all(axis=1)
    kept = [array[~are_missing] for array in arrays] if are_missing.any() else arrays
    numbers = start + np.flatnonzero(~are_missing)
    for reader, array in zip(readers, kept, strict=True):
        if len(numbers):
            reader.check(array, numbers)
    return kept, len(are_missing)


def parts_to_read(sources: Sequence[Source]) -> list[tuple[int, int]]:
    """Return first and last rows of the parts that are read at once: whole chunks, of the largest where they differ.

    Parameters
    ----------
    sources : sequence of Source
        Of the same number of rows.
    """
    bounds = [list(source.boundaries) for source in sources]
    shared = sorted(set.intersection(*(set(b) for b in bounds)))
    coarsest = min(bounds, key=len)
    if int(np.diff(shared).max()) > max(_ROWS_OF_A_PART, int(np.diff(coarsest).max())):
        shared = coarsest
    parts, start = [], 0
    for stop in shared[1:]:
        if stop - start >= _ROWS_OF_A_PART or stop == shared[-1]:
            parts.append((start, stop))
            start = stop
    return parts


def statistics_of_part(recipe: Recipe, readers: Sequence[Reader], start: int, *lazy: Any) -> Statistics | NotSeen:
    """Return the statistics of some rows.

    Parameters
    ----------
    recipe : Recipe
        How they are computed.
    readers : sequence of Reader
        What has to hold of rows.
    start : int
        The first of them.
    *lazy : array_like
        The rows of each input.
    """
    rows, _ = rows_of(readers, start, lazy)
    return recipe.statistics(rows)


def read_all(
    recipe: Recipe, readers: Sequence[Reader], parts: Sequence[tuple[int, int]], name: str
) -> Statistics | NotSeen:
    """Return the statistics of all rows, merged in their order, whoever read them.

    Parameters
    ----------
    recipe : Recipe
        How they are computed.
    readers : sequence of Reader
        Where rows are.
    parts : sequence of (int, int)
        Their first and last rows.
    name : str
        Of the likelihood.
    """
    total: Statistics | None = None
    results = _on_cluster(recipe, readers, parts) if _client() is not None else _here(recipe, readers, parts)
    with closing(results):
        for number, found in enumerate(results, 1):
            if isinstance(found, NotSeen):
                return found
            total = found if total is None else total.merged(found)
            doing(f"reading {name}, {number:,} of {len(parts):,} blocks")
    assert total is not None
    return total


def _client() -> Any:
    """Return dask's cluster, if one is in use."""
    distributed: Any = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def _here(recipe: Recipe, readers: Sequence[Reader], parts: Sequence[tuple[int, int]]) -> Generator[Any, None, None]:
    """Yield statistics in order, computed by threads; a few parts are in memory."""
    checks = [reader.without_source() for reader in readers]
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:

        def submitted() -> Iterator[Future[Any]]:
            for start, stop in parts:
                lazy = [reader.source.lazy(start, stop) for reader in readers]
                yield pool.submit(statistics_of_part, recipe, checks, start, *lazy)

        yield from _in_order(submitted(), num_threads + 1)


def _on_cluster(
    recipe: Recipe, readers: Sequence[Reader], parts: Sequence[tuple[int, int]]
) -> Generator[Any, None, None]:
    """Yield statistics in order, computed by workers: what one had when it died another computes again."""
    client = _client()
    checks = [reader.without_source() for reader in readers]

    def submitted() -> Iterator[Any]:
        for start, stop in parts:
            lazy = [reader.source.lazy(start, stop) for reader in readers]
            rows = [client.compute(part) if hasattr(part, "dask") else part for part in lazy]
            yield client.submit(statistics_of_part, recipe, checks, start, *rows, pure=False)

    yield from _in_order(submitted(), 4 * max(len(client.scheduler_info()["workers"]), 1))


def _in_order(submitted: Iterator[Any], most: int) -> Iterator[Any]:
    """Yield results in the order of their parts, so many being on their way."""
    waiting = list(islice(submitted, most))
    try:
        while waiting:
            result = waiting.pop(0).result()
            waiting += islice(submitted, 1)
            yield result
    finally:
        for future in waiting:
            future.cancel()
