"""A slice of a slice as one slice, computed by Python where all numbers are known.

To PyTensor bounds up to 127 are numbers of eight bits, and so are their sums: of ``x[68:137][1:][::-1]`` it computes
that it ends before it begins, and that there is nothing in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.graph.basic import Constant
from pytensor.tensor.rewriting import subtensor

_merge_two_slices = subtensor.merge_two_slices


def merge_slices(fgraph: Any, first: Any, before: Any, second: Any, after: Any, *args: Any, **options: Any) -> Any:
    """Merge two slices, or a slice and an index.

    Parameters
    ----------
    fgraph, first, before, second, after, *args, **options
        As of PyTensor's ``merge_two_slices``: a slice, the length before and the length after it, and what follows.
    """
    try:
        found = range(_number(before))[_numbers(first)][_numbers(second)]
    except (ValueError, IndexError):
        return _merge_two_slices(fgraph, first, before, second, after, *args, **options)
    if isinstance(found, int):
        return found
    return slice(found.start, found.stop if found.stop >= 0 else None, found.step) if len(found) else slice(0, 0, 1)


def _numbers(given: Any) -> Any:
    """Return a slice, or an index, of Python's numbers."""
    if not isinstance(given, slice):
        return _number(given)
    return slice(*(None if part is None else _number(part) for part in (given.start, given.stop, given.step)))


def _number(given: Any) -> int:
    if isinstance(given, int | np.integer):
        return int(given)
    if isinstance(given, Constant) and np.ndim(given.data) == 0:
        return int(given.data)
    raise ValueError("It is known only when the graph is evaluated.")


subtensor.merge_two_slices = merge_slices
