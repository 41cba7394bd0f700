"""Lift operations that treat elements alike: element-wise ones, reductions, moved and added axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, Constant
from pytensor.scalar.basic import Switch
from pytensor.tensor.basic import Alloc, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.shape import SpecifyShape

from graphs.lifting.state import Lifted, Lifting, MixingError, Rule, broadcast_axes


def _lift_elemwise(op: Elemwise, node: Apply, lifting: Lifting) -> list[Lifted]:
    ndim = node.outputs[0].type.ndim
    axes = broadcast_axes(node, lifting, [i.type.ndim for i in node.inputs], ndim)
    inputs = [lifting.value(i) for i in node.inputs]
    condition = inputs[0]
    if isinstance(op.scalar_op, Switch) and isinstance(condition, Constant):
        chosen = np.unique(np.asarray(condition.data).astype(bool))
        if chosen.size == 1:
            branch = node.inputs[1 if chosen[0] else 2]
            is_whole = branch.type.shape == node.outputs[0].type.shape
            if is_whole and branch in lifting.done and lifting.done[branch].axes == axes:
                return [lifting.done[branch]]
    return [Lifted(out, axes) for out in op.make_node(*inputs).outputs]


def _lift_blockwise(op: Blockwise, node: Apply, lifting: Lifting) -> list[Lifted]:
    cores = [len(core) for core in op.inputs_sig]
    batch_ndims = [i.type.ndim - core for i, core in zip(node.inputs, cores, strict=True)]
    for i, ndim in zip(node.inputs, batch_ndims, strict=True):
        axes = lifting.axes(i)
        if axes is not None and any(a is not None for a in axes[ndim:]):
            raise MixingError(f"{op} treats the plate as a vector or matrix")
    axes = broadcast_axes(node, lifting, batch_ndims, op.batch_ndim(node))
    outputs = op.make_node(*(lifting.value(i) for i in node.inputs)).outputs
    return [Lifted(out, axes + (None,) * (out.type.ndim - 1 - len(axes))) for out in outputs]


def _lift_dimshuffle(op: DimShuffle, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.done[node.inputs[0]]
    order = [0] + [axis if axis == "x" else axis + 1 for axis in op.new_order]
    axes = tuple(None if axis == "x" else lifted.axes[axis] for axis in op.new_order)
    return [Lifted(lifted.value.dimshuffle(order), axes)]


def _lift_reduction(op: CAReduce, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.done[node.inputs[0]]
    reduced = range(len(lifted.axes)) if op.axis is None else op.axis
    if any(lifted.axes[axis] is not None for axis in reduced):
        raise MixingError(f"{op} reduces along the plate")
    axes = tuple(a for i, a in enumerate(lifted.axes) if i not in reduced)
    return [Lifted(op.clone(axis=tuple(axis + 1 for axis in reduced))(lifted.value), axes)]


def _lift_alloc(op: Alloc, node: Apply, lifting: Lifting) -> list[Lifted]:
    value, *shape = node.inputs
    if any(s in lifting.done for s in shape):
        raise MixingError("a shape depends on a discrete variable")
    lifted = lifting.done[value]
    new = len(shape) - len(lifted.axes)
    axes = (None,) * new + lifted.axes
    source = lifted.value.dimshuffle([0] + ["x"] * new + list(range(1, len(lifted.axes) + 1)))
    # Along the plate a length of one stays: broadcasting does the rest.
    own, wanted = source.type.shape[1:], node.outputs[0].type.shape
    if all(a is not None or (n == m and n is not None) for a, n, m in zip(axes, own, wanted, strict=True)):
        return [Lifted(source, axes)]
    widths = [source.shape[i + 1] if a is not None else shape[i] for i, a in enumerate(axes)]
    return [Lifted(pt.alloc(source, source.shape[0], *widths), axes)]


def _lift_view(op: ViewOp, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.done[node.inputs[0]]
    return [Lifted(op(lifted.value), lifted.axes)]


def _lift_same(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    return [lifting.done[node.inputs[0]]]


RULES: dict[type, Rule] = {
    Elemwise: _lift_elemwise,
    Blockwise: _lift_blockwise,
    DimShuffle: _lift_dimshuffle,
    CAReduce: _lift_reduction,
    Alloc: _lift_alloc,
    ViewOp: _lift_view,
    SpecifyShape: _lift_same,
    ScalarFromTensor: _lift_same,
    TensorFromScalar: _lift_same,
}
