"""Eliminate long, narrow components by a recursion from one end to the other.

The atoms of a component are put in a row such that every factor spans at most ``width + 1`` of them: a Markov chain has
width one, one with lag two or two chains with common emissions have two, a grid as many as it has rows. The joint
log-potentials of ``width`` neighbouring atoms are carried from the first to the last; components of the same length are
done together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable
from scipy.sparse.csgraph import reverse_cuthill_mckee

from graphs.marginal.elimination.factor_tables import Family, Integers, columns_of, family
from graphs.marginal.elimination.network import Network
from graphs.marginal.lifting.state import folded, shuffled
from graphs.recursion.op import Mode


@dataclass(frozen=True, eq=False)
class Row:
    """The atoms of a component in order, and how far apart the atoms of a factor are at most."""

    atoms: Integers
    width: int


@dataclass(frozen=True, eq=False)
class SequenceStep:
    """Components that were eliminated by a recursion.

    Parameters
    ----------
    atoms : (B, n) int64 array
        The atoms of each component in order.
    width : int
        How many are carried along.
    log_transition, log_states : TensorVariable
        As in `graphs.recursion.paths.forward_recursion`.
    num_states : int
        Number of states of each atom; those with fewer have impossible ones.
    names : tuple of str
        The terms of the joint log-probability that are in it.
    """

    atoms: Integers
    width: int
    log_transition: TensorVariable
    log_states: TensorVariable
    num_states: int
    names: tuple[str, ...]

    @property
    def num_entries(self) -> int:
        """Numbers that are added up."""
        return self.atoms.size * self.num_states ** (self.width + 1)


def find_row(network: Network, atoms: Integers) -> Row:
    """Put the atoms of a component in a row in which factors span few of them: as they are numbered, or better."""
    part = network.adjacency[atoms][:, atoms]
    natural = _bandwidth(part, np.arange(len(atoms)))
    if natural == 1:
        return Row(atoms, 1)
    order = np.asarray(reverse_cuthill_mckee(part.tocsr(), symmetric_mode=True), dtype=np.int64)
    width = _bandwidth(part, order)
    return Row(atoms[order], width) if width < natural else Row(atoms, natural)


def _bandwidth(matrix: object, order: Integers) -> int:
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    entries = matrix.tocoo()  # type: ignore[attr-defined]
    return int(np.abs(position[entries.row] - position[entries.col]).max())


def eliminate_rows(
    families: Sequence[Family], rows: Sequence[Row], states: Integers, mode: Mode
) -> tuple[list[Family], SequenceStep, Family]:
    """Eliminate whole components of equal length.

    Returns
    -------
    left : list of Family
        The factors of other components.
    step : SequenceStep
        What is needed to draw the atoms back.
    finished : Family
        One factor on no atoms per component.
    """
    atoms = np.stack([row.atoms for row in rows])
    width = max(row.width for row in rows)
    count = int(states[atoms].max())
    num_steps = atoms.shape[1] - width
    series, position = np.full(len(states), -1), np.full(len(states), -1)
    series[atoms.ravel()] = np.repeat(np.arange(len(atoms)), atoms.shape[1])
    position[atoms.ravel()] = np.tile(np.arange(atoms.shape[1]), len(atoms))
    left, initial, transition, emission = [], [], [], []
    names: dict[str, None] = {}
    for part in families:
        inside = series[part.atoms[:, 0]] >= 0
        if not inside.all():
            left.append(part.select(~inside) if inside.any() else part)
        if not inside.any():
            continue
        names |= dict.fromkeys(part.names)
        own = _with_states(part.select(inside), count)
        places = position[own.atoms]
        at = series[own.atoms[:, 0]]
        last = places.max(axis=1)
        for early, positions in _groups(own.select(last < width), places[last < width], at[last < width]):
            initial.append(_initial_part(early, positions, len(atoms), width))
        is_late = last >= width
        offsets = last[:, None] - places
        for late, offset, when, who in _late_groups(
            own.select(is_late), offsets[is_late], last[is_late] - width, at[is_late]
        ):
            table = _laid_out(late, when, who, num_steps, len(atoms))
            if offset == (0,):
                emission.append(table)
            else:
                transition.append(_on_window(table, offset, width))
    from graphs.recursion.paths import forward_recursion

    arrays = _arrays(initial, transition, emission, count, width)
    total, log_states = forward_recursion(*arrays, num_steps=num_steps, mode=mode)
    step = SequenceStep(atoms, width, arrays[1], log_states, count, tuple(names))
    result = family(tuple(names), total, np.zeros((len(atoms), 0), np.int64))
    return left, step, result


def _arrays(
    initial: Sequence[TensorVariable],
    transition: Sequence[TensorVariable],
    emission: Sequence[TensorVariable],
    count: int,
    width: int,
) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    first = _added(initial)
    first = _widened(first, (first.type.shape[0], *(count,) * width))
    log_initial = first.reshape((first.type.shape[0], count**width))
    ties = _added(transition)
    ties = _widened(ties, (*ties.type.shape[:2], *(count,) * (width + 1)))
    log_transition = ties.reshape((*ties.type.shape[:2], count, count ** (width - 1), count))
    log_emission = _added(emission) if emission else pt.zeros((1, 1, count))
    return log_initial, log_transition, _widened(log_emission, (*log_emission.type.shape[:2], count))


def _added(parts: Sequence[TensorVariable]) -> TensorVariable:
    return pt.add(*parts) if len(parts) > 1 else parts[0]


def _widened(value: TensorVariable, shape: Sequence[int]) -> TensorVariable:
    return value if value.type.shape == tuple(shape) else folded(pt.alloc(value, *shape))


def _with_states(part: Family, count: int) -> Family:
    """Give all atoms the same number of states; those that are new are impossible."""
    table = part.table
    for axis, size in enumerate(part.sizes):
        if size < count:
            shape = [int(n) for n in table.type.shape]
            shape[axis] = count - size
            table = pt.concatenate([table, pt.alloc(np.float64(-np.inf), *shape)], axis=axis)
    return Family(part.names, table, part.atoms, part.columns)


def _groups(part: Family, places: Integers, at: Integers) -> list[tuple[tuple[Family, Integers], tuple[int, ...]]]:
    """Group factors at the beginning by the positions of their atoms."""
    if not len(places):
        return []
    unique, inverse = np.unique(places, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    return [
        ((part.select(inverse == i), at[inverse == i]), tuple(int(p) for p in positions))
        for i, positions in enumerate(unique)
    ]


def _initial_part(
    early: tuple[Family, Integers], positions: tuple[int, ...], num_series: int, width: int
) -> TensorVariable:
    """Return factors on the first atoms with axes: series, then one for each of these atoms."""
    part, at = early
    table = _laid_out(part, np.zeros(len(at), np.int64), at, 1, num_series)
    axes: list[int | str] = ["x"] * width
    for slot, place in enumerate(positions):
        axes[place] = slot + 2
    return shuffled(table, [1, *axes, 0])[..., 0]


def _late_groups(
    part: Family, offsets: Integers, when: Integers, who: Integers
) -> list[tuple[Family, tuple[int, ...], Integers, Integers]]:
    """Group factors by how far their atoms are behind the last one."""
    if not len(offsets):
        return []
    if np.all(offsets == offsets[0]):
        return [(part, tuple(int(o) for o in offsets[0]), when, who)]
    unique, inverse = np.unique(offsets, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    return [
        (part.select(inverse == i), tuple(int(o) for o in offset), when[inverse == i], who[inverse == i])
        for i, offset in enumerate(unique)
    ]


def _laid_out(part: Family, when: Integers, who: Integers, num_steps: int, num_series: int) -> TensorVariable:
    """Return a table with axes: steps, series, states; of length one where all are alike, zero where there is none."""
    grid = np.full((num_steps, num_series), -1)
    grid[when, who] = part.columns
    last = part.table.type.ndim - 1
    if (grid >= 0).all():
        if int(part.table.type.shape[-1]) == 1 or (grid == grid.flat[0]).all():
            table = columns_of(part.table, grid.ravel()[:1])
            return shuffled(table, ["x", last, *range(last)])
        for shape, order in (((num_steps, num_series), (0, 1)), ((num_series, num_steps), (1, 0))):
            columns = grid.transpose(order).ravel()
            if np.all(np.diff(columns) == 1):
                table = columns_of(part.table, columns).reshape((*part.sizes, *shape))
                return shuffled(table, [last + order[0], last + order[1], *range(last)])
        rows = shuffled(part.table, [last, *range(last)])
        return folded(rows[grid])
    rows = shuffled(part.table, [last, *range(last)])
    rows = pt.concatenate([rows, pt.zeros((1, *part.sizes))], axis=0)
    return folded(rows[grid])


def _on_window(table: TensorVariable, offsets: tuple[int, ...], width: int) -> TensorVariable:
    """Return a table with axes: steps, series, and one for each of the atoms that a step sees, the oldest first."""
    axes: list[int | str] = ["x"] * (width + 1)
    for slot, offset in enumerate(offsets):
        axes[width - offset] = slot + 2
    return shuffled(table, [0, 1, *axes])
