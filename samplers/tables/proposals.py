"""Proposals from a table, and the chains that accept them or not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.chain.plain_arrays import State, generator_words, set_generator
from samplers.tables.orbits import NUM_IMAGES, accepted, images
from samplers.tables.table import MadeOf, Table
from samplers.tables.tiling import Matrix, Vector, log_total

BURN_IN = 16
"""Proposals before the first draw: at an acceptance rate of 0.9 nothing is left of where a chain began."""
LEAST_ACCEPTANCE, MOST_WEIGHT = 0.7, 30.0
"""Of proposals on average; and the largest weight of one over the average: a table that is worse is not used."""
_BLOCK = 1024


class Proposals(NamedTuple):
    """Consecutive proposals of all chains; or of one, without the first axis."""

    positions: NDArray[np.float64]  # (chains, n, d) float64
    logs: NDArray[np.float64]  # (chains, n) float64: logarithm of the probability with which each was proposed
    uniform: NDArray[np.float64]  # (chains, n) float64: what decides whether one is accepted

    @property
    def number(self) -> int:
        """How many each chain has."""
        return int(self.logs.shape[-1])


class ProposalSource:
    """What one chain proposes, one after the other; it does not depend on how many are asked for at once.

    Parameters
    ----------
    table : Table
        What they come from.
    seed : SeedSequence
        Of the chain.
    """

    def __init__(self, table: Table, seed: np.random.SeedSequence):
        self._table = table
        self._rng = np.random.default_rng(seed)
        self._words = generator_words(self._rng)
        self._block: Proposals | None = None
        self._used = 0

    def next(self, number: int) -> Proposals:
        """Return so many proposals."""
        found = []
        while number > 0:
            if self._block is None or self._used == _BLOCK:
                self._draw()
            assert self._block is not None
            some = slice(self._used, min(self._used + number, _BLOCK))
            found.append(Proposals(*(array[some] for array in self._block)))
            number -= some.stop - some.start
            self._used = some.stop
        return Proposals(*map(np.concatenate, zip(*found, strict=True)))

    def _draw(self) -> None:
        self._words = generator_words(self._rng)
        made_of = images(MadeOf.drawn(self._rng, _BLOCK // NUM_IMAGES, self._table.origin.size))
        self._block, self._used = Proposals(*self._table.placed(made_of), self._rng.random(_BLOCK)), 0

    def state(self) -> State:
        """Return what is needed to go on, as arrays: the generator before the present block, and how far that is."""
        return {"words": self._words, "used": np.array(self._used if self._block is not None else 0)}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        set_generator(self._rng, state["words"])
        self._block, used = None, int(state["used"])
        if used:
            self._draw()
            self._used = used


class PlaceOfChain(NamedTuple):
    """The set of proposals that a chain is in, its last being where the chain is."""

    positions: Matrix  # (16, d) float64
    values: Vector  # (16,) float64: log-densities
    log_weights: Vector  # (16,) float64: logarithms of the density over that of proposals


class Been(NamedTuple):
    """Where one chain is after each of some proposals."""

    positions: Matrix  # (n, d) float64
    values: Vector  # (n,) float64
    rates: Vector  # (n,) float64: how probably each proposal was accepted

    def some(self, where: slice) -> Been:
        """Return some of them."""
        return Been(*(array[where] for array in self))


def log_weights(values: NDArray[np.float64], logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms of densities over those of proposals."""
    found: NDArray[np.float64] = np.where(np.isnan(values), -np.inf, values) - logs
    return found


def moved(place: PlaceOfChain | None, proposals: Proposals, values: Vector) -> tuple[PlaceOfChain, Been]:
    """Return where a chain ends, and where it has been, given whole sets of proposals of that chain, evaluated.

    Without a place it is at the first proposal.
    """
    weights, uniform, positions = log_weights(values, proposals.logs), np.log(proposals.uniform), proposals.positions
    before = 0
    if place is not None:
        # Where a chain does not move to the next set it goes on among the images of where it is.
        before = NUM_IMAGES
        weights = np.concatenate([place.log_weights, weights])
        uniform = np.concatenate([np.zeros(before), uniform])
        values = np.concatenate([place.values, values])
        positions = np.concatenate([place.positions, positions])
    chosen, rates = accepted(weights, uniform, before)
    at, last = chosen[before:], int(chosen[-1])
    # The maps between images are the same from wherever one begins to count them.
    same_set = last // NUM_IMAGES * NUM_IMAGES + (np.arange(NUM_IMAGES) ^ last % NUM_IMAGES ^ NUM_IMAGES - 1)
    there = PlaceOfChain(positions[same_set], values[same_set], weights[same_set])
    return there, Been(positions[at], values[at], rates[before:])


def are_good(proposals: Proposals, values: Matrix) -> bool:
    """Whether the table is close enough to the density, given proposals of all chains and their log-densities."""
    weights = log_weights(values, proposals.logs)
    if not weights.size:
        return True
    mean = log_total(weights) - np.log(weights.size)
    rates = [accepted(own, np.log(u))[1] for own, u in zip(weights, proposals.uniform, strict=True)]
    return bool(weights.max() - mean < np.log(MOST_WEIGHT) and np.mean(rates) > LEAST_ACCEPTANCE)
