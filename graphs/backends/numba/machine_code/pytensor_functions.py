"""PyTensor's own compiled functions are kept as ours are.

PyTensor keeps the machine code of its functions by Numba's cache, which trusts what it reads: a file that was cut
short is an error in every later process, one with a wrong bit a crash. Numba offers no other place to change that than
the class that it makes caches of, so this module replaces it for all that is imported later; functions that are not
PyTensor's get Numba's cache as before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytensor
from numba.core import dispatcher
from numba.core.caching import FunctionCache
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

from graphs.backends.numba.machine_code.kept import CodeCache


def _cache_of(function: Callable[..., Any]) -> Any:
    """Return the cache for a function."""
    if not pytensor.config.numba__cache or function not in CACHED_SRC_FUNCTIONS:
        return FunctionCache(function)
    digest = f"{CACHED_SRC_FUNCTIONS[function]} {pytensor.config.numba__fastmath}"
    return CodeCache(f"pytensor_{function.__name__}", lambda: digest)


def keep_pytensor_functions() -> None:
    """Let Numba keep PyTensor's functions in a `CodeCache`."""
    dispatcher.FunctionCache = _cache_of  # type: ignore[attr-defined]
