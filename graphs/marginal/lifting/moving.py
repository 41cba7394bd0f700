"""Lift operations that lay elements out anew: joining, stacking, reshaping, repeating, setting a part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Alloc, Join, MakeVector
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.extra_ops import Repeat
from pytensor.tensor.shape import Reshape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, IncSubtensor
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.lifting.elementwise import apply_elementwise
from graphs.marginal.lifting.engine import lift_nodes
from graphs.marginal.lifting.indexing import check_states, index_fixed, indices_of
from graphs.marginal.lifting.slots import joined
from graphs.marginal.lifting.state import ABSENT, Lifted, Lifting, MixingError, Slot, folded, padded, shuffled, widened
from graphs.surgery.known import known_value

MOST_ADDED = 10_000_000
"""Elements that are added, times the most that are added at one place: each of these is an array of all."""


def _lift_join(op: Join, node: Apply, lifting: Lifting) -> list[Lifted]:
    parts = [lifting.get(i) for i in node.inputs]
    return [joined(parts, op.axis % len(parts[0].shape), lifting)]


def _lift_vector(op: MakeVector, node: Apply, lifting: Lifting) -> list[Lifted]:
    scalars = [lifting.get(i) for i in node.inputs]
    # Scalars of the same states share a value.
    distinct = {s.value: s for s in scalars}
    values = {value: shuffled(value, [*range(len(s.slots)), "x"]) for value, s in distinct.items()}
    parts = [Lifted(values[s.value], tuple(Slot(t.size, t.atoms.reshape(1)) for t in s.slots), (1,)) for s in scalars]
    return [joined(parts, 0, lifting)]


def _lift_reshape(op: Reshape, node: Apply, lifting: Lifting) -> list[Lifted]:
    lifted = lifting.get(node.inputs[0])
    return [reshaped(lifted, lifting.shape_of(node.outputs[0]))]


def reshaped(lifted: Lifted, shape: tuple[int, ...]) -> Lifted:
    """Lay the elements out in another shape, in the same order."""
    sizes = [s.size for s in lifted.slots]
    if all(n == 1 for n in lifted.lengths):
        count = len(sizes)
        value = folded(lifted.value.reshape((*sizes, *(1,) * len(shape)))) if len(shape) else lifted.value
        if not len(shape) and value.type.ndim > count:
            value = folded(value.reshape(sizes))
    else:
        value = folded(widened(lifted, range(len(lifted.shape))).reshape((*sizes, *shape)))
    slots = tuple(Slot(s.size, np.broadcast_to(s.atoms, lifted.shape).reshape(shape)) for s in lifted.slots)
    return Lifted(value, slots, shape)


def _lift_alloc(op: Alloc, node: Apply, lifting: Lifting) -> list[Lifted]:
    value, *lengths = node.inputs
    if any(lifting.depends(n) for n in lengths):
        raise MixingError("a shape depends on a discrete variable")
    lifted = lifting.get(value)
    shape = lifting.shape_of(node.outputs[0])
    missing, count = len(shape) - len(lifted.shape), len(lifted.slots)
    # What is repeated needs no memory: an axis of length one stands for it.
    order = [*range(count), *["x"] * missing, *range(count, count + len(lifted.shape))]
    slots = tuple(Slot(s.size, padded(s.atoms, len(shape))) for s in lifted.slots)
    return [Lifted(shuffled(lifted.value, order), slots, shape)]


def _lift_repeat(op: Repeat, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift repetitions of elements as indexing."""
    repeats = None if lifting.depends(node.inputs[1]) else known_value(node.inputs[1])
    if repeats is None:
        raise MixingError("the numbers of repetitions are not known")
    lifted = lifting.get(node.inputs[0])
    index = np.repeat(np.arange(lifted.shape[op.axis]), repeats)
    return [index_fixed(lifted, [*[slice(None)] * op.axis, index])]


def _lift_set(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift setting or increasing a part of an array."""
    array, part, *inputs = node.inputs
    entries = indices_of(op, inputs, lifting)
    if any(lifting.depends(i) for i in inputs):
        written = _set_where_equal(op, array, part, entries, lifting)
        lift_nodes([written], lifting)
        return [lifting.get(written)]
    target, source = lifting.get(array), lifting.get(part)
    numbers = np.arange(int(np.prod(target.shape, dtype=int))).reshape(target.shape)
    chosen = index_fixed(Lifted(pt.constant(numbers), (), target.shape), entries)
    assert isinstance(chosen.value, Constant)
    places = np.asarray(chosen.value.data)
    if not places.size:
        return [target]
    if op.set_instead_of_inc:
        laid_out, is_chosen = _laid_out(source, places, target.shape)
        return [_chosen(laid_out, target, is_chosen, lifting)]
    most = int(np.bincount(places.ravel() - places.min()).max())
    if most * places.size > MOST_ADDED:
        raise MixingError(f"{op} adds up to {most} of {places.size} elements at one place, more than can be told apart")
    zeros = Lifted(pt.zeros((1,) * len(target.shape), dtype=node.outputs[0].type.dtype), (), target.shape)
    total = target
    for chosen_places in _distinct(places):
        laid_out, is_chosen = _laid_out(source, chosen_places, target.shape)
        added = _chosen(laid_out, zeros, is_chosen, lifting)
        total = apply_elementwise(Elemwise(ps.add), [total, added], lifting)[0]
    return [total]


def _distinct(places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Take positions apart into arrays in which none occurs twice; -1 stands where an element is left out."""
    flat = places.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], flat[order])
    turn = np.empty(flat.size, np.int64)
    turn[order] = np.arange(flat.size) - starts
    return [np.where(turn == t, flat, -1).reshape(places.shape) for t in range(int(turn.max()) + 1)]


