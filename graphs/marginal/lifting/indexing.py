"""Lift indexing: by discrete variables, and of what depends on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Split
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor, indices_from_subtensor
from pytensor.tensor.type_other import NoneTypeT
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.marginal.lifting.slots import aligned, spread
from graphs.marginal.lifting.state import Lifted, Lifting, MixingError, Slot, folded, padded, shuffled, widened
from graphs.surgery.known import known_value

Entry = Any
"""A slice of numbers, an integer array, or a variable."""


def indices_of(op: Any, inputs: Sequence[Variable], lifting: Lifting) -> list[Entry]:
    """Return what an array is indexed by: slices and integer arrays where these are known, variables else.

    Raises
    ------
    MixingError
        If a slice is not known.
    """
    return [_entry(index, lifting) for index in indices_from_subtensor(list(inputs), op.idx_list)]


def _entry(index: Any, lifting: Lifting) -> Entry:
    if isinstance(index, slice):
        return slice(*(_number(bound, lifting) for bound in (index.start, index.stop, index.step)))
    if index is None or isinstance(getattr(index, "type", None), NoneTypeT):
        raise MixingError("new axes among indices are not supported")
    if not isinstance(index, Variable):
        return np.asarray(index)
    if lifting.depends(index):
        return index
    known = known_value(index)
    return index if known is None else known


def _number(bound: Any, lifting: Lifting) -> int | None:
    if bound is None or isinstance(bound, int | np.integer):
        return bound if bound is None else int(bound)
    if isinstance(bound.type, NoneTypeT):
        return None
    if lifting.depends(bound):
        raise MixingError("the bounds of a slice depend on a discrete variable: write it as pt.switch instead")
    known = known_value(bound)
    if known is None:
        raise MixingError("the bounds of a slice are not known")
    return int(known)


def _lift_indexing(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    array, *inputs = node.inputs
    entries = indices_of(op, inputs, lifting)
    lifted = lifting.get(array)
    if any(isinstance(e, Variable) for e in entries):
        return [_index_by_states(lifted, array, entries, lifting)]
    return [index_fixed(lifted, entries)]


def index_fixed(lifted: Lifted, entries: Sequence[Entry]) -> Lifted:
    """Index a lifted array by slices and integer arrays."""
    entries = _without_masks(entries)
    entries = [*entries, *[slice(None)] * (len(lifted.shape) - len(entries))]
    index = tuple(entries)
    try:
        shape = np.broadcast_to(np.zeros(()), lifted.shape)[index].shape
    except IndexError as error:
        raise ModelError(f"An index does not fit an array of shape {lifted.shape}: {error}.") from error
    slots = tuple(Slot(s.size, _indexed_atoms(s.atoms, lifted.shape, index)) for s in lifted.slots)
    # Axes of length one, along which nothing varies, are indexed by zeros.
    narrow = [
        _first_of(e) if n == 1 and m != 1 else e for e, n, m in zip(entries, lifted.lengths, lifted.shape, strict=True)
    ]
    count = len(lifted.slots)
    is_plain = all(isinstance(e, slice) and e == slice(None) for e in narrow)
    graph_index = (
        *(slice(None),) * count,
        *(int(e) if isinstance(e, np.ndarray) and not e.ndim else e for e in narrow),
    )
    value = lifted.value if is_plain else folded(lifted.value[graph_index])
    return Lifted(_slots_first(value, narrow, count), slots, shape)


def _without_masks(entries: Sequence[Entry]) -> list[Entry]:
    opened: list[Entry] = []
    for entry in entries:
        is_mask = isinstance(entry, np.ndarray) and entry.dtype == bool
        opened.extend(np.nonzero(entry) if is_mask else [entry])
    return opened


def _indexed_atoms(atoms: NDArray[np.int64], shape: tuple[int, ...], index: tuple[Entry, ...]) -> NDArray[np.int64]:
    if atoms.size == 1:
        ndim = np.broadcast_to(np.zeros(()), shape)[index].ndim
        return atoms.reshape((1,) * ndim)
    return np.broadcast_to(atoms, shape)[index]


def _first_of(entry: Entry) -> Entry:
    if isinstance(entry, slice):
        return slice(None)
    return np.zeros((1,) * entry.ndim, dtype=np.int64)


def _slots_first(value: TensorVariable, entries: Sequence[Entry], count: int) -> TensorVariable:
    """Move axes of states to the front again, which arrays of indices apart from each other push back."""
    places = [i for i, e in enumerate(entries) if not isinstance(e, slice)]
    arrays = [np.asarray(entries[i]) for i in places]
    has_arrays = any(a.ndim for a in arrays)
    if not count or not has_arrays or places == list(range(places[0], places[-1] + 1)):
        return value
    added = max(a.ndim for a in arrays)
    order = [*range(added, added + count), *range(added), *range(added + count, value.type.ndim)]
    return shuffled(value, order)


def _index_by_states(array: Lifted, source: Variable, entries: Sequence[Entry], lifting: Lifting) -> Lifted:
    """Index by arrays some of which depend on atoms; the array may depend on atoms too."""
    entries = [*entries, *[slice(None)] * (len(array.shape) - len(entries))]
    for place, entry in enumerate(entries):
        if isinstance(entry, slice) and entry != slice(None):
            array = index_fixed(array, [*[slice(None)] * place, entry])
    indexed = [i for i, e in enumerate(entries) if not isinstance(e, slice)]
    others = [i for i in range(len(array.shape)) if i not in indexed]
    lengths = [array.shape[i] for i in indexed]
    rest_shape = tuple(array.shape[i] for i in others)
    before = [i for i in others if i < indexed[0]] if _is_adjacent(indexed) else []
    indices = [_lifted_index(entries[i], lifting) for i in indexed]
    index_ndim = max(len(i.shape) for i in indices)
    index_shape = np.broadcast_shapes(*(i.shape for i in indices))
    moved = _transposed(array, [*indexed, *others])
    if moved.slots:
        moved, indices = _along_fixed(moved, indices, index_ndim)
    else:
        moved = _with_axes_before(moved, index_ndim)
    count = len(indices)
    for axis in range(index_ndim, index_ndim + count):
        moved = spread(moved, axis, lifting)
    rest = len(others)
    parts = [_unindexed(moved, index_ndim, count), *(_with_axes_after(i, index_ndim, rest) for i in indices)]
    slots, values = aligned(parts, index_ndim + rest, lifting)
    index_values = [_without_last(v, rest) for v in values[1:]]
    if not array.slots:
        check_states(index_values, lengths, source)
    result = _gather(moved, slots, index_values, index_ndim)
    return _in_place(Lifted(result, slots, (*index_shape, *rest_shape)), index_ndim, len(before))


def _transposed(array: Lifted, axes: Sequence[int]) -> Lifted:
    count = len(array.slots)
    value = shuffled(array.value, [*range(count), *(i + count for i in axes)])
    slots = tuple(Slot(s.size, s.atoms.transpose(axes)) for s in array.slots)
    return Lifted(value, slots, tuple(array.shape[i] for i in axes))


def _with_axes_before(array: Lifted, num_axes: int) -> Lifted:
    count = len(array.slots)
    value = shuffled(array.value, [*range(count), *["x"] * num_axes, *range(count, array.value.type.ndim)])
    slots = tuple(Slot(s.size, s.atoms[(None,) * num_axes]) for s in array.slots)
    return Lifted(value, slots, (*(1,) * num_axes, *array.shape))


def _along_fixed(moved: Lifted, indices: Sequence[Lifted], index_ndim: int) -> tuple[Lifted, list[Lifted]]:
    """Index by what is known: its axes become the first ones, those to be indexed by states follow."""
    is_known = [not index.slots and isinstance(index.value, Constant) for index in indices]
    fixed = [i for i, known in enumerate(is_known) if known]
    free = [i for i, known in enumerate(is_known) if not known]
    later = range(len(indices), len(moved.shape))
    moved = _transposed(moved, [*fixed, *free, *later])
    if not fixed:
        return _with_axes_before(moved, index_ndim), list(indices)
    known = [np.asarray(indices[i].value.data) for i in fixed]
    ndim = max(k.ndim for k in known)
    moved = index_fixed(moved, [k.reshape((1,) * (ndim - k.ndim) + k.shape) for k in known])
    return _with_axes_before(moved, index_ndim - ndim), [indices[i] for i in free]


def _is_adjacent(places: Sequence[int]) -> bool:
    return list(places) == list(range(places[0], places[-1] + 1))


def _lifted_index(entry: Entry, lifting: Lifting) -> Lifted:
    if isinstance(entry, Variable):
        return lifting.get(entry)
    return Lifted(pt.constant(np.asarray(entry, dtype=np.int64)), (), np.shape(entry))


def _unindexed(moved: Lifted, index_ndim: int, count: int) -> Lifted:
    """Return the slots of the array as those of the result: without the axes that are indexed by states."""
    keep = [*range(index_ndim), *range(index_ndim + count, len(moved.shape))]
    index = tuple(slice(None) if axis in keep else 0 for axis in range(len(moved.shape)))
    slots = tuple(Slot(s.size, s.atoms[index]) for s in moved.slots)
    shape = tuple(moved.shape[axis] for axis in keep)
    # Only its slots are used: the value is gathered later.
    stand_in: Any = pt.zeros((*(s.size for s in slots), *(1,) * len(shape)))
    return Lifted(stand_in, slots, shape)


def _with_axes_after(index: Lifted, index_ndim: int, rest: int) -> Lifted:
    count = len(index.slots)
    missing = index_ndim - len(index.shape)
    order = [*range(count), *["x"] * missing, *range(count, count + len(index.shape)), *["x"] * rest]
    slots = tuple(Slot(s.size, padded(s.atoms, index_ndim)[(..., *(None,) * rest)]) for s in index.slots)
    shape = (*(1,) * missing, *index.shape, *(1,) * rest)
    return Lifted(shuffled(index.value, order), slots, shape)


def _without_last(value: TensorVariable, rest: int) -> TensorVariable:
    return shuffled(value, list(range(value.type.ndim - rest))) if rest else value


def check_states(indices: Sequence[TensorVariable], lengths: Sequence[int], source: Variable) -> None:
    """Raise if an array is indexed by states that it has no element for."""
    for index, length in zip(indices, lengths, strict=True):
        if (
            isinstance(index, Constant)
            and index.data.size
            and (index.data.max() >= length or index.data.min() < -length)
        ):
            extreme = index.data.max() if index.data.max() >= length else index.data.min()
            word = "up to" if extreme >= 0 else "down to"
            raise ModelError(
                f"A discrete variable takes values {word} {extreme}, but {source.name or source}, which it indexes, "
                f"has only {length} rows. Give both the same length."
            )


def _gather(moved: Lifted, slots: Sequence[Slot], indices: Sequence[TensorVariable], index_ndim: int) -> TensorVariable:
    """Return the value with axes: slots, then those of the indices, then the rest of the array."""
    count, ndim = len(moved.slots), len(slots) + index_ndim
    value = widened(moved, range(index_ndim, index_ndim + len(indices)))
    entries: list[TensorVariable] = []
    # The array's slots came first when the slots were merged, each in a place of its own.
    places = [*range(count), *range(len(slots), ndim)]
    for axis, place in enumerate(places):
        shape = [1] * ndim
        shape[place] = -1
        entries.append(pt.constant(np.arange(int(value.type.shape[axis])).reshape(shape)))
    entries.extend(indices)
    whole = _whole_rows(value, entries)
    if whole is not None:
        return whole
    if not count and all(int(n or 2) == 1 for n in value.type.shape[:index_ndim]):
        return folded(value[(0,) * index_ndim][tuple(indices)])
    return folded(value[tuple(entries)])


def _whole_rows(array: TensorVariable, indices: Sequence[TensorVariable]) -> TensorVariable | None:
    """Return ``array[indices]`` as a transpose, if the indices are all positions of different axes in order."""
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
    return shuffled(array, [*order, *range(len(indices), array.type.ndim)])


def _in_place(lifted: Lifted, index_ndim: int, before: int) -> Lifted:
    """Put the axes of the indices where indexing puts them: after the axes that come ``before``."""
    if not before:
        return lifted
    count, ndim = len(lifted.slots), len(lifted.shape)
    axes = [*range(index_ndim, index_ndim + before), *range(index_ndim), *range(index_ndim + before, ndim)]
    value = shuffled(lifted.value, [*range(count), *(a + count for a in axes)])
    slots = tuple(Slot(s.size, s.atoms.transpose(axes)) for s in lifted.slots)
    return Lifted(value, slots, tuple(lifted.shape[a] for a in axes))


def _lift_split(op: Split, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift each part as a slice."""
    source, lengths = node.inputs
    if not isinstance(lengths, Constant):
        raise MixingError("an array is split at places that are not constant")
    ends = np.cumsum(lengths.data)
    before = (slice(None),) * (op.axis % source.type.ndim)
    parts = [source[(*before, slice(int(e - n), int(e)))] for e, n in zip(ends, lengths.data, strict=True)]
    return [_lift_indexing(part.owner.op, part.owner, lifting)[0] for part in parts]


RULES: dict[type, Any] = {Subtensor: _lift_indexing, AdvancedSubtensor: _lift_indexing, Split: _lift_split}
