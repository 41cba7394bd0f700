"""Threads of the linear algebra library, which are no use where chains have all cores already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import scipy.linalg  # noqa: F401  (loads the library whose threads are limited)
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class _Limit:
    """One thread, as long as somebody wants it: to tell the library takes as long as a small model's results."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._num_users = 0
        self._set: Any = None

    def enter(self) -> None:
        """Set the limit, unless it is."""
        with self._lock:
            if not self._num_users:
                self._set = _controller().limit(limits=1, user_api="blas")
            self._num_users += 1

    def leave(self) -> None:
        """Restore what was before, if nobody else wants the limit."""
        with self._lock:
            self._num_users -= 1
            if not self._num_users:
                self._set.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let the linear algebra library use one thread; in small problems several only wait for each other."""
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
