"""Arrays at all states of the discrete elements that they depend on.

Every element of a discrete variable is an *atom*: a number of its own. A lifted array has an axis of states for each
atom that one of its elements depends on (a *slot*), and beside it an integer array that tells, element by element,
whose states run along that axis. ``s[1:]`` and ``s[:-1]`` thus are slots of the same variable with shifted atoms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.evaluating import perform
from graphs.surgery.random_graph import static_shape
from graphs.surgery.rebuilding import substitute

Atoms = NDArray[np.int64]
ABSENT = -1
"""In place of an atom: the element does not depend on the slot."""


_LARGEST_FOLDED = 2**20


class MixingError(Exception):
    """Internal: an array cannot be lifted; ``str`` is the reason."""


class TooLargeError(MixingError):
    """Internal: an element depends on so many atoms that a table of their joint states is too large.

    ``atoms`` are those of one such element.
    """

    def __init__(self, reason: str, atoms: Sequence[int] = ()):
        super().__init__(reason)
        self.atoms = tuple(atoms)


MOST_SLOTS = 30
"""Most elements that one term may depend on: each is an axis of an array."""


@dataclass(frozen=True, eq=False)
class Slot:
    """An axis of states.

    Parameters
    ----------
    size : int
        Number of states.
    atoms : int64 array
        As many axes as the lifted array has, each of its length or of length one: whose states they are.
    """

    size: int
    atoms: Atoms


@dataclass(frozen=True, eq=False)
class Lifted:
    """An array at all states of its slots.

    Parameters
    ----------
    value : TensorVariable
        An axis for each slot, then the axes of the array; these have their length, or one where only the atoms differ.
    slots : tuple of Slot
        The axes of states.
    shape : tuple of int
        The shape of the array itself.
    """

    value: TensorVariable
    slots: tuple[Slot, ...]
    shape: tuple[int, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the axes of ``value`` after those of states."""
        own = self.value.type.shape[len(self.slots) :]
        return tuple(n if m is None else m for n, m in zip(self.shape, own, strict=True))

    def varies_along(self, axis: int) -> bool:
        """Whether elements along an axis depend on different atoms."""
        return any(_varies(slot.atoms, axis) for slot in self.slots)


def _varies(atoms: Atoms, axis: int) -> bool:
    return atoms.shape[axis] > 1 and bool(np.any(atoms != atoms.take([0], axis=axis)))


@dataclass(frozen=True, eq=False)
class Lifting:
    """What became of each variable so far.

    A failure counts only once something needs the variable: the ``all`` inside a parameter check reduces along a
    plate, but a check is lifted from the comparisons below it.

    Parameters
    ----------
    done, failed : dict
        What was lifted, and why not.
    max_states : int
        Most joint states of what an element may depend on.
    is_cautious : bool
        Whether sums over elements that depend on different atoms fail: they may be opened instead.
    shapes : dict
        Known shapes.
    dependent : set
        What depends on an atom.
    """

    done: dict[Variable, Lifted]
    failed: dict[Variable, MixingError]
    max_states: int
    is_cautious: bool = False
    shapes: dict[Variable, tuple[int, ...]] = field(default_factory=dict)
    dependent: set[Variable] = field(default_factory=set)

    def depends(self, variable: Variable) -> bool:
        """Whether a variable depends on an atom."""
        return variable in self.dependent or variable in self.done

    def get(self, variable: Variable) -> Lifted:
        """Return a variable lifted, without slots if it depends on no atom.

        Raises
        ------
        MixingError
            If it could not be lifted.
        """
        if variable in self.failed:
            raise self.failed[variable].with_traceback(None)  # it was raised elsewhere
        if variable in self.done:
            return self.done[variable]
        shape = self.shape_of(variable)
        return Lifted(with_shape(pt.as_tensor(variable), shape), (), shape)

    def shape_of(self, variable: Variable) -> tuple[int, ...]:
        """Return the static shape of a variable."""
        if variable not in self.shapes:
            try:
                self.shapes[variable] = _shape_without_values(variable)
            except (ModelError, NotImplementedError) as error:
                raise MixingError(f"the shape of {variable} is not known") from error
        return self.shapes[variable]

    def check_size(self, slots: Iterable[Slot]) -> None:
        """Raise if a table with these slots has too many joint states."""
        slots = list(slots)
        size = prod(float(slot.size) for slot in slots)
        if size > self.max_states or len(slots) > MOST_SLOTS:
            atoms = [int(slot.atoms.flat[0]) for slot in slots]
            raise TooLargeError(
                f"one term depends on {len(slots)} discrete elements at once, {size:.3g} joint states", atoms
            )


