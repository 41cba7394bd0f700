"""Threads of the linear algebra library, which are no use where chains have all cores already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg  # noqa: F401  (loads the library whose threads are limited)
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let the linear algebra library use one thread; in small problems several only wait for each other."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
