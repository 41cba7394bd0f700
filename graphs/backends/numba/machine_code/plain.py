"""Compiled functions as they are written, in plain Python, where they have little to do and that once.

Machine code takes a second to make, a tenth of one to read back; loops over a thousand elements take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply

FEWEST_COMPILED = 5_000
"""Loops over fewer elements take less time than their machine code takes to be loaded."""
FEWEST_CALLS = 20
"""So many loops over so many elements take about as long as to load it, too."""


def loops(kernel: Any, count: int) -> Callable[..., Any]:
    """Return a kernel for so many elements, compiled or as it is written.

    Parameters
    ----------
    kernel : callable
        Of `graphs.backends.numba.machine_code.kept.njit`.
    count : int
        Number of elements.
    """
    chosen: Callable[..., Any] = kernel if count >= FEWEST_COMPILED else plain(kernel)
    return chosen


@cache
def plain(kernel: Any) -> Callable[..., Any]:
    """Return a compiled function as it is written, and so all that it calls.

    Parameters
    ----------
    kernel : callable
        Without closure, and not called by itself.
    """
    function: Any = getattr(kernel, "py_func", kernel)
    known = function.__globals__
    called = {name: known[name] for name in function.__code__.co_names if hasattr(known.get(name), "py_func")}
    if not called:
        return function
    names = known | {name: plain(other) for name, other in called.items()}
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__)


def performing(kernel: Any) -> Callable[..., None]:
    """Return the method ``perform`` of an operation whose one output is what a kernel returns.

    It is as written until that has been called for so much that compiling it would have been worth it: constants are
    computed once, and while a model is planned its graphs are evaluated at a few points.

    Parameters
    ----------
    kernel : callable
        As of `loops`. It leaves its arguments as they are, and takes logarithms and roots of numbers by `math`, whose
        last digits are those of machine code.
    """
    left = FEWEST_COMPILED * FEWEST_CALLS

    def perform(self: Any, node: Apply, inputs: Sequence[Any], outputs: Sequence[list[Any]]) -> None:
        """Compute the output."""
        nonlocal left
        count = sum(np.size(i) for i in inputs)
        chosen = loops(kernel, count) if left > 0 else kernel
        left -= count
        try:
            with np.errstate(all="ignore"):
                outputs[0][0] = chosen(*inputs)
        except (ArithmeticError, ValueError):
            # Python takes no root of minus one, and divides none of its own numbers by zero.
            outputs[0][0] = kernel(*inputs)

    return perform
