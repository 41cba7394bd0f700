"""Rows of what is read and written through indices."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)
from pytensor.tensor.variable import TensorVariable

from graphs.minibatch.taking import RowObstacle, Rule, Taken, TakenRows

_EVERYTHING = slice(None)


def _read(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Read slices and single elements."""
    array = node.inputs[0]
    entries = _entries(node, node.inputs[1:])
    own = [a for a, entry in enumerate(entries) if isinstance(entry, slice)][axis]
    return _with_slices(rows, array, entries, own, positions)


def _with_slices(rows: TakenRows, array: Any, entries: list[Any], own: int, positions: TensorVariable) -> Taken:
    """Take rows along an axis that a slice runs along, and read the others as before."""
    within = _range(rows, entries[own], int(array.type.shape[own]))
    if within is None:
        return RowObstacle("a slice has bounds that are not known")
    moved = positions
    if within != range(int(array.type.shape[own])):
        moved = rows.at(np.array(within, np.int64), positions)
    inner = rows.taken(array, own, moved)
    if isinstance(inner, RowObstacle):
        return inner
    read: TensorVariable = inner[tuple(_EVERYTHING if a == own else entry for a, entry in enumerate(entries))]
    return read


def _read_at(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Read at places that arrays of integers give."""
    array = node.inputs[0]
    found = _places(rows, node, node.inputs[1:])
    if found is None:
        return RowObstacle("elements are selected by a mask that varies")
    entries, places, first, together = found
    if not first <= axis < first + len(together):
        others = [a for a, entry in enumerate(entries) if isinstance(entry, slice)]
        return _with_slices(rows, array, entries, others[axis if axis < first else axis - len(together)], positions)
    dim = axis - first
    new = list(entries)
    for place in places:
        own = entries[place].type.ndim - len(together) + dim
        if own >= 0:
            taken = rows.taken(entries[place], own, positions)
            if isinstance(taken, RowObstacle):
                return taken
            new[place] = taken
    base = _base(
        rows, array, entries, new, [(p, entries[p].type.ndim - len(together) + dim) for p in places], positions
    )
    if isinstance(base, RowObstacle):
        return base
    read: TensorVariable = base[tuple(new)]
    return read


def _base(
    rows: TakenRows,
    array: Any,
    entries: list[Any],
    new: list[Any],
    own: list[tuple[int, int]],
    positions: TensorVariable,
) -> Taken:
    """Return what is read of: the elements alone that rows need, where it is computed and there are fewer of these.

    Of an axis that is taken, ``new`` has the numbers within the batch.
    """
    if not rows.is_varying(array):
        return rows.constant(array)
    for place, axis in own:
        length = int(array.type.shape[place])
        index = rows.data(entries[place])
        if index is None or axis < 0 or length <= rows.size or not index.size == index.shape[axis] > 1:
            continue
        where = index.ravel()
        taken = rows.taken(array, place, rows.at(np.where(where < 0, where + length, where), positions))
        if not isinstance(taken, RowObstacle):
            shape = [rows.size if a == axis else 1 for a in range(index.ndim)]
            if array.owner is not None:
                new[place] = pt.constant(np.arange(rows.size).reshape(shape))
                return taken
            return array
        if 2 * length > rows.number:
            return taken
    return array


def _write(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Write into an array: in each row the same, or other things in some rows."""
    array, update = node.inputs[:2]
    entries = _entries(node, node.inputs[2:])
    entry = entries[axis]
    is_everywhere = isinstance(entry, slice) and _range(rows, entry, int(array.type.shape[axis])) == range(
        int(array.type.shape[axis])
    )
    if isinstance(node.op, IncSubtensor) and is_everywhere:
        kept = [a for a, e in enumerate(entries) if isinstance(e, slice)]
        own = update.type.ndim - len(kept) + kept.index(axis)
        taken = rows.all_taken([array, update], [axis, own if own >= 0 else None], positions)
        if isinstance(taken, RowObstacle):
            return taken
        region = taken[0][tuple(entries)]
        written = pt.set_subtensor if node.op.set_instead_of_inc else pt.inc_subtensor
        return written(region, taken[1])
    return _written_in_places(rows, node, axis, positions)


def _written_in_places(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Choose element by element what was written there or what was there before."""
    array, update = node.inputs[:2]
    shape = [int(n) for n in array.type.shape]
    index = _known_index(rows, _entries(node, node.inputs[2:]))
    if index is None:
        return RowObstacle("it is written into places that are not known")
    written = np.full(shape, -1)
    region = written[index].shape
    written[index] = np.arange(prod(region)).reshape(region)
    is_once = int((written >= 0).sum()) == prod(region)
    if not is_once or (update.type.ndim and tuple(update.type.shape) != region):
        return RowObstacle("it is written into the same places again and again")
    if rows.is_varying(update) and update.type.ndim and 2 * prod(region) > rows.number and prod(region) > rows.size:
        return RowObstacle("most rows are written one by one")
    before = rows.taken(array, axis, positions)
    if isinstance(before, RowObstacle):
        return before
    where = rows.of_data(written, axis, positions)
    there = update.ravel()[pt.maximum(where, 0)] if update.type.ndim else update
    there = there if node.op.set_instead_of_inc else before + there
    chosen: TensorVariable = pt.switch(where >= 0, there, before)
    return chosen


def _entries(node: Apply, indices: Sequence[Variable]) -> list[Any]:
    """Return the entries of an index, one for each axis."""
    entries = list(indices_from_subtensor(list(indices), node.op.idx_list))
    num_axes = sum(getattr(e.type, "ndim", 0) if _is_mask(e) else 1 for e in entries)
    return [*entries, *[_EVERYTHING] * (node.inputs[0].type.ndim - num_axes)]


def _is_mask(entry: Any) -> bool:
    return isinstance(entry, Variable) and getattr(entry.type, "dtype", "") == "bool"


def _places(
    rows: TakenRows, node: Apply, indices: Sequence[Variable]
) -> tuple[list[Any], list[int], int, tuple[int, ...]] | None:
    """Return the entries, which of them are arrays, where their axes stand in the result, and their lengths."""
    entries: list[Any] = []
    for entry in _entries(node, indices):
        if not _is_mask(entry):
            entries.append(entry)
            continue
        if rows.data(entry) is None:
            return None
        entries += rows.places(entry)
    entries = [e if isinstance(e, slice) else rows.constant(e) for e in entries]
    places = [a for a, entry in enumerate(entries) if not isinstance(entry, slice)]
    together = np.broadcast_shapes(*(tuple(int(n) for n in entries[a].type.shape) for a in places))
    is_side_by_side = places == list(range(places[0], places[-1] + 1))
    return entries, places, places[0] if is_side_by_side else 0, together


def _range(rows: TakenRows, entry: slice, length: int) -> range | None:
    """Return the positions of a slice, None where they depend on more than data."""
    bounds: list[int | None] = []
    for bound in (entry.start, entry.stop, entry.step):
        if isinstance(bound, Variable):
            value = rows.data(bound)
            if value is None:
                return None
            bounds.append(int(value))
        else:
            bounds.append(bound)
    return range(*slice(*bounds).indices(length))


def _known_index(rows: TakenRows, entries: list[Any]) -> tuple[Any, ...] | None:
    """Return an index of NumPy's, None where it depends on more than data."""
    found: list[Any] = []
    for entry in entries:
        bounds = [entry.start, entry.stop, entry.step] if isinstance(entry, slice) else [entry]
        known = [rows.data(b) if isinstance(b, Variable) else b for b in bounds]
        if any(isinstance(b, Variable) and value is None for b, value in zip(bounds, known, strict=True)):
            return None
        is_slice = isinstance(entry, slice)
        found.append(slice(*(None if v is None else int(v) for v in known)) if is_slice else np.asarray(known[0]))
    return tuple(found)


INDEXING: dict[type, Rule] = {
    Subtensor: _read,
    AdvancedSubtensor: _read_at,
    IncSubtensor: _write,
    AdvancedIncSubtensor: _write,
}
