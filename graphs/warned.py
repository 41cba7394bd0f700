"""Warnings of others that say nothing to users, held back for a while, whatever other threads do to filters."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal


@dataclass
class _Held:
    """A filter that is wanted: by how many, and the lists that it was put into."""

    number: int = 0
    lists: list[Any] = field(default_factory=list)


_LOCK = Lock()
_HELD: dict[tuple[Any, ...], _Held] = {}


@contextmanager
def filtered(
    action: Literal["ignore", "error"], message: str = "", category: type[Warning] = Warning
) -> Iterator[None]:
    """Ignore warnings, or raise them, until the end.

    Filters belong to the process. ``warnings.catch_warnings`` puts another list in the place of theirs, and the old one
    back; of two threads that do so at a time, one puts back what the other had set, and it stays. Here a filter is put
    into the present list, and taken out of where it was put and of what is there at the end.

    Parameters
    ----------
    action : {"ignore", "error"}
        What becomes of them.
    message : str, default ""
        Regular expression that their text begins with.
    category : type, default Warning
        Of which kind they are.

    Examples
    --------
    >>> with filtered("ignore", category=UserWarning):
    ...     warnings.warn("nothing to you")
    """
    entry = (action, re.compile(message, re.IGNORECASE) if message else None, category, None, 0)
    with _LOCK:
        is_there = entry in warnings.filters
        # One that somebody else has put there stays.
        held = _HELD.get(entry) if is_there else _HELD.setdefault(entry, _Held())
        if not is_there and held is not None:
            warnings.filterwarnings(action, message=message, category=category)
            held.lists.append(warnings.filters)
        if held is not None:
            held.number += 1
    try:
        yield
    finally:
        if held is not None:
            with _LOCK:
                held.number -= 1
                if not held.number:
                    del _HELD[entry]
                    for present in (*held.lists, warnings.filters):
                        with suppress(ValueError):
                            present.remove(entry)
