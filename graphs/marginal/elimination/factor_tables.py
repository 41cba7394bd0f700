"""Factors of a joint probability, many alike in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.lifting import ABSENT, Lifted
from graphs.marginal.lifting.state import first_along, folded, shuffled, widened

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Family:
    """Factors of the same shape.

    Parameters
    ----------
    names : tuple of str
        The terms of the joint log-probability that are in it.
    table : TensorVariable
        Shape (K_1, ..., K_d, columns): log-potentials.
    atoms : (m, d) int64 array
        The atoms whose states run along the axes, for each factor.
    columns : (m,) int64 array
        Where each factor stands in the table.
    """

    names: tuple[str, ...]
    table: TensorVariable
    atoms: Integers
    columns: Integers

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of states along the axes."""
        return tuple(int(n) for n in self.table.type.shape[:-1])

    @property
    def width(self) -> int:
        """Number of atoms of a factor."""
        return self.atoms.shape[1]

    def select(self, chosen: NDArray) -> Family:
        """Return some of the factors, by a mask or positions."""
        return replace(self, atoms=self.atoms[chosen], columns=self.columns[chosen])


def family(names: tuple[str, ...], table: TensorVariable, atoms: Integers) -> Family:
    """Return a family of one factor per column; or of equal factors, where the table has one column."""
    count = len(atoms)
    is_shared = table.type.shape[-1] == 1
    return Family(names, table, atoms, np.zeros(count, np.int64) if is_shared else np.arange(count))


def columns_of(table: TensorVariable, columns: Integers) -> TensorVariable:
    """Return some columns of a table, on its last axis; a view where that is possible."""
    count = int(table.type.shape[-1])
    if count == 1:
        return table
    if len(columns) == count and np.array_equal(columns, np.arange(count)):
        return table
    place = table.type.ndim - 1
    steps = np.diff(columns)
    if len(columns) == 1 or (steps.size and steps[0] > 0 and np.all(steps == steps[0])):
        step = int(steps[0]) if steps.size else 1
        index: slice | Integers = slice(int(columns[0]), int(columns[-1]) + 1, step if step > 1 else None)
    else:
        index = columns
    return folded(table[(slice(None),) * place + (index,)])


def families_of(names: tuple[str, ...], lifted: Lifted) -> tuple[list[Family], list[TensorVariable]]:
    """Return the factors in a lifted array, and what in it depends on no atom."""
    lifted = _summed_over_fixed_axes(lifted)
    count = len(lifted.slots)
    sizes = [s.size for s in lifted.slots]
    num = int(np.prod(lifted.shape, dtype=int))
    atoms = np.stack([np.broadcast_to(s.atoms, lifted.shape).ravel() for s in lifted.slots], axis=1)
    if all(n == 1 for n in lifted.lengths):
        table = folded(lifted.value.reshape((*sizes, 1))) if len(lifted.shape) != 1 else lifted.value
    else:
        table = widened(lifted, range(len(lifted.shape)))
        table = table if len(lifted.shape) == 1 else folded(table.reshape((*sizes, num)))
    whole = family(names, table, atoms)
    found: list[Family] = []
    constants: list[TensorVariable] = []
    for pattern, members in _patterns(atoms):
        part = _without_repeats(whole if len(members) == num else whole.select(members), pattern)
        if part.width:
            found.append(merged(part))
        else:
            constants.append(_expanded(part))
    assert count
    return found, constants


def one_atom_each(lifted: Lifted) -> Integers:
    """Return for each element of a lifted array an atom that it depends on, `ABSENT` where there is none."""
    found = np.full(lifted.shape, ABSENT)
    for slot in lifted.slots:
        found = np.where(found == ABSENT, slot.atoms, found)
    return found


def _expanded(part: Family) -> TensorVariable:
    table = columns_of(part.table, part.columns)
    return table if table.type.shape[-1] == len(part.columns) else table * np.float64(len(part.columns))


def _summed_over_fixed_axes(lifted: Lifted) -> Lifted:
    """Add up along axes along which the atoms do not vary."""
    axes = [axis for axis in range(len(lifted.shape)) if lifted.shape[axis] > 1 and not lifted.varies_along(axis)]
    if not axes:
        return lifted
    count = len(lifted.slots)
    narrow = [axis for axis in axes if lifted.lengths[axis] == 1]
    wide = [axis for axis in axes if axis not in narrow]
    value = lifted.value
    times = prod(lifted.shape[axis] for axis in narrow)
    if times > 1:
        value = folded(value * np.float64(times))
    if wide:
        value = folded(pt.sum(value, axis=tuple(axis + count for axis in wide), keepdims=True))
    slots = tuple(replace(s, atoms=first_along(s.atoms, axes)) for s in lifted.slots)
    kept = [axis for axis in range(len(lifted.shape)) if axis not in axes]
    value = shuffled(value, [*range(count), *(axis + count for axis in kept)])
    slots = tuple(replace(s, atoms=s.atoms.squeeze(tuple(axes))) for s in slots)
    return Lifted(value, slots, tuple(lifted.shape[axis] for axis in kept))


