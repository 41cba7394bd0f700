"""What all chains have drawn, in memory, as it comes back from workers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samplers.blocks import Sweep
from samplers.chain.going import Taken
from samplers.chain.result import statistic_dtypes, statistic_names
from samplers.loop.record import Record


class GatheredRows:
    """Rows of all chains.

    Parameters
    ----------
    sweep : Sweep
        What they run.
    chains, num_kept : int
        Number of chains, and of what is kept of a draw.
    """

    def __init__(self, sweep: Sweep, chains: int, num_kept: int):
        self._chains, self._num_kept = chains, num_kept
        self._dtypes = statistic_dtypes(sweep)
        # A run by a table has other statistics, which come with the first rows.
        self._names = tuple(name for names in statistic_names(sweep) for name in names)
        self._record: Record | None = None

    def _empty(self, num_rows: int, names: tuple[str, ...]) -> Record:
        shape = self._chains, num_rows
        return Record(np.empty((*shape, self._num_kept)), np.empty((*shape, len(names))), names)

    def take(self, rows: Taken, expected: int) -> None:
        """Take rows, of which so many of each chain are expected."""
        end = rows.first + len(rows.draws)
        if self._record is None:
            self._record = self._empty(max(end, expected), rows.names)
        if end > self._record.draws.shape[1]:
            self._record = self._record.extended(max(end, expected))
        some = slice(rows.first, end)
        self._record.draws[rows.chain, some], self._record.statistics[rows.chain, some] = rows.draws, rows.statistics

    def filled(
        self, num_rows: NDArray[np.int64], length: int, has_stopped: NDArray[np.bool_], is_cut: bool
    ) -> tuple[NDArray[np.float64], dict[str, NDArray]]:
        """Return draws and statistics by name, as of `samplers.chain.result.SweepResult`.

        Parameters
        ----------
        num_rows : array, shape (chains,), int64
            How many rows each chain has.
        length : int
            How many each was to have.
        has_stopped : array, shape (chains,), bool
            Whether it stopped by itself: missing rows become NaN.
        is_cut : bool
            Whether all are cut to the shortest of the others.
        """
        record = self._record or self._empty(0, self._names)
        if length > record.draws.shape[1] and not is_cut:
            record = record.extended(length)
        record = record.first(length).until(num_rows, has_stopped, is_cut)
        return record.draws, self._named(record)

    def _named(self, record: Record) -> dict[str, NDArray]:
        columns = zip(record.names, np.moveaxis(record.statistics, -1, 0), strict=True)
        found = {}
        for name, column in columns:
            dtype = self._dtypes.get(name, "float64")
            found[name] = column.copy() if dtype == "float64" else np.nan_to_num(column).astype(dtype)
        return found
