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


def first_along(atoms: Atoms, axes: Iterable[int]) -> Atoms:
    """Return the first of the atoms along axes, which stay."""
    return atoms[tuple(slice(0, 1) if i in axes else slice(None) for i in range(atoms.ndim))]


def shuffled(value: TensorVariable, order: Sequence[int | str]) -> TensorVariable:
    """Reorder axes, evaluated at once where the value is constant."""
    if list(order) == list(range(value.type.ndim)):
        return value
    return folded(value.dimshuffle(list(order)))


def padded(atoms: Atoms, ndim: int) -> Atoms:
    """Put axes of length one before those of an array of atoms."""
    return atoms.reshape((1,) * (ndim - atoms.ndim) + atoms.shape) if atoms.ndim < ndim else atoms


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