def _shape_without_values(variable: Variable) -> tuple[int, ...]:
    """Return a static shape; where a type does not tell it, it is evaluated with zeros in place of all inputs."""
    tensor = pt.as_tensor(variable)
    if None not in tensor.type.shape:
        return static_shape(tensor)
    inputs = [v for v in explicit_graph_inputs([tensor]) if isinstance(v, TensorVariable) and None not in v.type.shape]
    zeros: dict[Variable, Variable] = {v: pt.zeros(v.type.shape, dtype=v.type.dtype) for v in inputs}
    [stand_in] = substitute([tensor], zeros)
    return static_shape(stand_in)


def with_shape(value: TensorVariable, shape: Sequence[int]) -> TensorVariable:
    """Return a value whose type tells its shape: that of a selection by a mask does not."""
    known: TensorVariable = value if None not in value.type.shape else pt.specify_shape(value, tuple(shape))
    return known


def folded(value: TensorVariable) -> TensorVariable:
    """Evaluate a node of constants at once: the states are constants, and so is much of what they pass through."""
    node = value.owner
    if node is None or not all(isinstance(i, Constant) for i in node.inputs) or len(node.outputs) != 1:
        return value
    if prod(n or 1 for n in value.type.shape) > _LARGEST_FOLDED:
        return value
    results = perform(node, [np.asarray(i.data) if i.ndim is not None else i.data for i in node.inputs])
    return value if results is None else pt.constant(np.asarray(results[0], dtype=value.type.dtype))


def shuffled(value: TensorVariable, order: Sequence[int | str]) -> TensorVariable:
    """Reorder axes, evaluated at once where the value is constant."""
    if list(order) == list(range(value.type.ndim)):
        return value
    return folded(value.dimshuffle(list(order)))


def padded(atoms: Atoms, ndim: int) -> Atoms:
    """Put axes of length one before those of an array of atoms."""
    return atoms.reshape((1,) * (ndim - atoms.ndim) + atoms.shape) if atoms.ndim < ndim else atoms


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


def widened(lifted: Lifted, axes: Iterable[int]) -> TensorVariable:
    """Return the value with its full length along some of the element axes."""
    lengths = list(lifted.lengths)
    if all(lengths[axis] == lifted.shape[axis] for axis in axes):
        return lifted.value
    for axis in axes:
        lengths[axis] = lifted.shape[axis]
    return folded(pt.alloc(lifted.value, *(slot.size for slot in lifted.slots), *lengths))


def take(lifted: Lifted, axis: int, positions: NDArray[np.int64]) -> Lifted:
    """Return the elements at some positions of an axis."""
    atoms = [
        Slot(s.size, s.atoms if s.atoms.shape[axis] == 1 else s.atoms.take(positions, axis=axis)) for s in lifted.slots
    ]
    shape = (*lifted.shape[:axis], len(positions), *lifted.shape[axis + 1 :])
    value = lifted.value
    if lifted.lengths[axis] != 1:
        place = len(lifted.slots) + axis
        first, last = int(positions[0]), int(positions[-1])
        is_range = np.array_equal(positions, np.arange(first, last + 1))
        index: Any = slice(first, last + 1) if is_range else positions
        value = folded(value[(slice(None),) * place + (index,)])
    return Lifted(value, tuple(atoms), shape)


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
