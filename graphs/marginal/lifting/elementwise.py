"""Lift operations that treat elements alike, and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, Constant
from pytensor.scalar.basic import Switch
from pytensor.tensor.basic import ScalarFromTensor, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.shape import SpecifyShape

from graphs.marginal.lifting.slots import aligned, check_number
from graphs.marginal.lifting.state import (
    Atoms,
    Lifted,
    Lifting,
    MixingError,
    Slot,
    first_along,
    folded,
    shuffled,
    take,
    widened,
)

_IDEMPOTENT = (ps.ScalarMaximum, ps.ScalarMinimum, ps.AND, ps.OR)


def _lift_elemwise(op: Elemwise, node: Apply, lifting: Lifting) -> list[Lifted]:
    parts = [lifting.get(i) for i in node.inputs]
    return apply_elementwise(op, parts, lifting)


def apply_elementwise(op: Elemwise, parts: Sequence[Lifted], lifting: Lifting) -> list[Lifted]:
    """Apply an element-wise operation to lifted arrays."""
    shape = np.broadcast_shapes(*(p.shape for p in parts))
    slots, values = aligned(parts, len(shape), lifting)
    if isinstance(op.scalar_op, Switch) and isinstance(values[0], Constant):
        chosen = np.unique(np.asarray(values[0].data).astype(bool))
        if chosen.size == 1:
            branch = parts[1 if chosen[0] else 2]
            if branch.shape == shape and branch.slots == slots:
                return [branch]
    return [Lifted(folded(out), slots, shape) for out in op.make_node(*values).outputs]


def _lift_dimshuffle(op: DimShuffle, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.get(node.inputs[0])
    count = len(lifted.slots)
    order = [*range(count), *("x" if axis == "x" else axis + count for axis in op.new_order)]
    shape = tuple(1 if axis == "x" else lifted.shape[axis] for axis in op.new_order)
    slots = tuple(Slot(s.size, _shuffled_atoms(s.atoms, op.new_order)) for s in lifted.slots)
    return [Lifted(shuffled(lifted.value, order), slots, shape)]


def _shuffled_atoms(atoms: Atoms, order: Sequence[int | str]) -> Atoms:
    kept = [axis for axis in order if isinstance(axis, int)]
    dropped = [axis for axis in range(atoms.ndim) if axis not in kept]
    moved = atoms.transpose([*dropped, *kept]).reshape([atoms.shape[axis] for axis in kept])
    return moved[tuple(None if axis == "x" else slice(None) for axis in order)]


def _lift_reduction(op: CAReduce, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.get(node.inputs[0])
    axes = range(len(lifted.shape)) if op.axis is None else op.axis
    return [reduce_axes(lifted, sorted((axis % len(lifted.shape) for axis in axes), reverse=True), op, lifting)]


def reduce_axes(lifted: Lifted, axes: Sequence[int], op: CAReduce, lifting: Lifting) -> Lifted:
    """Reduce over axes, the last one first; elements that depend on different atoms are combined one by one."""
    if any(lifted.shape[axis] == 0 for axis in axes):
        # What is made of no elements depends on none: any state will do.
        lifted = Lifted(folded(lifted.value[(0,) * len(lifted.slots)]), (), lifted.shape)
    varying = [axis for axis in axes if lifted.varies_along(axis)]
    if varying and lifting.is_cautious and isinstance(op.scalar_op, ps.Add):
        raise MixingError("a sum combines different discrete elements")
    fixed = [axis for axis in axes if axis not in varying]
    lifted = _reduced_together(lifted, fixed, op) if fixed else lifted
    for axis in varying:
        lifted = _reduced_one_by_one(lifted, axis, op, lifting)
    return _without_axes(lifted, axes)


def _without_axes(lifted: Lifted, axes: Sequence[int]) -> Lifted:
    kept = [axis for axis in range(len(lifted.shape)) if axis not in axes]
    count = len(lifted.slots)
    slots = tuple(Slot(s.size, _shuffled_atoms(s.atoms, kept)) for s in lifted.slots)
    value = shuffled(lifted.value, [*range(count), *(axis + count for axis in kept)])
    return Lifted(value, slots, tuple(lifted.shape[axis] for axis in kept))


def _reduced_together(lifted: Lifted, axes: Sequence[int], op: CAReduce) -> Lifted:
    """Reduce over axes along which no atom varies; they stay as axes of length one."""
    count = len(lifted.slots)
    is_idempotent = isinstance(op.scalar_op, _IDEMPOTENT) and all(lifted.shape[axis] for axis in axes)
    value = lifted.value if is_idempotent else _repeated(lifted, axes, op)
    places = [axis + count for axis in axes if lifted.lengths[axis] != 1 or value.type.shape[axis + count] != 1]
    if places:
        reduction = folded(op.clone(axis=tuple(sorted(places)))(value))
        order: list[int | str] = []
        kept = iter(range(reduction.type.ndim))
        order = ["x" if i in places else next(kept) for i in range(value.type.ndim)]
        value = shuffled(reduction, order)
    elif value.type.dtype != (dtype := op.make_node(value).outputs[0].type.dtype):
        value = folded(pt.cast(value, dtype))
    slots = tuple(Slot(s.size, first_along(s.atoms, axes)) for s in lifted.slots)
    shape = tuple(1 if i in axes else n for i, n in enumerate(lifted.shape))
    return Lifted(value, slots, shape)


def _repeated(lifted: Lifted, axes: Sequence[int], op: CAReduce) -> Any:
    """Count what stands once for many elements as often as it should be."""
    times = int(np.prod([lifted.shape[axis] for axis in axes if lifted.lengths[axis] == 1], dtype=int))
    if times == 1:
        return lifted.value
    if isinstance(op.scalar_op, ps.Add):
        return folded(lifted.value * np.asarray(times, dtype=_product_dtype(lifted.value.type.dtype)))
    return widened(lifted, axes)


def _product_dtype(dtype: str) -> str:
    return "int64" if np.dtype(dtype).kind in "biu" else dtype


def _reduced_one_by_one(lifted: Lifted, axis: int, op: CAReduce, lifting: Lifting) -> Lifted:
    check_number(lifted, axis, lifting)
    groups = _groups_along(lifted, axis)
    pieces = [_reduced_together(take(lifted, axis, group), [axis], op) for group in groups]
    total = pieces[0]
    for piece in pieces[1:]:
        [total] = apply_elementwise(_pairwise(op), [total, piece], lifting)
    return total


def _pairwise(op: CAReduce) -> Elemwise:
    """Return the operation that a reduction applies to pairs."""
    typed = {ps.Add: ps.add, ps.Mul: ps.mul, ps.AND: ps.and_, ps.OR: ps.or_}
    return Elemwise(typed.get(type(op.scalar_op), op.scalar_op))


def _groups_along(lifted: Lifted, axis: int) -> list[Any]:
    """Return groups of positions along an axis that depend on the same atoms."""
    length = lifted.shape[axis]
    columns = []
    for slot in lifted.slots:
        moved = np.moveaxis(slot.atoms, axis, 0)
        flat = np.broadcast_to(moved, (length, *moved.shape[1:])).reshape(length, -1)
        columns.append(flat)
    _, inverse = np.unique(np.concatenate(columns, axis=1), axis=0, return_inverse=True)
    inverse = inverse.ravel()
    first = list(dict.fromkeys(inverse.tolist()))
    return [np.flatnonzero(inverse == label) for label in first]


def _lift_dot(op: Dot, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift a product of vectors or matrices as a sum of products."""
    left, right = (lifting.get(i) for i in node.inputs)
    axis = len(left.shape) - 1
    is_summed = not left.varies_along(axis) and not right.varies_along(0)
    if is_summed and not right.slots:
        return [_times(left, right, is_left=True)]
    if is_summed and not left.slots:
        return [_times(right, left, is_left=False)]
    ndim = len(left.shape) + len(right.shape) - 2
    total_ndim = ndim + 1
    rows = len(left.shape) - 1
    # Axes: rows of the left one, columns of the right one, then what is summed over.
    first = _laid_out(left, [*range(rows), *["x"] * (total_ndim - rows - 1), axis])
    second = _laid_out(right, [*["x"] * rows, *range(1, len(right.shape)), 0])
    [product] = apply_elementwise(Elemwise(ps.mul), [first, second], lifting)
    return [reduce_axes(product, [total_ndim - 1], Sum(), lifting)]


