"""Threads of the linear algebra library, which are no use where chains have all cores already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Lock

import scipy.linalg  # noqa: F401  (loads the library whose threads are limited)
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class _Limit:
    """A limit that several may want at a time: set by the first, lifted by the last. To set it takes a millisecond."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._held = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if not self._count:
                self._held.enter_context(_controller().limit(limits=1, user_api="blas"))
            self._count += 1

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count:
                self._held.close()


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let the linear algebra library use one thread; in small problems several only wait for each other."""
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
