"""Indices that do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs


def trivial_axes(base: TensorVariable, entries: Sequence[Any]) -> tuple[int, ...]:
    """Return the axes of length one that are indexed by zeros, as in the log-probability of PyMC's Categorical.

    Parameters
    ----------
    base : TensorVariable
        The array that is indexed.
    entries : sequence of Variable or slice
        The index of each axis.

    Returns
    -------
    tuple of int
        Axes that can be squeezed and their indices dropped: other indices keep the shape of the result.
    """
    indices = [e for e in entries if isinstance(e, Variable)]
    if len(indices) < 2:
        return ()
    rank = max(index.type.ndim for index in indices)
    signs = Signs({})
    trivial = []
    for axis, entry in enumerate(entries):
        known = signs.known(entry) if isinstance(entry, Variable) and base.type.shape[axis] == 1 else None
        if known is not None and known.size == 1 and not known.any():
            trivial.append(axis)
    kept = [e for axis, e in enumerate(entries) if axis not in trivial and isinstance(e, Variable)]
    return tuple(trivial) if kept and max(e.type.ndim for e in kept) == rank else ()
