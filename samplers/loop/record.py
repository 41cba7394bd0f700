"""Draws and statistics while chains run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samplers.blocks import Sweep
from samplers.chain.result import STATISTIC_DTYPES, statistic_names


@dataclass(frozen=True, eq=False)
class Record:
    """Draws and statistics of all chains.

    Parameters
    ----------
    draws : array, shape (chains, rows, num_kept), float64
        What is kept of the joint states.
    statistics : array, shape (chains, rows, num_statistics), float64
        Statistics of the blocks, one after the other.
    """

    draws: NDArray[np.float64]
    statistics: NDArray[np.float64]

    @classmethod
    def empty(cls, sweep: Sweep, num_chains: int, num_rows: int, num_kept: int) -> Record:
        """Make room for so many rows of each chain."""
        num_statistics = sum(len(block.statistics) for block in sweep.blocks)
        return cls(
            np.empty((num_chains, num_rows, num_kept)),
            np.empty((num_chains, num_rows, num_statistics)),
        )

    def of_chain(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows that one chain fills."""
        return self.draws[number], self.statistics[number]

    def until(self, num_rows: NDArray[np.int64], has_stopped: NDArray[np.bool_], interrupted: bool) -> Record:
        """Return what has been filled.

        Parameters
        ----------
        num_rows : array, shape (chains,), int64
            Rows that each chain has filled.
        has_stopped : array, shape (chains,), bool
            Whether the chain stopped by itself; its missing rows become NaN.
        interrupted : bool
            Whether to cut all chains to the shortest of those that have not stopped.
        """
        length = self.draws.shape[1]
        if interrupted:
            length = min(length, int(np.min(num_rows[~has_stopped], initial=length)))
        for number in np.flatnonzero(has_stopped):
            self.draws[number, num_rows[number] :] = np.nan
            self.statistics[number, num_rows[number] :] = np.nan
        return Record(self.draws[:, :length], self.statistics[:, :length])

    def named(self, sweep: Sweep) -> dict[str, NDArray]:
        """Return the statistics by name; integers and booleans are zero where a chain had stopped."""
        named: dict[str, NDArray] = {}
        column = 0
        for block, names in zip(sweep.blocks, statistic_names(sweep), strict=True):
            for name, plain in zip(names, block.statistics, strict=True):
                values = self.statistics[:, :, column]
                dtype = STATISTIC_DTYPES.get(plain, "float64")
                named[name] = _contiguous(values, dtype)
                column += 1
        return named


def _contiguous(values: NDArray[np.float64], dtype: str) -> NDArray:
    """Return a column as an array of its own; as it is, where there is no memory left for that."""
    try:
        return values.copy() if dtype == "float64" else np.nan_to_num(values).astype(dtype)
    except MemoryError:
        return values
