"""What a worker does: it lets some chains go on for a few seconds, from where they were."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from ppl.keeping.lending import LentStore, Written
from samplers.chain.arguments import RunSettings
from samplers.chain.going import Taken
from samplers.chain.plain_arrays import State
from samplers.chain.result import SweepResult

BUFFER_BYTES = 2**24
"""Of rows that chains of a piece gather before they are put aside."""
PACKAGES = ("rvgraph", "pytensor", "numba", "numpy")
_COMPILING = Lock()


@dataclass(frozen=True, eq=False)
class PieceOfWork:
    """What is to be done.

    Parameters
    ----------
    start : array, shape (chains, size), float64
        Where these chains started.
    settings : RunSettings
        How they run.
    draws : int
        How many each is to have in the end.
    seconds : float
        How long they may run.
    num_row_bytes : int
        Of one row.
    state : mapping, optional
        Where they are; at their start if it is left out.
    lent : LentStore, optional
        Where they write what they draw, if the worker sees it.
    """

    start: NDArray[np.float64]
    settings: RunSettings
    draws: int
    seconds: float
    num_row_bytes: int
    state: Mapping[str, NDArray] | None = None
    lent: LentStore | None = None


@dataclass(frozen=True, eq=False)
class Done:
    """What was done.

    Parameters
    ----------
    is_whole, is_waiting : bool
        Whether all chains have what they are to have, or rest until they meet others.
    state : mapping
        Where they are.
    rows : sequence of Taken
        What they have drawn in this piece, and not written.
    written : Written, optional
        What is left to the owner of the store that they wrote.
    result : SweepResult
        What is known of them, without draws.
    progress : sequence of dict
        How far they are.
    seconds : float
        How long it took besides running: to set up chains, and to write them down.
    versions : dict of str to str
        Of the packages that draws depend on, where it was done.
    error : SamplingError, optional
        If a chain cannot start, or failed before any of these had kept a draw.
    """

    is_whole: bool
    is_waiting: bool
    state: State
    rows: Sequence[Taken]
    written: Written | None
    result: SweepResult
    progress: Sequence[dict[str, Any]]
    seconds: float
    versions: dict[str, str]
    error: SamplingError | None


@cache
def versions_here() -> dict[str, str]:
    """Return the versions of the packages that draws depend on, in this process."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):  # it runs from a folder of sources
            found[package] = version(package)
    return found


@dataclass(eq=False)
class Gathering:
    """A keeper in memory, of one piece; see `samplers.chain.going.Keeper`."""

    num_rows: int
    rows: list[Taken] = field(default_factory=list)

    def take(self, rows: Taken) -> None:
        """Take rows."""
        self.rows.append(rows._replace(draws=rows.draws.copy(), statistics=rows.statistics.copy()))

    def is_due(self) -> bool:
        """Whether it is time to commit: the piece is short, and its end is the checkpoint."""
        return False

    def commit(self, state: Mapping[str, NDArray]) -> None:
        """Do nothing: the state goes back with the rows."""


def same(payload: bytes) -> bytes:
    """Return the model as it was sent: what a worker that dies had of it can be computed again."""
    return payload


@lru_cache(maxsize=4)
def _compiled(payload: bytes) -> Any:
    import cloudpickle

    return cloudpickle.loads(payload)


def done_of(payload: bytes, piece: PieceOfWork) -> Done:
    """Let chains go on.

    Parameters
    ----------
    payload : bytes
        The pickled sweep, and what names rows; they are compiled once in each process.
    piece : PieceOfWork
        What is to be done.
    """
    with _COMPILING:
        sweep, naming = _compiled(payload)
    began, compiled = time.monotonic(), sweep.compile_seconds
    chains = len(piece.start)
    states: list[dict[str, Any]] = []
    at_first: list[tuple[bool, int]] = []
    end = began + piece.seconds

    def watch(progress: list[dict[str, Any]]) -> None:
        states[:] = progress
        places = [(state["tuning"], state["draw"]) for state in progress]
        at_first[:] = at_first or places
        # However short the time is, something is done: pieces that do nothing would follow each other for ever.
        if time.monotonic() >= end and places != at_first:
            raise KeyboardInterrupt

    gathering = Gathering(max(BUFFER_BYTES // (chains * piece.num_row_bytes), 1))
    borrowed = piece.lent.keeper(naming) if piece.lent is not None and piece.lent.is_seen() else None
    cores = 1 if sweep.has_separate_chains(piece.settings) else _own_threads()
    run = sweep.begin(piece.start, replace(piece.settings, callback=watch, cores=cores), borrowed or gathering)
    if piece.state is not None:
        run.restore(piece.state)
    ready, error, is_whole, is_waiting = time.monotonic(), None, False, False
    end += ready - began
    try:
        is_whole = run.advance(piece.draws)
        is_waiting = is_whole and run.is_waiting
        is_whole &= not is_waiting
    except SamplingError as found:
        error, is_whole = found, True
    stopped = time.monotonic()
    state = run.state()
    written = None if borrowed is None else borrowed.end()
    # In JAX a sweep is compiled when it is known how many chains there are.
    around = time.monotonic() - stopped + ready - began - (sweep.compile_seconds - compiled)
    return Done(
        is_whole, is_waiting, state, gathering.rows, written, run.result(), states, around, versions_here(), error
    )


def _own_threads() -> int:
    """Return how many threads this worker has."""
    from distributed import get_worker

    return int(get_worker().state.nthreads)
