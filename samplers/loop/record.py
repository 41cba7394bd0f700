"""Draws and statistics while chains run: those of all, and rows of one that somebody takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samplers.blocks import Sweep
from samplers.chain.going import Taken
from samplers.chain.result import STATISTIC_DTYPES, statistic_names


class Gathered:
    """Consecutive rows of one chain.

    Parameters
    ----------
    chain : int
        Its number.
    is_tuning : bool
        Whether these are of the warm-up.
    draws, statistics : array, shape (num_rows, ...), float64
        Memory for rows; without any nothing is recorded.
    names : tuple of str
        Of the statistics.

    Attributes
    ----------
    first : int
        Number of the row that is first in memory.
    """

    def __init__(
        self,
        chain: int,
        is_tuning: bool,
        draws: NDArray[np.float64],
        statistics: NDArray[np.float64],
        names: tuple[str, ...],
    ):
        self.chain = chain
        self.names = names
        self.is_tuning = is_tuning
        self.draws = draws
        self.statistics = statistics
        self.first = 0

    @property
    def end(self) -> int | None:
        """Number of the row before which memory is to be emptied; None where nothing is recorded.

        A multiple of what there is room for, so that rows are taken in pieces that do not depend on the clock.
        """
        room = len(self.draws)
        return (self.first // room + 1) * room if room else None

    def hand_over(self, num_done: int, take: Callable[[Taken], None]) -> None:
        """Let rows be taken, of which so many have been recorded since the beginning; their memory is free then."""
        count = num_done - self.first
        if count > 0 and self.draws.size:
            take(Taken(self.chain, self.is_tuning, self.first, self.draws[:count], self.statistics[:count], self.names))
            self.first = num_done


@dataclass(frozen=True, eq=False)
class Record:
    """Draws and statistics of all chains.

    Parameters
    ----------
    draws : array, shape (chains, rows, num_kept), float64
        What is kept of the joint states.
    statistics : array, shape (chains, rows, num_statistics), float64
        Statistics of the blocks, one after the other.
    names : tuple of str
        Of the statistics.
    """

    draws: NDArray[np.float64]
    statistics: NDArray[np.float64]
    names: tuple[str, ...] = ()

    @classmethod
    def empty(cls, sweep: Sweep, num_chains: int, num_rows: int, num_kept: int) -> Record:
        """Make room for so many rows of each chain."""
        num_statistics = sum(len(block.statistics) for block in sweep.blocks)
        return cls(
            np.empty((num_chains, num_rows, num_kept)),
            np.empty((num_chains, num_rows, num_statistics)),
            tuple(name for names in statistic_names(sweep) for name in names),
        )

    def of_chain(self, number: int, *, is_tuning: bool, first_chain: int = 0) -> Gathered:
        """Return the rows that one chain fills; the first of these chains has a number in the run, which is theirs."""
        return Gathered(first_chain + number, is_tuning, self.draws[number], self.statistics[number], self.names)

    def extended(self, num_rows: int) -> Record:
        """Return a record with so many rows of each chain, the first of which are these."""
        draws, statistics = (np.empty((len(a), num_rows, a.shape[2])) for a in (self.draws, self.statistics))
        found = Record(draws, statistics, self.names)
        found.draws[:, : self.draws.shape[1]] = self.draws
        found.statistics[:, : self.statistics.shape[1]] = self.statistics
        return found

    def first(self, num_rows: int) -> Record:
        """Return the first rows of each chain."""
        return Record(self.draws[:, :num_rows], self.statistics[:, :num_rows], self.names)

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
        return Record(self.draws[:, :length], self.statistics[:, :length], self.names)

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
