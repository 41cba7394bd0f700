"""A run that goes on from look to look, until its draws are enough or nothing more can be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ppl.stopping.judging import Look
from ppl.stopping.looks import LOOKS_IN_SUCCESSION, looks
from ppl.stopping.until import Until


class GoesOn(Protocol):
    """What draws."""

    def advance(self, draws: int | None = None) -> bool:
        """Go on until each chain has so many draws; whether it got there."""


@dataclass(frozen=True)
class Ending:
    """Why sampling stopped.

    Parameters
    ----------
    until : Until
        What was asked.
    is_met : bool
        Whether all that was asked was met, by draws that stopping early does not flatter.
    reason : str
        In words.
    is_interrupted : bool
        Whether somebody interrupted it.
    """

    until: Until
    is_met: bool
    reason: str
    is_interrupted: bool = False

    def attributes(self) -> dict[str, str | bool]:
        """Return what a trace says of it."""
        return {"until": str(self.until), "until_met": self.is_met, "stopped_because": self.reason}


def draw_until(
    run: GoesOn,
    until: Until,
    chains: int,
    most_draws: int,
    look: Callable[[int], Look],
    is_time_over: Callable[[], bool],
) -> Ending:
    """Let a run go on until its draws are enough.

    Parameters
    ----------
    run : GoesOn
        What draws.
    until : Until
        What is asked.
    chains : int
        Number of chains.
    most_draws : int
        As many of each chain as there is memory for; ``until`` may want fewer.
    look : callable
        Judges so many draws of each chain, which have just been made.
    is_time_over : callable
        Tells a run that was stopped by the clock from one that somebody interrupted.
    """
    limit = min(most_draws, until.most_draws)
    found, streak = Look(0, False), 0
    numbers = [*looks(until, chains, limit)]
    # Who looks once does not choose among looks.
    enough = min(LOOKS_IN_SUCCESSION, len(numbers))
    for number in numbers:
        try:
            is_there = run.advance(number)
            found = look(number) if is_there else found
        except KeyboardInterrupt:
            is_there = False
        if not is_there:
            if is_time_over():
                return Ending(until, not until.judges, f"{until.seconds or 0:g} seconds were over{_before(found)}")
            return Ending(until, False, f"somebody interrupted it{_before(found)}", is_interrupted=True)
        if found.never:
            return Ending(until, False, f"more draws would not help: {found.never}")
        streak = streak + 1 if found.is_met else 0
        if streak == enough:
            return Ending(until, True, _met(until, found))
    what = "the most that were asked for" if limit == until.most_draws else "as many as there is memory for"
    return Ending(until, False, f"{limit:,} draws of each chain were made, {what}{_before(found)}")


def _met(until: Until, found: Look) -> str:
    apart = f"; {', '.join(found.constant)} never varied and could not be judged" if found.constant else ""
    return f"every number that varies met {until} after {found.num_draws:,} draws of each chain{apart}"


def _before(found: Look) -> str:
    """Return what was missing at the last look."""
    if found.is_met:
        return " when all was met at one look, and another had to confirm it"
    return f", and {found.missing} at {found.num_draws:,} draws" if found.num_draws and found.missing else ""
