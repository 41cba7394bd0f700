"""Index arrays by a variable of finite support, at all its values at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.subtensor import indices_from_subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.indexing import trivial_axes
from graphs.conditional.expanding.views import View


def gather(
    node: Apply, values: Mapping[Variable, TensorVariable], views: Mapping[Variable, View]
) -> tuple[View, TensorVariable] | None:
    """Return ``base[..., x, ...]`` for each value of x, or None where the index is of another kind.

    Parameters
    ----------
    node : Apply
        A Subtensor or AdvancedSubtensor whose base does not depend on x.
    values : mapping of Variable to TensorVariable
        The indices that do, for each value of x on a new first axis.
    views : mapping of Variable to View
        Which element of x each of them depends on.

    Returns
    -------
    tuple of (View, TensorVariable) or None
        Which element of x each element depends on, and the array for each value of x on a new first axis.
    """
    base = node.inputs[0]
    entries = list(indices_from_subtensor(node.inputs[1:], node.op.idx_list))
    if len(set(views.values())) != 1 or any(isinstance(e, Variable) and _is_mask(e) for e in entries):
        return None
    if any(part in values for e in entries if isinstance(e, slice) for part in (e.start, e.stop, e.step)):
        return None
    (view,) = set(views.values())
    block_ndim = max(_ndim(e) for e in entries if isinstance(e, Variable))
    trivial = trivial_axes(base, entries)
    if trivial:
        base, entries = base.squeeze(trivial), [e for axis, e in enumerate(entries) if axis not in trivial]
    positions = [p for p, e in enumerate(entries) if isinstance(e, Variable)]
    is_adjacent = positions == list(range(positions[0], positions[-1] + 1))
    start = positions[0] if is_adjacent else 0
    rest = base.type.ndim - len(positions) - start
    x_entries = [e for e in entries if isinstance(e, Variable) and e in values]
    own = max(_ndim(e) for e in x_entries)
    order = ("x",) * (start + block_ndim - own) + view.order + ("x",) * rest
    moved = View(view.steps, view.base_ndim, order)
    whole = _take_whole(base, entries, values, start, block_ndim, rest)
    if whole is not None:
        return moved, whole
    # The new first axis of the index has to stay in front of the axes that broadcasting may add to it.
    batched = tuple(
        values[e].dimshuffle(0, *("x",) * (block_ndim - _ndim(e)), *range(1, _ndim(e) + 1))
        if isinstance(e, Variable) and e in values
        else pt.as_tensor(e)
        if isinstance(e, Variable)
        else e
        for e in entries
    )
    return moved, pt.moveaxis(base[batched], start, 0)


def _ndim(index: Variable) -> int:
    return getattr(index.type, "ndim", 0)


def _is_mask(index: Variable) -> bool:
    return getattr(index.type, "dtype", "int64") == "bool"


def _take_whole(
    base: TensorVariable,
    entries: list,
    values: Mapping[Variable, TensorVariable],
    start: int,
    block_ndim: int,
    rest: int,
) -> TensorVariable | None:
    """Return the base itself, its indexed axis in front, where x runs over all of that axis."""
    indices = [(axis, e) for axis, e in enumerate(entries) if isinstance(e, Variable)]
    if len(indices) != 1 or any(e != slice(None) for e in entries if isinstance(e, slice)):
        return None
    (axis, entry) = indices[0]
    index = values[entry]
    length = base.type.shape[axis]
    while index.owner is not None and set(index.type.shape[1:]) <= {1} and len(index.owner.inputs) == 1:
        index = index.owner.inputs[0]
    is_whole = isinstance(index, Constant) and np.array_equal(np.ravel(index.data), np.arange(length or 0))
    if not is_whole or not set(values[entry].type.shape[1:]) <= {1}:
        return None
    others = [a for a in range(base.type.ndim) if a != axis]
    return base.dimshuffle(axis, *others[:start], *("x",) * block_ndim, *others[start : start + rest])
