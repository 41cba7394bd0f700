"""What is derived of the same graphs more than once while a plan is made, derived once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_KNOWN: ContextVar[dict[Hashable, Any] | None] = ContextVar("what was derived", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Remember what is derived, and the graphs that it is derived from, until the end."""
    token = _KNOWN.set({})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def remembered[T](key: tuple[Hashable, ...], derive: Callable[[], T]) -> T:
    """Return what is derived, or was before.

    Parameters
    ----------
    key : tuple
        What is derived, in a word, and all that it depends on.
    derive : callable
        Derives it.

    Examples
    --------
    >>> with remembering():
    ...     first, second = (remembered(("a list",), list) for _ in range(2))
    >>> first is second, remembered(("a list",), list) is first
    (True, False)
    """
    known = _KNOWN.get()
    if known is None:
        return derive()
    if key not in known:
        known[key] = derive()
    found: T = known[key]
    return found
