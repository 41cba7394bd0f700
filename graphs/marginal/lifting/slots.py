"""What brings the slots of lifted arrays together: to be broadcast, to be joined, to vary along no axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.lifting.state import (
    ABSENT,
    MOST_SLOTS,
    Atoms,
    Lifted,
    Lifting,
    Slot,
    TooLargeError,
    folded,
    padded,
    shuffled,
    take,
)


def _same(a: Atoms, b: Atoms) -> bool:
    return a is b or (a.shape == b.shape and bool(np.array_equal(a, b)))


def _union(a: Atoms, b: Atoms) -> Atoms | None:
    """Return the atoms of two slots that can share one axis, None where some element depends on two atoms."""
    if _same(a, b):
        return a
    is_compatible = (a == b) | (a == ABSENT) | (b == ABSENT)
    if not np.all(is_compatible):
        return None
    return np.where(a == ABSENT, b, a)


def merge_slots(parts: Sequence[Sequence[Slot]], ndim: int) -> tuple[list[Slot], list[list[int]]]:
    """Find the slots of what depends on all parts, element by element.

    Returns
    -------
    slots : list of Slot
        Of the result; their atoms have ``ndim`` axes.
    places : list of list of int
        For each part the positions of its slots among them.
    """
    slots: list[Slot] = []
    places: list[list[int]] = []
    for part in parts:
        own: list[int] = []
        for slot in part:
            atoms = padded(slot.atoms, ndim)
            place, merged = _find_place(slots, own, slot.size, atoms)
            if place == len(slots):
                slots.append(Slot(slot.size, merged))
            else:
                slots[place] = Slot(slot.size, merged)
            own.append(place)
        places.append(own)
    return slots, places


def _find_place(slots: Sequence[Slot], taken: Sequence[int], size: int, atoms: Atoms) -> tuple[int, Atoms]:
    free = [i for i, slot in enumerate(slots) if i not in taken and slot.size == size]
    for i in free:
        if _same(slots[i].atoms, atoms):
            return i, slots[i].atoms
    for i in free:
        union = _union(slots[i].atoms, atoms)
        if union is not None:
            return i, union
    return len(slots), atoms


def on_slots(lifted: Lifted, places: Sequence[int], num_slots: int, ndim: int) -> TensorVariable:
    """Return the value with axes for ``num_slots`` slots and ``ndim`` element axes; new ones have length one."""
    order: list[int | str] = ["x"] * num_slots
    for own, place in enumerate(places):
        order[place] = own
    count = len(lifted.slots)
    missing = ndim - len(lifted.shape)
    return shuffled(lifted.value, [*order, *["x"] * missing, *range(count, count + len(lifted.shape))])


def aligned(
    parts: Sequence[Lifted], ndim: int, lifting: Lifting, cores: Sequence[int] | None = None
) -> tuple[tuple[Slot, ...], list[TensorVariable]]:
    """Bring lifted arrays to common slots, so that they can be broadcast against each other.

    Parameters
    ----------
    parts : sequence of Lifted
        The arrays.
    ndim : int
        Number of element axes of the result, the last axes ``cores`` of each part not counted.
    cores : sequence of int, optional
        How many of the last axes of each part are not broadcast; nothing may vary along them.
    """
    cores = [0] * len(parts) if cores is None else cores
    batches = [
        [Slot(s.size, _without_core(s.atoms, core)) for s in p.slots] for p, core in zip(parts, cores, strict=True)
    ]
    slots, places = merge_slots(batches, ndim)
    lifting.check_size(slots)
    values = [on_slots(p, place, len(slots), ndim + core) for p, place, core in zip(parts, places, cores, strict=True)]
    return tuple(slots), values


def _without_core(atoms: Atoms, core: int) -> Atoms:
    # Nothing varies along the core axes.
    return atoms[(slice(None),) * (atoms.ndim - core) + (0,) * core] if core else atoms


def joined(parts: Sequence[Lifted], axis: int, lifting: Lifting) -> Lifted:
    """Join arrays along an axis; their slots share axes of states as far as their sizes allow."""
    ndim = len(parts[0].shape)
    shape = list(parts[0].shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    sizes: list[int] = []
    places: list[list[int]] = []
    for part in parts:
        own: list[int] = []
        for slot in part.slots:
            free = [i for i, size in enumerate(sizes) if size == slot.size and i not in own]
            if not free:
                sizes.append(slot.size)
                free = [len(sizes) - 1]
            own.append(free[0])
        places.append(own)
    slots = tuple(Slot(size, _joined_atoms(parts, places, i, axis)) for i, size in enumerate(sizes))
    lifting.check_size(slots)
    if all(p.value is parts[0].value and p.lengths == (1,) * ndim and len(p.slots) == len(sizes) for p in parts):
        return Lifted(parts[0].value, slots, tuple(shape))
    lengths = [max(p.lengths[i] for p in parts) for i in range(ndim)]
    values = []
    for part, own in zip(parts, places, strict=True):
        full = [part.shape[i] if i == axis else n for i, n in enumerate(lengths)]
        value = on_slots(part, own, len(sizes), ndim)
        wanted = (*sizes, *full)
        values.append(value if value.type.shape == wanted else folded(pt.alloc(value, *wanted)))
    if len(values) == 1:
        return Lifted(values[0], slots, tuple(shape))
    return Lifted(folded(pt.concatenate(values, axis=len(sizes) + axis)), slots, tuple(shape))


def _joined_atoms(parts: Sequence[Lifted], places: Sequence[Sequence[int]], slot: int, axis: int) -> Atoms:
    pieces = []
    for part, own in zip(parts, places, strict=True):
        atoms = part.slots[own.index(slot)].atoms if slot in own else np.full((1,) * len(part.shape), ABSENT)
        lengths = [part.shape[i] if i == axis else n for i, n in enumerate(atoms.shape)]
        pieces.append(np.broadcast_to(atoms, lengths))
    widest = np.broadcast_shapes(*(tuple(1 if i == axis else n for i, n in enumerate(p.shape)) for p in pieces))
    full = [np.broadcast_to(p, [p.shape[axis] if i == axis else n for i, n in enumerate(widest)]) for p in pieces]
    return np.concatenate(full, axis=axis)


def check_number(lifted: Lifted, axis: int, lifting: Lifting) -> None:
    """Raise before many small tables are made, if there are too many atoms along an axis."""
    for slot in lifted.slots:
        line = np.moveaxis(slot.atoms, axis, 0).reshape(slot.atoms.shape[axis], -1)[:, 0]
        atoms = np.unique(line[line != ABSENT])
        is_large = len(atoms) * np.log2(slot.size) > np.log2(lifting.max_states) + 1e-9
        if is_large or len(atoms) > MOST_SLOTS:
            reason = (
                f"one term depends on {len(atoms)} discrete elements at once, {slot.size}^{len(atoms)} joint states"
            )
            raise TooLargeError(reason, atoms.tolist())


def spread(lifted: Lifted, axis: int, lifting: Lifting) -> Lifted:
    """Return the same array with slots whose atoms do not vary along an axis: one for each atom along it."""
    if not lifted.varies_along(axis):
        return lifted
    check_number(lifted, axis, lifting)
    pieces = [take(lifted, axis, np.array([i])) for i in range(lifted.shape[axis])]
    slots, places = merge_slots([p.slots for p in pieces], len(lifted.shape))
    lifting.check_size(slots)
    sizes = [slot.size for slot in slots]
    lengths = [max(p.lengths[i] for p in pieces) for i in range(len(lifted.shape))]
    values = [on_slots(p, own, len(slots), len(lifted.shape)) for p, own in zip(pieces, places, strict=True)]
    full = [folded(pt.alloc(v, *sizes, *lengths)) for v in values]
    return Lifted(folded(pt.concatenate(full, axis=len(slots) + axis)), tuple(slots), lifted.shape)
