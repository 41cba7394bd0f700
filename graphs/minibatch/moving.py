"""Rows of what moves elements: axes in another order, repetitions, shapes, arrays joined, indices."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.basic import Alloc, AllocEmpty, Join
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.variable import TensorVariable

from graphs.minibatch.taking import RowObstacle, Rule, Taken, TakenRows


def _reordered(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    inner = rows.taken(node.inputs[0], node.op.new_order[axis], positions)
    return inner if isinstance(inner, RowObstacle) else node.op(inner)


def lengths_of_batch(variable: Variable, axis: int, size: int) -> list[int]:
    """Return the shape of a variable of which ``size`` rows are taken."""
    return [size if i == axis else int(n) for i, n in enumerate(variable.type.shape)]


def _repeated(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    value = node.inputs[0]
    own = axis - (node.outputs[0].type.ndim - value.type.ndim)
    inner = value if own < 0 else rows.taken(value, own, positions)
    if isinstance(inner, RowObstacle):
        return inner
    repeated: TensorVariable = pt.alloc(inner, *lengths_of_batch(node.outputs[0], axis, rows.size))
    return repeated


def _empty(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Make room for what is written over before it is read."""
    shape = lengths_of_batch(node.outputs[0], axis, rows.size)
    empty: TensorVariable = pt.zeros(shape, dtype=node.outputs[0].type.dtype)
    return empty


def _reshaped(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Reshape what is before and after the axis of the rows."""
    array, out = node.inputs[0], node.outputs[0]
    shape, new = array.type.shape, [int(n) for n in out.type.shape]
    for own in range(len(shape)):
        if prod(shape[:own]) == prod(new[:axis]) and shape[own] == new[axis]:
            inner = rows.taken(array, own, positions)
            if isinstance(inner, RowObstacle):
                return inner
            reshaped: TensorVariable = inner.reshape(lengths_of_batch(out, axis, rows.size))
            return reshaped
    return RowObstacle("its rows are taken apart and put together again (reshape)")


def _specified(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    return rows.taken(node.inputs[0], axis, positions)


def _joined(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Join along another axis; along that of the rows, choose row by row which array it is from."""
    ndim = node.outputs[0].type.ndim
    along = node.op.axis % ndim
    if along != axis:
        inputs = rows.all_taken(node.inputs, [axis] * len(node.inputs), positions)
        if isinstance(inputs, RowObstacle):
            return inputs
        joined: TensorVariable = pt.join(along, *inputs)
        return joined
    found: Any = None
    end = 0
    places = np.arange(int(node.outputs[0].type.shape[axis]))
    for part in node.inputs:
        begin, end = end, end + int(part.type.shape[axis])
        if begin == end:
            continue
        inner = rows.taken(part, axis, rows.at(np.clip(places - begin, 0, end - begin - 1), positions))
        if isinstance(inner, RowObstacle):
            return inner
        is_later = rows.of_data(
            (places >= begin).reshape([-1 if i == axis else 1 for i in range(ndim)]), axis, positions
        )
        found = inner if found is None else pt.switch(is_later, inner, found)
    return found


MOVING: dict[type, Rule] = {
    DimShuffle: _reordered,
    Alloc: _repeated,
    AllocEmpty: _empty,
    Reshape: _reshaped,
    SpecifyShape: _specified,
    Join: _joined,
}
