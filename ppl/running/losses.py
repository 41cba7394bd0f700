"""What could not be made of a finished run: it is left out of the trace, which says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress

from numpy.typing import NDArray

from samplers.loop.interrupts import HeldInterrupts


class Losses:
    """What is left out of a result, with the reason.

    Draws took long to make; names, tables and judgements are made of them in no time, and one of these that fails must
    not take the draws with it.

    Parameters
    ----------
    interrupts : HeldInterrupts, optional
        Ctrl-C is let through while something is made that can be left out.

    Attributes
    ----------
    found : dict of str to str
        What is left out, and why.
    unconstrained : dict of str to array
        Draws as the samplers made them, of variables whose values in natural space are left out.
    arrays : dict of str to array
        What no group of the results can hold.
    """

    def __init__(self, interrupts: HeldInterrupts | None = None):
        self.interrupts = interrupts or HeldInterrupts()
        self.found: dict[str, str] = {}
        self.unconstrained: dict[str, NDArray] = {}
        self.arrays: dict[str, NDArray] = {}

    def attempt[T](self, what: str, make: Callable[[], T], instead: T, *, is_long: bool = False) -> T:
        """Return what ``make`` makes; if it fails or is interrupted, ``instead``, and keep the reason.

        Parameters
        ----------
        what : str
            Name of what is left out then.
        make : callable
            Changes nothing that is needed if it fails.
        instead : object
            Takes its place.
        is_long : bool
            Whether Ctrl-C ends it; else that waits for what can be interrupted.
        """
        try:
            with self.interrupts.allowed() if is_long else nullcontext():
                return make()
        except (Exception, KeyboardInterrupt) as error:
            self.add(what, error)
            return instead

    def add(self, what: str, error: BaseException) -> None:
        """Keep what is left out, and why."""
        with suppress(Exception):
            message = str(error).partition("\n")[0]
            kind = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
            self.found[what] = f"{kind}: {message}" if message else kind

    def __str__(self) -> str:
        return "; ".join(f"{what} ({reason})" for what, reason in self.found.items())
