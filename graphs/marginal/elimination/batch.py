"""Eliminate many atoms that stand alike at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedGrad, disconnected_grad
from pytensor.graph.replace import _vectorize_node, _vectorize_not_needed
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.factor_tables import Family, Integers, columns_of, family, first_equal, merged
from graphs.marginal.lifting.state import shuffled
from graphs.recursion.op import Mode


@dataclass(frozen=True, eq=False)
class BatchStep:
    """Atoms that were eliminated at once, each given some neighbours.

    Parameters
    ----------
    atoms : (m,) int64 array
        The atoms; no two of them are neighbours.
    neighbours : (m, r) int64 array
        What each is tied to; eliminated later.
    logits : TensorVariable
        Shape (K, K_1, ..., K_r, m or 1): log-potential of each state at each joint state of the neighbours.
    names : tuple of str
        The terms of the joint log-probability that are in it.
    """

    atoms: Integers
    neighbours: Integers
    logits: TensorVariable
    names: tuple[str, ...]

    @property
    def num_entries(self) -> int:
        """Numbers in the table."""
        return int(np.prod(self.logits.type.shape[:-1], dtype=object)) * len(self.atoms)


# A view of any number of axes; PyTensor would loop over them in Python.
_vectorize_node.register(DisconnectedGrad)(_vectorize_not_needed)


def logsumexp(logits: TensorVariable) -> TensorVariable:
    """Return the log of the sum of exponentials over the first axis; -inf, with zero gradient, where all are -inf."""
    top = pt.max(logits, axis=0)
    is_impossible = pt.eq(top, -np.inf)
    # The shift cancels, so it is a constant for the gradient.
    shift: TensorVariable = disconnected_grad(pt.switch(pt.isinf(top), 0.0, top))
    total = pt.sum(pt.exp(logits - shift), axis=0)
    return pt.switch(is_impossible, -np.inf, pt.log(pt.switch(is_impossible, 1.0, total)) + shift)


def eliminate_batch(
    families: Sequence[Family], atoms: Integers, num_atoms: int, mode: Mode
) -> tuple[list[Family], list[BatchStep], list[Family]]:
    """Eliminate atoms that stand alike and are not neighbours.

    Parameters
    ----------
    families : sequence of Family
        All factors.
    atoms : (m,) int64 array
        One class of `Network.classes`.
    num_atoms : int
        Number of atoms that there are.
    mode : {"sum", "max"}
        Whether their states are summed over or the best one is kept.

    Returns
    -------
    left : list of Family
        The factors without these atoms, and new ones on their neighbours.
    steps : list of BatchStep
        What is needed to draw them back.
    finished : list of Family
        Factors on no atoms any more; their ``atoms`` have no columns.
    """
    place = np.full(num_atoms, -1)
    place[atoms] = np.arange(len(atoms))
    left: list[Family] = []
    hits: list[tuple[Family, int, Integers]] = []
    for part in families:
        is_hit = np.zeros(len(part.atoms), bool)
        for slot in range(part.width):
            places = place[part.atoms[:, slot]]
            found = np.flatnonzero(places >= 0)
            if not len(found):
                continue
            is_hit[found] = True
            hits += [(part, slot, occurrence) for occurrence in _occurrences(found, places[found], len(atoms))]
        if not is_hit.all():
            left.append(part.select(~is_hit) if is_hit.any() else part)
    steps, finished = [], []
    for members in _alike(hits, len(atoms)):
        step = _joined(hits, members, atoms)
        steps.append(step)
        value = logsumexp(step.logits) if mode == "sum" else pt.max(step.logits, axis=0)
        result = family(step.names, value, step.neighbours)
        if result.width:
            left.append(merged(result))
        else:
            finished.append(result)
    return left, steps, finished


def _occurrences(factors: Integers, places: Integers, count: int) -> list[Integers]:
    """Return arrays that hold for each atom its first factor, its second one, ...: equally many for all."""
    times = len(factors) // count
    order = np.argsort(places, kind="stable")
    return [factors[order].reshape(count, times)[:, i] for i in range(times)]


def _alike(hits: Sequence[tuple[Family, int, Integers]], count: int) -> list[Integers]:
    """Group members by which of their neighbours are the same."""
    neighbours = _neighbours(hits, np.arange(count))
    if len(neighbours) < 2:
        return [np.arange(count)]
    pattern = first_equal(neighbours)
    if np.all(pattern == pattern[:, :1]):
        return [np.arange(count)]
    _, inverse = np.unique(pattern, axis=1, return_inverse=True)
    inverse = inverse.ravel()
    return [np.flatnonzero(inverse == label) for label in range(int(inverse.max()) + 1)]


def _neighbours(hits: Sequence[tuple[Family, int, Integers]], members: Integers) -> list[Integers]:
    return [
        part.atoms[factors[members], other]
        for part, slot, factors in hits
        for other in range(part.width)
        if other != slot
    ]


def _joined(hits: Sequence[tuple[Family, int, Integers]], members: Integers, atoms: Integers) -> BatchStep:
    """Add up the factors of each member, with its own states first and then those of its neighbours."""
    listed = _neighbours(hits, members)
    pattern = first_equal(listed)[:, 0] if listed else np.zeros(0, np.int64)
    distinct = [i for i in range(len(listed)) if pattern[i] == i]
    counter = iter(range(len(listed)))
    tables = []
    for part, slot, factors in hits:
        axes: list[int | str] = ["x"] * (len(distinct) + 1)
        axes[0] = slot
        for other in range(part.width):
            if other != slot:
                axes[1 + distinct.index(int(pattern[next(counter)]))] = other
        table = columns_of(part.table, part.columns[factors[members]])
        tables.append(shuffled(table, [*axes, part.width]))
    logits = pt.add(*tables) if len(tables) > 1 else tables[0]
    neighbours = np.stack([listed[i] for i in distinct], axis=1) if distinct else np.zeros((len(members), 0), np.int64)
    names = tuple(dict.fromkeys(name for part, _, _ in hits for name in part.names))
    return BatchStep(atoms[members], neighbours, logits, names)