def lift_matmul(op: Blockwise, node: Apply, lifting: Lifting) -> list[Lifted] | None:
    """Lift products of matrices as sums of products, rows apart from each other; None where no state is within them."""
    left, right = (lifting.get(i) for i in node.inputs)
    batch = op.batch_ndim(node)
    if not any(part.varies_along(batch + axis) for part in (left, right) for axis in (0, 1)):
        return None
    if not batch:
        return _lift_dot(op.core_op, node, lifting)
    first = _laid_out(left, [*range(batch + 1), "x", batch + 1])
    second = _laid_out(right, [*range(batch), "x", batch + 1, batch])
    [product] = apply_elementwise(Elemwise(ps.mul), [first, second], lifting)
    return [reduce_axes(product, [batch + 2], Sum(), lifting)]


def _times(lifted: Lifted, other: Lifted, *, is_left: bool) -> Lifted:
    """Return the product with a matrix or vector without states, the axis that is summed over being of one atom."""
    axis, other_axis = (len(lifted.shape) - 1, 0) if is_left else (0, len(other.shape) - 1)
    count = len(lifted.slots)
    value = pt.tensordot(widened(lifted, [axis]), other.value, axes=[[count + axis], [other_axis]])
    kept = [n for i, n in enumerate(lifted.shape) if i != axis]
    added = [n for i, n in enumerate(other.shape) if i != other_axis]
    atoms = [s.atoms.take([0], axis).squeeze(axis) for s in lifted.slots]
    if is_left:
        slots = tuple(Slot(s.size, a[(..., *(None,) * len(added))]) for s, a in zip(lifted.slots, atoms, strict=True))
        return Lifted(folded(value), slots, (*kept, *added))
    ndim = value.type.ndim
    own = [*range(count), *range(count + len(kept), ndim), *range(count, count + len(kept))]
    slots = tuple(Slot(s.size, a[(None,) * len(added)]) for s, a in zip(lifted.slots, atoms, strict=True))
    return Lifted(folded(shuffled(value, own)), slots, (*added, *kept))


def _laid_out(lifted: Lifted, order: Sequence[int | str]) -> Lifted:
    count = len(lifted.slots)
    value = shuffled(lifted.value, [*range(count), *("x" if a == "x" else a + count for a in order)])  # type: ignore[operator]
    slots = tuple(Slot(s.size, _shuffled_atoms(s.atoms, order)) for s in lifted.slots)
    return Lifted(value, slots, tuple(1 if a == "x" else lifted.shape[a] for a in order))  # type: ignore[index]


def _lift_view(op: ViewOp, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.get(node.inputs[0])
    return [Lifted(op(lifted.value), lifted.slots, lifted.shape)]


def _lift_same(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    return [lifting.get(node.inputs[0])]


RULES: dict[type, Any] = {
    Elemwise: _lift_elemwise,
    DimShuffle: _lift_dimshuffle,
    CAReduce: _lift_reduction,
    Dot: _lift_dot,
    ViewOp: _lift_view,
    SpecifyShape: _lift_same,
    ScalarFromTensor: _lift_same,
    TensorFromScalar: _lift_same,
}
