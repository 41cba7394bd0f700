"""Runs that can go on: paused, kept and restored between sweeps, and extended after their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from samplers.chain.plain_arrays import State
from samplers.chain.result import SweepResult


class Taken(NamedTuple):
    """Consecutive rows that one chain has recorded."""

    chain: int
    is_tuning: bool
    first: int  # the number of rows of this chain and kind before these
    draws: NDArray[np.float64]  # (num_rows, num_kept)
    statistics: NDArray[np.float64]  # (num_rows, num_statistics)
    names: tuple[str, ...]  # of the statistics, as in `SweepResult.stats`


class Keeper(Protocol):
    """Takes what chains draw, so that they need not remember it.

    Attributes
    ----------
    num_rows : int
        So many rows a chain gathers at most, before they are taken.
    """

    num_rows: int

    def take(self, rows: Taken) -> None:
        """Take rows, whose memory is used again: in any thread, those of one chain in order and by one at a time."""

    def is_due(self) -> bool:
        """Whether it is time to commit."""

    def commit(self, state: Mapping[str, NDArray]) -> None:
        """Keep the state of a run, of which at least as many rows have been taken as it has recorded; in one thread."""


class KeptBeside:
    """A keeper that keeps more beside the state of a run.

    Parameters
    ----------
    keeper : Keeper
        Takes what is drawn.
    more : callable
        Returns what else is to be kept, as arrays.
    """

    def __init__(self, keeper: Keeper, more: Callable[[], State]):
        self.num_rows, self.take, self.is_due = keeper.num_rows, keeper.take, keeper.is_due
        self._keeper = keeper
        self._more = more

    def commit(self, state: Mapping[str, NDArray]) -> None:
        """Keep the state, and more."""
        self._keeper.commit({**self._more(), **state})


class SweepRun(Protocol):
    """A run of several chains that can go on.

    Nothing that is drawn depends on how often it was paused, or put into arrays and restored, and a run that is
    extended draws what a longer one would have drawn. What was drawn is never drawn again.
    """

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws that each chain has kept so far, (chains,)."""

    @property
    def is_waiting(self) -> bool:
        """Whether chains rest until they meet those of the run that are elsewhere (`RunSettings.of_chains`)."""

    def meet(self) -> None:
        """Learn, or decide, what the chains of the run do together, all of which are here and have come that far."""

    def advance(self, draws: int | None = None) -> bool:
        """Go on until each chain has kept so many draws; by default as many as the settings say.

        Some of the chains of a run go on until they have to meet the others, if that comes first.

        Returns
        -------
        bool
            Whether it got there; else somebody interrupted it, and it can still go on.
        """

    def result(self, *, is_partial: bool = False) -> SweepResult:
        """Return what has been drawn so far, in the run's own memory; without rows where a keeper has taken them.

        While chains go on, cut to the shortest of them if it ``is_partial``.
        """

    def state(self) -> State:
        """Return all that the next sweep needs, as arrays of their own; not while the run advances."""

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state of a run of the same sweep, starts and settings; what it recorded is taken as kept."""


class WholeRun:
    """A run all of whose chains are here: nobody is waited for; see `SweepRun`."""

    is_waiting = False

    def meet(self) -> None:
        """Do nothing."""


class Stopwatch:
    """Seconds that a run has taken, without those while it was paused."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + (0.0 if self._since is None else perf_counter() - self._since)

    def start(self, seconds: float | None = None) -> None:
        """Go on, from so many seconds if they are given."""
        self._before = self.seconds if seconds is None else seconds
        self._since = perf_counter()

    def stop(self, seconds: float | None = None) -> None:
        """Pause, at so many seconds if they are given."""
        self._before, self._since = (self.seconds if seconds is None else seconds), None
