"""Lift indexing: by the discrete variable itself, or of what depends on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Apply, Constant
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.lifting.state import Lifted, Lifting, MixingError, Rule, broadcast_axes, folded, lift_unknown


def _lift_subtensor(op: Subtensor, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Index by slices or scalars; a scalar index may be the discrete variable itself."""
    array, *indices = node.inputs
    lifted_indices = [i for i in indices if i in lifting.done]
    if not lifted_indices:
        return [_slice_lifted(op, node, lifting)]
    if array in lifting.done or len(op.idx_list) > 1 or not isinstance(op.idx_list[0], int):
        if lifting.plate_axes:
            raise MixingError(f"{op} indexes by several variables at once")
        return lift_unknown(op, node, lifting)
    states = lifting.done[lifted_indices[0]].value
    return [Lifted(_take(array, states), (None,) * (array.type.ndim - 1))]


def _slice_lifted(op: Subtensor, node: Apply, lifting: Lifting) -> Lifted:
    lifted = lifting.done[node.inputs[0]]
    axes: list[int | None] = []
    for axis, entry in zip(lifted.axes, op.idx_list, strict=False):
        if axis is not None and entry != slice(None):
            raise MixingError(f"{op} takes a part of the plate")
        if not isinstance(entry, int):
            axes.append(axis)
    out_axes = (*axes, *lifted.axes[len(op.idx_list) :])
    value = Subtensor((slice(None), *op.idx_list))(lifted.value, *node.inputs[1:])
    return Lifted(value, out_axes)


def _take(array: TensorVariable, states: TensorVariable) -> TensorVariable:
    """Return ``array[states]``; where the states are all of its rows in order that is the array itself."""
    rows = array.type.shape[0]
    batch = states.type.ndim - 1
    if isinstance(states, Constant):
        data = np.asarray(states.data).ravel()
        if rows is not None and (data.size and (data.max() >= rows or data.min() < -rows)):
            raise ModelError(
                f"A discrete variable takes values up to {data.max()}, but {array.name or array}, which it indexes, "
                "has only "
                f"{rows} rows. Give both the same length."
            )
        if rows == data.size and np.array_equal(data, np.arange(rows)):
            return array.dimshuffle([0] + ["x"] * batch + list(range(1, array.type.ndim)))
    return array[states]


def _lift_advanced(op: AdvancedSubtensor, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Index by arrays, one of which is the discrete variable: ``mu[k]``, ``w[arange(n), k]``."""
    array, *indices = node.inputs
    entries = list(op.idx_list)
    arrays = len([e for e in entries if isinstance(e, int)])
    if any(not isinstance(e, int) for e in entries[:arrays]) or arrays != len(indices):
        raise MixingError(f"{op} mixes slices and arrays of indices")
    if any(e != slice(None) for e in entries[arrays:]):
        raise MixingError(f"{op} mixes slices and arrays of indices")
    if array in lifting.done:
        raise MixingError("what is indexed depends on the plate too")
    if any(i.type.dtype == "bool" for i in indices):
        raise MixingError("a mask depends on the plate")
    index_ndim = max(i.type.ndim for i in indices)
    axes = broadcast_axes(Apply(op, list(indices), []), lifting, [i.type.ndim for i in indices], index_ndim)
    rest = array.type.ndim - arrays
    if arrays == 1:
        states = lifting.done[indices[0]].value
        return [Lifted(_take(array, states), axes + (None,) * rest)]
    value = _take_along(array, indices, lifting, index_ndim)
    return [Lifted(value, axes + (None,) * rest)]


def _take_along(
    array: TensorVariable, indices: Sequence[TensorVariable], lifting: Lifting, index_ndim: int
) -> TensorVariable:
    fixed = [v if isinstance(v, TensorVariable) else pt.constant(v) for v in constant_fold(indices, False)]
    lifted = [lifting.value(i if i in lifting.done else f) for i, f in zip(indices, fixed, strict=True)]
    padded = [
        folded(v.dimshuffle([0] + ["x"] * (index_ndim - v.type.ndim + 1) + list(range(1, v.type.ndim)))) for v in lifted
    ]
    moved = _whole_rows(array, padded, lifting)
    return array[tuple(padded)] if moved is None else moved


def _whole_rows(array: TensorVariable, indices: Sequence[TensorVariable], lifting: Lifting) -> TensorVariable | None:
    """Return ``w[arange(n), k]`` at every state as a transpose of ``w``, if that is what it is."""
    order: list[int | str] = ["x"] * indices[0].type.ndim
    for axis, index in enumerate(indices):
        length = array.type.shape[axis]
        if not isinstance(index, Constant) or length is None:
            return None
        data = np.asarray(index.data)
        if data.size != length or not np.array_equal(data.ravel(), np.arange(length)):
            return None
        if length == 1:
            continue
        position = int(np.argmax(np.array(data.shape) == length))
        if order[position] != "x":
            return None
        order[position] = axis
    dropped = [i for i in range(len(indices)) if i not in order]
    if any(array.type.shape[i] != 1 for i in dropped):
        return None
    return array.dimshuffle([*order, *range(len(indices), array.type.ndim)])


RULES: dict[type, Rule] = {Subtensor: _lift_subtensor, AdvancedSubtensor: _lift_advanced}
