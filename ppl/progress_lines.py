"""The progress of a run where nobody watches: lines in the log of a batch job, ever fewer."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from rich.console import Console

LEAST_SECONDS, MOST_SECONDS = 10.0, 300.0
"""Between two lines; half of the time that has passed, if that lies between."""
MOST_CHAINS = 8
_WIDTH = 160


def is_logged(is_shown: bool) -> bool:
    """Return whether progress is to be told in lines: stderr is neither a terminal nor a notebook."""
    console = Console(stderr=True)
    return is_shown and not console.is_terminal and not console.is_jupyter


def say(line: str) -> None:
    """Write a line to the log at once."""
    print(shorten(line, _WIDTH, placeholder=" ..."), file=sys.stderr, flush=True)


class ProgressLines:
    """A line at the start, one now and then, and one at the end.

    Parameters
    ----------
    chains, tune, draws : int
        Number of chains; tuning sweeps and kept draws of each.
    """

    def __init__(self, chains: int, tune: int, draws: int):
        self._chains, self._tune, self._draws = chains, tune, draws
        self._start = time.monotonic()
        self._next = LEAST_SECONDS

    def begin(self) -> None:
        """Say what runs."""
        self._start = time.monotonic()
        say(f"Sampling {self._chains} chains: {self._tune:,} tuning sweeps, then {self._draws:,} draws of each.")

    def update(self, states: Sequence[dict[str, Any]]) -> None:
        """Say how far the chains are, if the last line is long enough ago."""
        seconds = time.monotonic() - self._start
        if seconds < self._next:
            return
        self._next = seconds + min(max(seconds / 2, LEAST_SECONDS), MOST_SECONDS)
        parts = [self._described(state) for state in states[:MOST_CHAINS]]
        rest = [f"{len(states) - MOST_CHAINS} more chains"] if len(states) > MOST_CHAINS else []
        divergent = sum(state["divergences"] for state in states)
        say(f"{seconds:.0f} s: {', '.join([*parts, *rest])}" + (f"; {divergent} divergent" if divergent else ""))

    def end(self) -> None:
        """Say how long it took."""
        say(f"Sampling took {time.monotonic() - self._start:.1f} s.")

    def _described(self, state: dict[str, Any]) -> str:
        phase, total = ("tuning", self._tune) if state["tuning"] else ("draw", self._draws)
        return f"chain {state['chain']} {phase} {state['draw']:,} of {total:,}"
