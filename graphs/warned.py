"""Warnings of others that say nothing to users, held back by one thread at a time: filters belong to the process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Literal

_FILTERS = RLock()


@contextmanager
def filtered(
    action: Literal["ignore", "error"], message: str = "", category: type[Warning] = Warning
) -> Iterator[None]:
    """Ignore warnings, or raise them, until the end.

    Of two threads that change filters at a time, one puts back what the other had set, and it stays. So the second
    waits: this is for what takes moments.

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
    with _FILTERS, warnings.catch_warnings():
        warnings.filterwarnings(action, message=message, category=category)
        yield
