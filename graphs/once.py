"""What is made once for all threads and kept for ever: compiled functions whose addresses others hold."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps


def once[**P, T](make: Callable[P, T]) -> Callable[P, T]:
    """Return a function that makes one thing of the same arguments, which lives as long as the process.

    Of two threads that call a function behind `functools.cache` for the first time, each gets a thing of its own and
    one of the two is kept: where the other had noted an address, its machine code was freed under it. Here both get
    the one that is kept. Nothing is locked: what compiles waits for Numba's lock, and may be called by who holds it.

    Examples
    --------
    >>> @once
    ... def made(size: int) -> list[int]:
    ...     return [0] * size
    >>> made(2) is made(2), made(2) is made(3)
    (True, False)
    """
    kept: dict[Hashable, T] = {}

    @wraps(make)
    def called(*arguments: P.args, **named: P.kwargs) -> T:
        key = (arguments, tuple(sorted(named.items())))
        if key not in kept:
            kept.setdefault(key, make(*arguments, **named))
        return kept[key]

    return called
