"""Chains that draw by a table that is good: their proposals, where they are, and both as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.chain.plain_arrays import State, part_of, with_prefix
from samplers.tables.orbits import in_sets
from samplers.tables.proposals import Been, PlaceOfChain, Proposals, ProposalSource, are_good, moved
from samplers.tables.splits import Splits
from samplers.tables.table import Table
from samplers.tables.tiling import Matrix, Tiling

NUM_JUDGED = 1024
"""By so many proposals of each chain: whether a table is good does not depend on how many draws are asked for."""


class Evaluated(NamedTuple):
    """Proposals of all chains, and their log-densities."""

    proposals: Proposals
    values: Matrix  # (chains, n) float64

    def some(self, where: slice) -> Evaluated:
        """Return some of each chain."""
        return Evaluated(Proposals(*(array[:, where] for array in self.proposals)), self.values[:, where])


class TableChains:
    """Chains that draw by a table.

    Parameters
    ----------
    table : Table
        What proposals come from.
    seeds : sequence of SeedSequence
        Of each chain.

    Attributes
    ----------
    num_done : int
        Number of proposals that each chain has accepted or not, and that have been asked for.
    """

    def __init__(self, table: Table, seeds: Sequence[np.random.SeedSequence]):
        self._table = table
        self._sources = [ProposalSource(table, seed) for seed in seeds]
        self._places: list[PlaceOfChain | None] = [None for _ in seeds]
        # Sets of proposals are whole; what comes after what was asked for.
        self._ahead: list[Been] = []
        self._judged: Evaluated | None = None
        self._last = np.full((len(seeds), table.origin.size), np.nan)
        self.num_done = 0

    def proposals(self, number: int) -> Proposals:
        """Return so many proposals of each chain."""
        return Proposals(*map(np.stack, zip(*(source.next(number) for source in self._sources), strict=True)))

    def judge(self, first: Evaluated) -> bool:
        """Whether the table is good, given the first proposals, which are kept."""
        self._judged = first
        return are_good(*first)

    def move(self, number: int, evaluate: Callable[[Proposals], Matrix]) -> list[Been]:
        """Return where each chain is after each of so many more proposals, or fewer.

        Where these cannot be evaluated, no chain has moved.
        """
        if not self._ahead:
            given = self._next(in_sets(number), evaluate)
            for chain, (place, values) in enumerate(zip(self._places, given.values, strict=True)):
                own = Proposals(*(array[chain] for array in given.proposals))
                self._places[chain], been = moved(place, own, values)
                self._ahead.append(been)
        count = min(number, len(self._ahead[0].values))
        found = [been.some(slice(count)) for been in self._ahead]
        self._ahead = [been.some(slice(count, None)) for been in self._ahead]
        if not len(self._ahead[0].values):
            self._ahead = []
        self._last = np.stack([been.positions[-1] for been in found])
        self.num_done += count
        return found

    def _next(self, number: int, evaluate: Callable[[Proposals], Matrix]) -> Evaluated:
        """Return so many proposals and their log-densities, or fewer; where these fail, nothing has been proposed."""
        if self._judged is not None:
            last = min(self.num_done + number, NUM_JUDGED)
            found = self._judged.some(slice(self.num_done, last))
            self._judged = self._judged if last < NUM_JUDGED else None
            return found
        before = [source.state() for source in self._sources]
        try:
            proposals = self.proposals(number)
            return Evaluated(proposals, evaluate(proposals))
        except BaseException:
            for source, state in zip(self._sources, before, strict=True):
                source.restore(state)
            raise

    def positions(self) -> Matrix:
        """Return where chains are, (chains, d); NaN where they have not begun."""
        return self._last

    def state(self) -> State:
        """Return all that is needed to go on, as arrays."""
        found: State = {"num_done": np.array(self.num_done), "last": self._last, **_arrays_of(self._table)}
        if self._judged is not None:
            found |= {"judged": self._judged.values}
        for chain, (source, place) in enumerate(zip(self._sources, self._places, strict=True)):
            found |= with_prefix(f"source_{chain}_", source.state())
            if place is not None:
                found |= with_prefix(f"place_{chain}_", place._asdict())
        for chain, been in enumerate(self._ahead):
            found |= with_prefix(f"ahead_{chain}_", been._asdict())
        return found

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray], seeds: Sequence[np.random.SeedSequence]) -> TableChains:
        """Return chains that go on from a state."""
        chains = cls(_table_of(state), seeds)
        chains.num_done, chains._last = int(state["num_done"]), np.array(state["last"])
        if "judged" in state:
            chains._judged = Evaluated(chains.proposals(NUM_JUDGED), np.array(state["judged"]))
        for chain, source in enumerate(chains._sources):
            source.restore(part_of(state, f"source_{chain}_"))
            if place := part_of(state, f"place_{chain}_"):
                chains._places[chain] = PlaceOfChain(**{name: np.array(array) for name, array in place.items()})
            if been := part_of(state, f"ahead_{chain}_"):
                chains._ahead.append(Been(**{name: np.array(array) for name, array in been.items()}))
        return chains


def _arrays_of(table: Table) -> State:
    """Return a table as arrays."""
    cells, splits = table.cells, table.cells.splits
    return {
        "origin": table.origin,
        "axes": table.axes,
        **{f"cells_{f.name}": getattr(cells, f.name) for f in fields(Tiling) if f.name != "splits"},
        **{f"splits_{f.name}": getattr(splits, f.name) for f in fields(Splits)},
    }


def _table_of(state: Mapping[str, NDArray]) -> Table:
    """Return the table of arrays."""
    splits = Splits(**{name: np.array(array) for name, array in part_of(state, "splits_").items()})
    cells = {name: np.array(array) for name, array in part_of(state, "cells_").items()}
    return Table(Tiling(**cells, splits=splits), np.array(state["origin"]), np.array(state["axes"]))