def first_equal(columns: Sequence[Integers]) -> Integers:
    """Return for each row of columns the first column with the same atom; -1 where there is none at all."""
    stacked = np.stack(columns, axis=0)
    first = np.empty(stacked.shape, np.int64)
    for i in range(len(columns)):
        first[i] = i
        for j in range(i - 1, -1, -1):
            first[i] = np.where(stacked[j] == stacked[i], j, first[i])
    return np.where(stacked == ABSENT, -1, first)


def _patterns(atoms: Integers) -> list[tuple[tuple[int, ...], Integers]]:
    """Group factors by which of their slots are absent, and which run over the same atom."""
    first = first_equal(list(atoms.T))
    width = atoms.shape[1]
    if np.array_equal(first, np.broadcast_to(np.arange(width)[:, None], first.shape)):
        return [(tuple(range(width)), np.arange(len(atoms)))]
    patterns, inverse = np.unique(first, axis=1, return_inverse=True)
    inverse = inverse.ravel()
    return [(tuple(int(i) for i in patterns[:, p]), np.flatnonzero(inverse == p)) for p in range(patterns.shape[1])]


def _without_repeats(part: Family, pattern: tuple[int, ...]) -> Family:
    """Drop the axes of absent slots and take the diagonal of those that run over the same atom."""
    width = len(pattern)
    if pattern == tuple(range(width)):
        return part
    kept = [i for i, first in enumerate(pattern) if first == i]
    grid = np.ix_(*(np.arange(part.sizes[i]) for i in kept)) if kept else ()
    index = [np.zeros((1,) * len(kept), np.int64) if f < 0 else grid[kept.index(f)] for f in pattern]
    table = part.table
    if kept or width:
        table = folded(table[tuple(index)]) if kept else folded(table[(0,) * width])
    return Family(part.names, table, part.atoms[:, kept], part.columns)


def on_atoms(part: Family, count: int) -> TensorVariable:
    """Return factors on single atoms laid out by atom; shape (K, count), zero where there is none."""
    table = columns_of(part.table, part.columns)
    atoms = part.atoms[:, 0]
    if len(atoms) == count and np.array_equal(atoms, np.arange(count)):
        return table if int(table.type.shape[-1]) == count else pt.alloc(table, part.sizes[0], count)
    rows = pt.zeros((count, part.sizes[0]))[atoms].inc(table.dimshuffle(1, 0))
    return rows.dimshuffle(1, 0)


def merged(part: Family) -> Family:
    """Add up the factors on the same atoms."""
    keys = _keys(part.atoms)
    if np.all(np.diff(keys) > 0):
        return part
    unique, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if len(unique) == len(keys):
        return part
    inverse = inverse.ravel()
    atoms = part.atoms[first]
    if int(part.table.type.shape[-1]) == 1:
        if np.all(counts == counts[0]):
            return family(part.names, folded(part.table * np.float64(counts[0])), atoms)
        return family(part.names, folded(part.table * counts.astype("float64")), atoms)
    table = columns_of(part.table, part.columns)
    if np.all(np.diff(inverse) >= 0) and np.all(counts == counts[0]):
        shape = (*part.sizes, len(unique), int(counts[0]))
        return family(part.names, folded(pt.sum(table.reshape(shape), axis=-1)), atoms)
    ndim = table.type.ndim
    rows = table.dimshuffle([ndim - 1, *range(ndim - 1)])
    zeros = pt.zeros((len(unique), *part.sizes))
    added = zeros[inverse].inc(rows)
    return family(part.names, added.dimshuffle([*range(1, ndim), 0]), atoms)


def _keys(atoms: Integers) -> Integers:
    """Return one number for the atoms of each factor."""
    keys = atoms[:, 0].astype(np.int64)
    span = int(atoms.max()) + 1 if atoms.size else 1
    for column in atoms.T[1:]:
        if keys.size and int(keys.max()) > np.iinfo(np.int64).max // max(span, 1) - span:
            _, keys = np.unique(keys, return_inverse=True)
            keys = keys.ravel().astype(np.int64)
        keys = keys * span + column
    return keys
