"""Which atoms stand together in factors: neighbours, components, and what eliminating an atom would cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from graphs.marginal.elimination.factor_tables import Family, Integers


class Network:
    """The graph of atoms at one moment of the elimination.

    Parameters
    ----------
    families : sequence of Family
        The factors that are left.
    states : (n,) int64 array
        Number of states of every atom.
    active : (n,) bool array
        The atoms that are left.
    """

    def __init__(self, families: Sequence[Family], states: Integers, active: NDArray[np.bool_]):
        self.families = families
        self.states = states
        self.active = active
        self.adjacency = _adjacency(families, len(states))
        self.degrees = np.diff(self.adjacency.indptr)
        log_states = np.log2(states.astype("float64"))
        self.log_costs = self.adjacency @ log_states + log_states

    def components(self) -> tuple[int, Integers]:
        """Return the number of connected components, counting atoms that are gone, and the component of each atom."""
        count, labels = connected_components(self.adjacency, directed=False)
        return int(count), labels.astype(np.int64)

    def is_simplicial(self) -> NDArray[np.bool_]:
        """Whether one factor holds an atom and all its neighbours: eliminating it joins nothing."""
        widest = np.zeros(len(self.states), np.int64)
        for family in self.families:
            for column in family.atoms.T:
                np.maximum.at(widest, column, family.width)
        return self.degrees == np.maximum(widest, 1) - 1

    def classes(self, atoms: Integers) -> list[Integers]:
        """Group atoms that stand alike: equally often in each place of the same families."""
        if len(atoms) == 1:
            return [atoms]
        rows = [self.states[atoms]]
        for family in self.families:
            for column in family.atoms.T:
                if family.width == 1 and len(column) == len(self.states):
                    continue
                rows.append(np.bincount(column, minlength=len(self.states))[atoms])
        signature = np.stack(rows, axis=1)
        if np.all(signature == signature[0]):
            return [atoms]
        _, inverse = np.unique(signature, axis=0, return_inverse=True)
        inverse = inverse.ravel()
        order = np.argsort(inverse, kind="stable")
        return np.split(atoms[order], np.flatnonzero(np.diff(inverse[order])) + 1)

    def independent(self, atoms: Integers) -> Integers:
        """Return the atoms that are no neighbours of an earlier one that is returned."""
        if len(atoms) == 1 or not self._touch(atoms):
            return atoms
        taken = np.zeros(len(self.states), bool)
        blocked = np.zeros(len(self.states), bool)
        for atom in atoms:
            if not blocked[atom]:
                taken[atom] = True
                blocked[self.neighbours(int(atom))] = True
        return atoms[taken[atoms]]

    def _touch(self, atoms: Integers) -> bool:
        inside = np.zeros(len(self.states))
        inside[atoms] = 1.0
        return bool(np.any((self.adjacency @ inside)[atoms] > 0))

    def neighbours(self, atom: int) -> Integers:
        """Return the atoms that share a factor with one."""
        start, stop = self.adjacency.indptr[atom : atom + 2]
        return np.asarray(self.adjacency.indices[start:stop], dtype=np.int64)


def _adjacency(families: Sequence[Family], count: int) -> csr_matrix:
    heads, tails = [], []
    for family in families:
        for i in range(family.width):
            for j in range(family.width):
                if i != j:
                    heads.append(family.atoms[:, i])
                    tails.append(family.atoms[:, j])
    if not heads:
        return csr_matrix((count, count))
    head, tail = np.concatenate(heads), np.concatenate(tails)
    matrix = coo_matrix((np.ones(len(head)), (head, tail)), shape=(count, count)).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix
