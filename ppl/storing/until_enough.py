"""A run in a store that goes on until its draws are enough, wherever it is when it begins to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from graphs.errors import SamplingError
from ppl.background.control import Clock
from ppl.keeping.nodes import as_json
from ppl.keeping.opening import first_draws
from ppl.stopping.conducting import Ending, GoesOn, draw_until
from ppl.stopping.judging import Look, look_at
from ppl.stopping.until import Until


class Draws(GoesOn, Protocol):
    """What draws, and has drawn."""

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws that each chain has kept so far, (chains,)."""


class _FromWhereItIs:
    """A run of which the first looks may have been taken before it was interrupted.

    Parameters
    ----------
    run : Draws
        What draws.
    """

    def __init__(self, run: Draws):
        self._run = run

    def advance(self, draws: int | None = None) -> bool:
        """Go on, unless all chains were at this look before any of them could be further."""
        if draws is not None and draws < self._run.num_kept.max():
            return True
        return self._run.advance(draws)


def drawn_until(
    run: Draws, until: Until, chains: int, trace: Callable[[], DataTree], clock: Clock, num_threads: int
) -> Ending:
    """Let a run go on until its draws are enough: those at which it would have stopped had it never been interrupted.

    Who goes on takes the looks again that were taken before: they take a fraction of what was drawn for them, and
    nothing of them need be kept.

    Parameters
    ----------
    run : Draws
        What draws; its draws are in the store after each advance.
    until : Until
        What is asked.
    chains : int
        Number of chains.
    trace : callable
        Returns the trace of the store.
    clock : Clock
        When to stop whatever was met.
    num_threads : int
        That may look.
    """

    def look(number: int) -> Look:
        return look_at(first_draws(trace(), number), until, num_threads)

    # How much memory there is must not decide where a run stops that may go on elsewhere.
    return draw_until(_FromWhereItIs(run), until, chains, until.most_draws, look, lambda: clock.is_over)


def clock_of(until: Until | None, state: Mapping[str, NDArray] | None) -> Clock:
    """Return what ends a run after its seconds, of which those before it was interrupted are some."""
    if until is None or until.seconds is None:
        return Clock(None)
    state = state or {}
    # Independent draws from a table have a state of their own.
    before = state.get("seconds", state.get("table_seconds", np.zeros(1)))
    return Clock(until.seconds - float(np.ravel(before)[0]))


def written_until(until: Until | None) -> Any:
    """Return what is asked as it is written down."""
    return None if until is None else as_json(asdict(until))


def read_until(asked: Mapping[str, Any]) -> Until | None:
    """Return what a run was asked for, if it was not a number of draws.

    Raises
    ------
    SamplingError
        If that cannot be read.
    """
    written = asked.get("until")
    try:
        return None if written is None else Until(**written)
    except TypeError as error:
        raise SamplingError(f"The store is damaged: what its draws have to meet cannot be read ({error}).") from error
