"""What a run in a thread of its own is told, and tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Lock
from typing import Any

from xarray import DataTree


class Control:
    """Between a run and the threads that watch it.

    Attributes
    ----------
    states : tuple of dict
        The last progress of each chain; empty before the first.
    is_stopped : bool
        Whether somebody wants the run to end.
    """

    def __init__(self) -> None:
        self.states: tuple[dict[str, Any], ...] = ()
        self._stop = Event()
        self._lock = Lock()
        self._snapshot: Callable[[], DataTree] | None = None
        self._waiting: list[Future[DataTree]] = []

    @property
    def is_stopped(self) -> bool:
        """Whether somebody wants the run to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Let the run end; in any thread."""
        self._stop.set()

    def __call__(self, states: Sequence[dict[str, Any]]) -> None:
        """Answer who has asked, and end the run if it is stopped; in the thread of the run, a few times a second."""
        self.states = tuple(states)
        self._answer()
        if self.is_stopped:
            raise KeyboardInterrupt

    @contextmanager
    def drawing(self, snapshot: Callable[[], DataTree]) -> Iterator[None]:
        """Let others ask for what has been drawn so far, while this lasts.

        Parameters
        ----------
        snapshot : callable
            Returns it; called in the thread of the run.
        """
        with self._lock:
            self._snapshot = snapshot
        try:
            yield
            # Who has asked late gets what there is in the end.
            self._answer()
        finally:
            with self._lock:
                self._snapshot = None
                for future in self._waiting:
                    future.cancel()
                self._waiting.clear()

    def ask(self) -> Future[DataTree] | None:
        """Ask for what has been drawn so far, in any thread; None while nothing is drawn.

        The answer is cancelled where the run fails before it.
        """
        with self._lock:
            if self._snapshot is None:
                return None
            future: Future[DataTree] = Future()
            self._waiting.append(future)
            return future

    def _answer(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            snapshot = self._snapshot
        if not waiting or snapshot is None:
            return
        try:
            found = snapshot()
        except Exception as error:  # whatever it is, it is told to those who asked, and does not end the run
            for future in waiting:
                future.set_exception(error)
            return
        for future in waiting:
            future.set_result(found)


class Clock:
    """Ends a run after so many seconds.

    Parameters
    ----------
    seconds : float or None
        None for never.
    """

    def __init__(self, seconds: float | None):
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() >= self._end

    def __call__(self, states: Sequence[dict[str, Any]]) -> None:
        """End the run if the time is over."""
        if self.is_over:
            raise KeyboardInterrupt


def told(*listeners: Callable[[list[dict[str, Any]]], None]) -> Callable[[list[dict[str, Any]]], None]:
    """Return a callback of a run that tells all listeners, in order."""

    def tell(states: list[dict[str, Any]]) -> None:
        for listener in listeners:
            listener(states)

    return tell


_PRESENT: ContextVar[Control | None] = ContextVar("the control of a run", default=None)


def present_control() -> Control:
    """Return the control of the run that this thread was started for; of others one that nobody else knows."""
    return _PRESENT.get() or Control()


@contextmanager
def under(control: Control) -> Iterator[None]:
    """Let runs inside be controlled."""
    token = _PRESENT.set(control)
    try:
        yield
    finally:
        _PRESENT.reset(token)