def _set_where_equal(op: Any, array: Any, part: Any, entries: list[Any], lifting: Lifting) -> TensorVariable:
    """Write ``x[i, k] = v``, ``k`` discrete, as ``x[i, :] = switch(k == positions, v, x[i, :])``."""
    if any(isinstance(e, slice) for e in entries):
        raise MixingError(f"{op} sets slices at positions that depend on a discrete variable")
    [place, *more] = [i for i, e in enumerate(entries) if isinstance(e, Variable)]
    if more:
        raise MixingError(f"{op} sets elements at positions that depend on two discrete variables")
    index = entries[place]
    length = lifting.shape_of(array)[place]
    check_states([lifting.get(index).value], [length], array)
    shape = np.broadcast_shapes(*(lifting.shape_of(e) if isinstance(e, Variable) else np.shape(e) for e in entries))
    known = [np.broadcast_to(e, shape)[..., None] for e in entries if not isinstance(e, Variable)]
    rows = np.stack([k.ravel() for k in known], axis=-1) if known else np.zeros((int(np.prod(shape)), 0))
    if len(np.unique(rows, axis=0)) < len(rows):
        raise MixingError(f"{op} sets several elements at positions that depend on a discrete variable, maybe the same")
    positions = np.arange(length)
    known.insert(place, positions)
    rest = array.type.ndim - len(entries)
    wanted = pt.broadcast_to(index, shape)
    is_there = pt.eq(pt.switch(wanted < 0, wanted + length, wanted)[..., None], positions)
    value = pt.expand_dims(pt.broadcast_to(part, (*shape, *lifting.shape_of(array)[len(entries) :])), len(shape))
    before = array[tuple(known)]
    new = value if op.set_instead_of_inc else before + value
    chosen = pt.switch(is_there[(..., *(None,) * rest)], new, before)
    return pt.set_subtensor(before, chosen)


def _laid_out(source: Lifted, places: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[Lifted, NDArray[np.bool_]]:
    """Return for every element of the target the element that it is set to; the first one where it is not set.

    Places of -1 are left out.
    """
    size = int(np.prod(shape, dtype=int))
    origin, is_chosen = np.zeros(size, np.int64), np.zeros(size, bool)
    sources = np.broadcast_to(np.arange(int(np.prod(source.shape, dtype=int))).reshape(source.shape), places.shape)
    used = places.ravel() >= 0
    origin[places.ravel()[used]] = sources.ravel()[used]
    is_chosen[places.ravel()[used]] = True
    flat = reshaped(source, (int(np.prod(source.shape, dtype=int)),))
    return reshaped(index_fixed(flat, [origin]), shape), is_chosen.reshape(shape)


def _chosen(inside: Lifted, outside: Lifted, is_inside: NDArray[np.bool_], lifting: Lifting) -> Lifted:
    """Return one array within a mask and another one outside it; each element keeps only its own atoms."""
    parts = [_masked(inside, is_inside), _masked(outside, ~is_inside)]
    mask = Lifted(pt.constant(is_inside), (), is_inside.shape)
    # Joined on a new axis their slots are shared, whatever their atoms; then each element takes its own.
    pair = joined([_new_axis(part) for part in parts], 0, lifting)
    count = len(pair.slots)
    slots = tuple(Slot(s.size, _either(s, is_inside)) for s in pair.slots)
    first, second = (pair.value[(slice(None),) * count + (i,)] for i in (0, 1))
    value = pt.switch(mask.value, first, second)
    return Lifted(value, slots, is_inside.shape)


def _new_axis(lifted: Lifted) -> Lifted:
    count = len(lifted.slots)
    order = [*range(count), "x", *range(count, count + len(lifted.shape))]
    slots = tuple(Slot(s.size, s.atoms[None]) for s in lifted.slots)
    return Lifted(shuffled(lifted.value, order), slots, (1, *lifted.shape))


def _masked(lifted: Lifted, keep: NDArray[np.bool_]) -> Lifted:
    slots = tuple(Slot(s.size, np.where(keep, s.atoms, ABSENT)) for s in lifted.slots)
    return Lifted(lifted.value, slots, lifted.shape)


def _either(slot: Slot, is_inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    first, second = np.broadcast_to(slot.atoms, (2, *is_inside.shape))
    return np.where(is_inside, first, second)


RULES: dict[type, Any] = {
    Join: _lift_join,
    MakeVector: _lift_vector,
    Reshape: _lift_reshape,
    Alloc: _lift_alloc,
    IncSubtensor: _lift_set,
    AdvancedIncSubtensor: _lift_set,
    Repeat: _lift_repeat,
}
