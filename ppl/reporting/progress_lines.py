"""The progress of a run where nobody watches: lines in the log of a batch job, ever fewer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from textwrap import shorten
from typing import Any, TextIO

from rich.console import Console

LEAST_SECONDS, MOST_SECONDS = 10.0, 300.0
"""Between two lines; half of the time that has passed, if that lies between."""
MOST_CHAINS = 8
_WIDTH = 160


def log_stream(is_shown: bool) -> TextIO | None:
    """Return where progress is to be told in lines, ``None`` if nowhere: a terminal or a notebook has its bar.

    That is stdout where it goes to a file or to another program, also while stderr is a terminal with the bar; else
    stderr, if that is no terminal. What only collects what is printed, inside this program, is no log.
    """
    console = Console(stderr=True)
    if not is_shown or console.is_jupyter:
        return None
    if _is_redirected(sys.stdout):
        return sys.stdout
    return None if console.is_terminal else sys.stderr


def _is_redirected(stream: TextIO) -> bool:
    try:
        return not os.isatty(stream.fileno())
    except (AttributeError, OSError, ValueError):  # none at all, closed, or no file of the system
        return False


def say(line: str, stream: TextIO | None) -> None:
    """Write a line to a log at once; a log that is gone or full does not end what it is about."""
    if stream is not None:
        with suppress(OSError, ValueError):
            print(shorten(line, _WIDTH, placeholder=" ..."), file=stream, flush=True)


class ProgressLines:
    """Lines now and then, and one at the end; nothing of a run that is over before the first.

    Parameters
    ----------
    chains, tune, draws : int
        Number of chains; tuning sweeps and kept draws of each, as far as that is known before.
    stream : TextIO
        The log.
    planned : str
        What each chain does, in words; by default that it makes so many sweeps and draws.
    """

    def __init__(self, chains: int, tune: int, draws: int, stream: TextIO, planned: str = ""):
        self._chains = chains
        self._planned = planned or f"{tune:,} tuning sweeps, then {draws:,} draws of each"
        self._stream = stream
        self._is_begun = False
        self._start = time.monotonic()
        self._next = LEAST_SECONDS

    def begin(self) -> None:
        """Let the clock run."""
        self._start = time.monotonic()

    def update(self, states: Sequence[dict[str, Any]]) -> None:
        """Say how far the chains are, if the last line is long enough ago."""
        seconds = time.monotonic() - self._start
        if seconds < self._next:
            return
        self._next = seconds + min(max(seconds / 2, LEAST_SECONDS), MOST_SECONDS)
        if not self._is_begun:
            self._is_begun = True
            self._say(f"Sampling {self._chains} chains: {self._planned}.")
        parts = [self._described(state) for state in states[:MOST_CHAINS]]
        rest = [f"{len(states) - MOST_CHAINS} more chains"] if len(states) > MOST_CHAINS else []
        divergent = sum(state["divergences"] for state in states)
        notes = [f"{divergent} divergent"] if divergent else []
        self._say("; ".join([f"{seconds:.0f} s: {', '.join([*parts, *rest])}", *notes, *self._left(states, seconds)]))

    def end(self) -> None:
        """Say how long it took, if anything was said before."""
        if self._is_begun:
            self._say(f"Sampling took {time.monotonic() - self._start:.1f} s.")

    def _left(self, states: Sequence[dict[str, Any]], seconds: float) -> list[str]:
        """Return how long the rest takes, if its sweeps take as long as those before."""
        done = sum(state["draw"] + (0 if state["tuning"] else state["tune"]) for state in states)
        missing = sum(state["tune"] + state["draws"] for state in states) - done
        return [f"about {seconds * missing / done:.0f} s left"] if done and missing > 0 else []

    def _say(self, line: str) -> None:
        say(line, self._stream)

    def _described(self, state: dict[str, Any]) -> str:
        phase, total = ("tuning", state["tune"]) if state["tuning"] else ("draw", state["draws"])
        return f"chain {state['chain']} {phase} {state['draw']:,} of {total:,}"
