"""Lift operations on whole vectors and matrices, once for each joint state of the atoms in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.basic import ExtractDiag
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Dot
from pytensor.tensor.special import LogSoftmax, Softmax
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.lifting.elementwise import lift_matmul
from graphs.marginal.lifting.engine import lift_nodes
from graphs.marginal.lifting.slots import aligned, spread
from graphs.marginal.lifting.state import Lifted, Lifting, MixingError, Slot, folded, widened
from graphs.surgery.rebuilding import opened


def _lift_blockwise(op: Blockwise, node: Apply, lifting: Lifting) -> list[Lifted]:
    if isinstance(op.core_op, Dot):
        try:
            if (products := lift_matmul(op, node, lifting)) is not None:
                return products
        except MixingError:
            pass  # Of few atoms on long axes, all states at once are fewer.
    cores = [len(core) for core in op.inputs_sig]
    parts = []
    for variable, core in zip(node.inputs, cores, strict=True):
        lifted = lifting.get(variable)
        if not lifted.slots:
            parts.append(lifted)
            continue
        axes = range(len(lifted.shape) - core, len(lifted.shape))
        for axis in axes:
            lifted = spread(lifted, axis, lifting)
        parts.append(Lifted(widened(lifted, axes), lifted.slots, lifted.shape))
    batch_ndim = op.batch_ndim(node)
    slots, values = aligned(parts, batch_ndim, lifting, cores)
    outputs = op.make_node(*values).outputs
    return [
        Lifted(folded(out), _with_core(slots, len(core)), lifting.shape_of(old))
        for out, old, core in zip(outputs, node.outputs, op.outputs_sig, strict=True)
    ]


def _with_core(slots: Sequence[Slot], core: int) -> tuple[Slot, ...]:
    return tuple(Slot(s.size, s.atoms.reshape((*s.atoms.shape, *(1,) * core))) for s in slots) if core else tuple(slots)


def _lift_along_axes(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift softmax, a cumulative sum, a diagonal: operations on vectors or matrices that lie along some axes."""
    lifted = lifting.get(node.inputs[0])
    ndim, count = len(lifted.shape), len(lifted.slots)
    axes = [axis % ndim for axis in _axes_of(op, ndim)]
    for axis in axes:
        lifted = spread(lifted, axis, lifting)
    count = len(lifted.slots)
    out = folded(_with_axes(op, [axis + count for axis in axes])(widened(lifted, axes)))
    if isinstance(op, ExtractDiag):
        kept = [axis for axis in range(ndim) if axis not in axes]
        slots = tuple(Slot(s.size, s.atoms.squeeze(tuple(axes)).reshape(_kept(s, kept))) for s in lifted.slots)
        return [
            Lifted(out, slots, (*(lifted.shape[axis] for axis in kept), int(lifting.shape_of(node.outputs[0])[-1])))
        ]
    return [Lifted(out, lifted.slots, lifted.shape)]


def _kept(slot: Slot, kept: Sequence[int]) -> tuple[int, ...]:
    return (*(slot.atoms.shape[axis] for axis in kept), 1)


def _axes_of(op: Any, ndim: int) -> list[int]:
    if isinstance(op, ExtractDiag):
        return [op.axis1, op.axis2]
    if op.axis is None:
        return list(range(ndim))
    return list(op.axis) if isinstance(op.axis, tuple | list) else [op.axis]


def _with_axes(op: Any, axes: list[int]) -> Any:
    if isinstance(op, ExtractDiag):
        return ExtractDiag(op.offset, axes[0], axes[1])
    if isinstance(op, CumOp):
        return CumOp(axis=axes[0], mode=op.mode)
    return lambda x: (pt.special.softmax if isinstance(op, Softmax) else pt.special.log_softmax)(x, axis=tuple(axes))


def lift_batched(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift any operation: evaluate it as a whole for each joint state of all the atoms in its inputs."""
    if isinstance(op, OpFromGraph):
        return _lift_inner_graph(op, node, lifting)
    parts = {}
    for variable in dict.fromkeys(node.inputs):
        if not lifting.depends(variable):
            continue
        lifted = lifting.get(variable)
        for axis in range(len(lifted.shape)):
            lifted = spread(lifted, axis, lifting)
        whole = Lifted(widened(lifted, range(len(lifted.shape))), lifted.slots, lifted.shape)
        parts[variable] = whole
    # Nothing varies along the axes of the arrays any more: all of them are core axes.
    slots, values = aligned(list(parts.values()), 0, lifting, [len(p.shape) for p in parts.values()])
    full = [
        pt.alloc(v, *(s.size for s in slots), *p.shape)
        if v.type.shape[: len(slots)] != tuple(s.size for s in slots)
        else v
        for v, p in zip(values, parts.values(), strict=True)
    ]
    stand_ins = {variable: variable.type() for variable in parts}
    outputs = list(op.make_node(*(stand_ins.get(i, i) for i in node.inputs)).outputs)
    replacements = dict(zip(stand_ins.values(), full, strict=True))
    try:
        batched = vectorize_graph(outputs, replacements)
    except (NotImplementedError, ValueError, TypeError) as error:
        raise MixingError(f"it is not known how {op} treats the states of discrete variables") from error
    lifted_outputs = []
    for out, old in zip(batched, node.outputs, strict=True):
        shape = lifting.shape_of(old)
        lifted_outputs.append(Lifted(_shaped(out, slots, shape), _with_core(slots, len(shape)), shape))
    return lifted_outputs


def _shaped(out: TensorVariable, slots: Sequence[Slot], shape: tuple[int, ...]) -> TensorVariable:
    wanted = (*(s.size for s in slots), *shape)
    return out if out.type.shape == wanted else pt.specify_shape(out, wanted)


def _lift_inner_graph(op: OpFromGraph, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Open a graph in a graph, and lift what is inside."""
    inner = opened(op.inner_outputs, dict(zip(op.inner_inputs, node.inputs, strict=True)))
    lift_nodes(inner, lifting)
    return [lifting.get(out) for out in inner]


RULES: dict[type, Any] = {
    Blockwise: _lift_blockwise,
    Softmax: _lift_along_axes,
    LogSoftmax: _lift_along_axes,
    CumOp: _lift_along_axes,
    ExtractDiag: _lift_along_axes,
    object: lift_batched,
}
