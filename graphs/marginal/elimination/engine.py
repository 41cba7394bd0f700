"""Choose what is eliminated next, until no atom is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphs.marginal.elimination.batch import BatchStep, eliminate_batch
from graphs.marginal.elimination.factor_tables import Family, Integers
from graphs.marginal.elimination.network import Network
from graphs.marginal.elimination.sequence import Row, SequenceStep, eliminate_rows, find_row
from graphs.marginal.lifting import MOST_STATES, TooLargeError
from graphs.recursion.op import Mode

EliminationStep = BatchStep | SequenceStep
TABLES = 8
"""How many tables of the largest size all joint sums together may amount to."""
LONGEST_UNROLLED = 12
"""Components of more atoms are eliminated by a recursion, where they are narrow."""
_MOST_COMPARED = 3000
_LOG_MOST_CARRIED = 15
"""Of joint states from step to step: the compiled loops have three numbers for each on the stack, of 8 MB mostly."""


@dataclass(frozen=True, eq=False)
class Eliminated:
    """A factor graph without atoms.

    Parameters
    ----------
    finished : list of Family
        Factors on no atoms, with the steps that made them: each column is a connected component.
    components : list of (m,) int64 array
        For each of these families and columns, the label of the component.
    ends : list of (m,) int64 array
        The atom of it that was eliminated last.
    steps : list of BatchStep or SequenceStep
        In the order of elimination.
    labels : (n,) int64 array
        The component of each atom.
    """

    finished: list[Family] = field(default_factory=list)
    components: list[Integers] = field(default_factory=list)
    ends: list[Integers] = field(default_factory=list)
    steps: list[EliminationStep] = field(default_factory=list)
    labels: Integers = field(default_factory=lambda: np.zeros(0, np.int64))


def eliminate_all(
    families: Sequence[Family], states: Integers, *, mode: Mode = "sum", max_states: int = MOST_STATES
) -> Eliminated:
    """Sum (or maximise) over the states of all atoms.

    Parameters
    ----------
    families : sequence of Family
        The factors; every atom is in at least one of them.
    states : (n,) int64 array
        Number of states of every atom.
    mode : {"sum", "max"}
        Whether the states are summed over or the best one is kept.
    max_states : int
        Most entries of a factor.

    Raises
    ------
    TooLargeError
        If some factor would have more; with the atoms of it.
    """
    return _Elimination(list(families), states, mode, max_states).run()


class _Elimination:
    def __init__(self, families: list[Family], states: Integers, mode: Mode, max_states: int):
        self.families = families
        self.states = states
        self.mode = mode
        self.log_max_states = float(np.log2(max_states)) + 1e-9
        # Many tables that are each just small enough are too much too.
        self.operations_left = TABLES * max_states
        self.active = np.zeros(len(states), bool)
        for part in families:
            self.active[part.atoms] = True
        self.result = Eliminated()

    def run(self) -> Eliminated:
        network = self._network()
        self.result = Eliminated(labels=network.components()[1])
        while self.active.any():
            chosen = self._alone(network) or self._leaves(network)
            if chosen:
                for members in chosen:
                    self._batch(members)
            elif not self._rows(network):
                self._batch(self._cheapest(network))
            network = self._network()
        return self.result

    def _network(self) -> Network:
        return Network([f for f in self.families if f.width], self.states, self.active)

    def _alone(self, network: Network) -> list[Integers]:
        """Return classes of atoms without neighbours."""
        atoms = np.flatnonzero(self.active & (network.degrees == 0))
        return network.classes(atoms) if len(atoms) else []

    def _leaves(self, network: Network) -> list[Integers]:
        """Return one class of atoms whose elimination joins nothing, if it has many in each component.

        The two ends of a chain are such atoms too; taking these one by one would never end.
        """
        is_simplicial = self.active & network.is_simplicial()
        atoms = np.flatnonzero(is_simplicial)
        if not len(atoms):
            return []
        _, labels = network.components()
        for members in sorted(network.classes(atoms), key=len, reverse=True):
            if len(members) > 2 * len(np.unique(labels[members])):
                independent = network.independent(members)
                if len(independent) > 2 * len(np.unique(labels[independent])):
                    return [independent]
        return []

    def _rows(self, network: Network) -> bool:
        """Eliminate components that are long and narrow; return whether there was one."""
        count, labels = network.components()
        sizes = np.bincount(labels[self.active], minlength=count)
        long = np.flatnonzero(sizes > LONGEST_UNROLLED)
        if not len(long):
            return False
        by_length: dict[tuple[int, int], list[Row]] = {}
        for atoms in _members(labels, self.active, long):
            row = find_row(network, atoms)
            if self._is_narrow(network, row):
                by_length.setdefault((len(atoms), row.width), []).append(row)
        for rows in by_length.values():
            left, step, finished = eliminate_rows(self.families, rows, self.states, self.mode)
            self.families = left
            self.active[step.atoms] = False
            self._finish(finished, step.atoms[:, 0])
            self.result.steps.append(step)
        return bool(by_length)

    def _is_narrow(self, network: Network, row: Row) -> bool:
        log_states = float(np.log2(self.states[row.atoms].max()))
        log_cost = log_states * (row.width + 1)
        if log_states * row.width > _LOG_MOST_CARRIED:
            return False
        is_tied = row.width > 1
        if log_cost > self.log_max_states or (is_tied and len(row.atoms) * 2.0**log_cost > self.operations_left):
            return False
        if len(row.atoms) > _MOST_COMPARED or row.width == 1:
            return True
        return log_cost <= _greedy_log_cost(network, row.atoms) + 2

    def _cheapest(self, network: Network) -> Integers:
        """Return atoms whose elimination makes the smallest tables."""
        atoms = np.flatnonzero(self.active)
        costs = network.log_costs[atoms]
        cheapest = float(costs.min())
        if cheapest > self.log_max_states:
            atom = int(atoms[int(costs.argmin())])
            clique = [atom, *network.neighbours(atom).tolist()]
            size = f"2^{cheapest:.0f}"
            raise TooLargeError(f"{len(clique)} discrete elements depend on each other, {size} joint states", clique)
        candidates = atoms[costs <= cheapest + 1e-9]
        largest = max(network.classes(candidates), key=len)
        return network.independent(largest)

    def _batch(self, members: Integers) -> None:
        left, steps, finished = eliminate_batch(self.families, members, len(self.states), self.mode)
        self.families = left
        self.active[members] = False
        self.result.steps.extend(steps)
        self.operations_left -= sum(step.num_entries for step in steps if step.neighbours.shape[1] > 1)
        if self.operations_left < 0:
            atoms = [int(a) for step in steps for a in (*step.atoms, *step.neighbours.ravel())]
            raise TooLargeError("so many discrete elements depend on each other that the sum has too many terms", atoms)
        ends = [step for step in steps if not step.neighbours.shape[1]]
        for part, step in zip(finished, ends, strict=True):
            self._finish(part, step.atoms)

    def _finish(self, part: Family, atoms: Integers) -> None:
        self.result.finished.append(part)
        self.result.components.append(self.result.labels[atoms])
        self.result.ends.append(atoms)


def _members(labels: Integers, active: NDArray[np.bool_], wanted: Integers) -> list[Integers]:
    atoms = np.flatnonzero(active)
    order = np.argsort(labels[atoms], kind="stable")
    atoms = atoms[order]
    pieces = np.split(atoms, np.flatnonzero(np.diff(labels[atoms])) + 1)
    chosen = set(wanted.tolist())
    return [piece for piece in pieces if int(labels[piece[0]]) in chosen]


def _greedy_log_cost(network: Network, atoms: Integers) -> float:
    """Return the largest table that greedy elimination of a component would make, as a logarithm."""
    log_states = np.log2(network.states.astype("float64"))
    neighbours = {int(a): set(network.neighbours(int(a)).tolist()) for a in atoms}
    costs = {a: log_states[a] + sum(log_states[b] for b in near) for a, near in neighbours.items()}
    largest = 0.0
    while neighbours:
        atom = min(costs, key=costs.__getitem__)
        largest = max(largest, costs.pop(atom))
        near = neighbours.pop(atom)
        for other in near:
            neighbours[other] |= near
            neighbours[other] -= {atom, other}
            costs[other] = log_states[other] + sum(log_states[b] for b in neighbours[other])
    return largest
