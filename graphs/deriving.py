"""Deriving and compiling, by one thread at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from graphs.garbage import rarely_collected
from graphs.surgery.traces import untraced

_ALONE = RLock()


def _renew() -> None:
    """Begin anew in a process that was forked: whoever held the lock is not in it."""
    global _ALONE
    _ALONE = RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_renew)


@contextmanager
def deriving() -> Iterator[None]:
    """Let this thread derive, rewrite and compile, and others wait that would.

    PyTensor and PyMC keep what they know in dictionaries and filters of warnings of the whole process, which a second
    thread may change at any moment; two threads that rewrite take as long as one after the other, as Python runs one.

    Examples
    --------
    >>> with deriving(), deriving():
    ...     pass
    """
    with _ALONE, untraced(), rarely_collected():
        yield
