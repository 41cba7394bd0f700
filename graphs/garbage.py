"""Searches for garbage while graphs are derived and rewritten: rarer ones, through less."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNGEST = 20_000
"""New objects between two searches, of which a small model makes and drops a million."""

FEW_FROZEN = 1000
"""Python 3.12 starts with 375 frozen objects; who freezes what a bare interpreter has freezes eight thousand."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Let Python look for garbage more rarely, and not in what was there before.

    At its own settings a sixth of the time to the first draw went into walking over PyTensor's and PyMC's modules.
    Where searches are switched off, or others have frozen something, all stays as it is.

    Examples
    --------
    >>> with rarely_collected():
    ...     gc.get_threshold()[0] >= YOUNGEST
    True
    """
    youngest, *older = gc.get_threshold()
    # Nested, or not ours to change.
    if not gc.isenabled() or youngest == 0 or youngest >= YOUNGEST or gc.get_freeze_count() > FEW_FROZEN:
        yield
        return
    gc.freeze()
    gc.set_threshold(YOUNGEST, *older)
    try:
        yield
    finally:
        gc.set_threshold(youngest, *older)
        gc.unfreeze()
