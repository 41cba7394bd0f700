"""Ctrl-C, held back while something is done that has to be finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

MOST_HELD = 3
"""Who presses Ctrl-C more often than this wants to leave, whatever is lost."""


class HeldInterrupts:
    """A context in which Ctrl-C raises ``KeyboardInterrupt`` only where that is allowed.

    Python raises it between any two instructions: between the end of a run and the name that its result gets, say,
    where everything that was drawn would be lost. Other handlers than Python's own stay as they are. Within another
    such context this one takes over what that holds back; threads beside the main one are never interrupted.

    Examples
    --------
    >>> with HeldInterrupts() as interrupts:
    ...     with interrupts.allowed():
    ...         pass  # may be left at any moment
    """

    def __init__(self) -> None:
        self._number = 0
        self._is_held = False
        self._is_allowed = False
        self._former: Any = None

    def __enter__(self) -> HeldInterrupts:
        if threading.current_thread() is threading.main_thread():
            found = signal.getsignal(signal.SIGINT)
            outer = getattr(found, "__self__", None)
            if found is signal.default_int_handler or isinstance(outer, HeldInterrupts):
                self._former = signal.signal(signal.SIGINT, self._receive)
            if isinstance(outer, HeldInterrupts):
                self._is_held, outer._is_held = outer._is_held, False
        return self

    def __exit__(self, *error: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
            self._former = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._number += 1
        if self._is_allowed or self._number > MOST_HELD:
            raise KeyboardInterrupt
        self._is_held = True

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let an interrupt come through; one that was held back comes now."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        if self._is_held:
            self._is_held = False
            raise KeyboardInterrupt
        self._is_allowed = True
        try:
            yield
        finally:
            self._is_allowed = False
