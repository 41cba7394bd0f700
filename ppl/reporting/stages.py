"""What planning and compiling are at, said where that takes more than a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from typing import Any

from rich.console import Console

from ppl.reporting.progress_lines import log_stream, say

LEAST_SECONDS = 1.0
"""A stage that takes less is not spoken of in a log; what takes less in all is not spoken of in a terminal."""


class _Stages:
    """Shows one stage after the other: in a terminal or notebook the present one, in a log those that take long."""

    def __init__(self, is_shown: bool):
        console = Console(stderr=True)
        self._log = log_stream(is_shown)
        self._is_notebook = is_shown and console.is_jupyter
        has_bar = is_shown and console.is_terminal and not console.is_jupyter
        self._status = console.status("") if has_bar else None
        self._display: Any = None
        self._what = ""
        self._start = time.monotonic()
        self._timer = threading.Timer(LEAST_SECONDS, lambda: None)
        self._lock = threading.Lock()
        self._is_seen = self._is_over = False

    def enter(self, what: str) -> None:
        """Begin a stage."""
        self._timer.cancel()
        self._what = what
        if self._is_seen and self._log is None:
            self._attempt(self._show)
        else:
            self._timer = threading.Timer(LEAST_SECONDS, lambda: self._attempt(self._show))
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Show nothing more."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True
        self._attempt(self._hide)

    def _attempt(self, show: Callable[[], None]) -> None:
        """Show something; a terminal that is gone does not end what is shown in it."""
        try:
            with self._lock:
                show()
        except Exception:  # whatever terminals and notebooks raise: what is shown is never worth the run
            self._status = self._display = None
            self._is_notebook = False

    def _show(self) -> None:
        if self._is_over:
            return
        self._is_seen = True
        say(f"{time.monotonic() - self._start:.0f} s: {self._what}.", self._log)
        if self._status is not None:
            self._status.update(f"{self._what} ...")
            self._status.start()
        if self._is_notebook:
            self._shown_in_notebook(f"{self._what} ...")

    def _shown_in_notebook(self, text: str) -> None:
        from IPython.display import HTML, display

        if self._display is None:
            self._display = display(HTML(escape(text)), display_id=True)
        else:
            self._display.update(HTML(escape(text)))

    def _hide(self) -> None:
        if self._status is not None:
            self._status.stop()
        if self._display is not None:
            self._shown_in_notebook("")


_PRESENT: ContextVar[_Stages | None] = ContextVar("stages of planning and compiling", default=None)


@contextmanager
def stages(is_shown: bool) -> Iterator[None]:
    """Let what is done inside say what it is at; inside of another such block, that one speaks."""
    if _PRESENT.get() is not None:
        yield
        return
    shown = _Stages(is_shown)
    token = _PRESENT.set(shown)
    try:
        yield
    finally:
        _PRESENT.reset(token)
        shown.end()


def doing(what: str) -> None:
    """Say what is done from here on."""
    shown = _PRESENT.get()
    if shown is not None:
        shown.enter(what)
