"""PyTensor's own Numba functions of operations, and what their machine code depends on."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytensor
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import (
    numba_funcify_ensure_cache,
)

from graphs.backends.numba.machine_code.reachable import digest_of, is_foreign


def foreign_function(op: Op, node: Apply) -> tuple[Callable, str | None] | None:
    """Return PyTensor's Numba function of a node and what its machine code depends on, or None if there is none."""
    with warnings.catch_warnings():
        # PyTensor announces the object mode by a warning; to call Python is left to us.
        warnings.filterwarnings("error", message="Numba will use object mode", category=UserWarning)
        try:
            function, key = numba_funcify_ensure_cache(op, node=node)
        except (UserWarning, NotImplementedError):
            return None
    if key is None:
        return function, None
    # The key says which of PyTensor's functions it is. Of others it may say nothing of what they do.
    digest = "" if is_foreign(type(op).__module__) else digest_of(function)
    return function, None if digest is None else f"{key} {digest} {pytensor.config.numba__fastmath}"
