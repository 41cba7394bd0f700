"""Draw what was integrated out, given each draw of the rest: exactly from its law, over the draws in balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.backends.base import Filling
from graphs.balancing import balanced_signs, with_given_signs
from graphs.integral import drawn_back
from graphs.layout import Layout
from graphs.surgery.random_graph import depends_on, static_shape
from ppl.planning.plans import Plan

ROWS_AT_ONCE = 2**12
FEWEST_SHARED = 2**16
"""So many numbers are worth the start of threads: a millisecond of draws."""
Place = tuple[int, int]
Seed = tuple[int, ...]
"""The seed of a run, and which part of it this is, each of which has numbers of its own."""
_STREAM = 20261201
"""Tells the generators of these draws from those of the chains, which have the same seed."""


@dataclass(frozen=True, eq=False)
class DrawingBack:
    """Draws what was integrated out, of flat draws of the rest.

    Each draw is one from the law given the rest. Those of one chain are not independent of each other: the signs of
    normal numbers are balanced, so that means err less.

    Parameters
    ----------
    given, drawn : Layout
        Of the draws of the rest, and of what is kept of what is drawn.
    every : Layout
        Of all that is drawn: the numbers are the same whatever is kept.
    function : callable
        Fills rows with draws of all, given the rest.
    dependent : tuple of str
        The values that follow from what is drawn: without it there are none of them.
    signs : tuple of tuple of int
        Shapes of the arrays of normal numbers whose signs the function takes besides (`graphs.balancing`).
    """

    given: Layout
    drawn: Layout
    every: Layout
    function: Filling
    dependent: tuple[str, ...]
    signs: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        variables: Sequence[TensorVariable],
        draws: Mapping[TensorVariable, TensorVariable],
        rng: Variable,
        backend: str,
        outputs: Mapping[str, TensorVariable],
    ) -> DrawingBack:
        """Compile the draws.

        Parameters
        ----------
        variables : sequence of TensorVariable
            What is known of each draw.
        draws : mapping of TensorVariable to TensorVariable
            For each variable that was integrated out, a draw of it.
        rng : Variable
            The generator of these graphs.
        backend : {"numba", "c", "jax"}
            What compiles them.
        outputs : mapping of str to TensorVariable
            All values that are wanted.
        """
        graphs, signs = with_given_signs(list(draws.values()))
        function = get_backend(backend).fill([*variables, *signs], graphs, rng)
        kept = [v for v in draws if any(depends_on(graph, [v]) for graph in outputs.values())]
        dependent = tuple(n for n, graph in outputs.items() if depends_on(graph, kept))
        shapes = tuple(static_shape(sign) for sign in signs)
        return cls(Layout.of(variables), Layout.of(kept), Layout.of(draws), function, dependent, shapes)

    def __call__(
        self, rows: NDArray[np.float64], chains: int, seed: Seed, num_threads: int = 1, place: Place = (0, 0)
    ) -> NDArray[np.float64]:
        """Return a draw for each row, (number, size): the same whatever is computed at once, and of how many chains.

        Parameters
        ----------
        rows : (number, size) float64 array
            Draws of the rest, those of one chain after the other.
        chains : int
            Number of chains.
        seed : tuple of int
            Of the run, and of its part.
        num_threads : int
            How many threads may share the rows.
        place : (int, int)
            Numbers of the first chain, and of the first row of each, which is a multiple of `ROWS_AT_ONCE`.
        """
        first_chain, first_number = place[0], place[1] // ROWS_AT_ONCE
        length = len(rows) // max(chains, 1)
        parts = []
        for chain in range(chains):
            for number, first in enumerate(range(0, length, ROWS_AT_ONCE), first_number):
                own = np.random.SeedSequence(seed, spawn_key=(_STREAM, first_chain + chain, number))
                start, stop = chain * length + first, chain * length + min(first + ROWS_AT_ONCE, length)
                parts.append((slice(start, stop), own))
        if len(rows) * self.every.size < FEWEST_SHARED:
            num_threads = 1
        kept = self.every.elements(self.drawn.names)
        drawn = np.empty((len(rows), self.drawn.size))
        for some in batched(parts, num_threads):
            start, stop = some[0][0].start, some[-1][0].stop
            every = drawn[start:stop] if self.drawn == self.every else np.empty((stop - start, self.every.size))
            shifted = [(slice(part.start - start, part.stop - start), own) for part, own in some]
            self._fill(every, rows[start:stop], shifted, num_threads)
            if self.drawn != self.every:
                drawn[start:stop] = every[:, kept]
        return drawn

    def _fill(
        self,
        drawn: NDArray[np.float64],
        rows: NDArray[np.float64],
        parts: Sequence[tuple[slice, np.random.SeedSequence]],
        num_threads: int,
    ) -> None:
        """Fill an array with draws of all, part by part."""
        generators = [(part, np.random.default_rng(own)) for part, own in parts]
        given = [*self.given.unpack(rows, copy=False).values(), *self._signs_of(parts)]
        self.function(drawn, given, generators, num_threads)

    def _signs_of(self, parts: Sequence[tuple[slice, np.random.SeedSequence]]) -> list[NDArray]:
        """Return the signs of normal numbers, one array for each of theirs, rows first."""
        of_parts = [
            balanced_signs(self.signs, part.stop - part.start, np.random.default_rng(own.spawn(1)[0]))
            for part, own in parts
        ]
        return [np.concatenate(arrays) for arrays in zip(*of_parts, strict=True)]


def draws_of_integrals(
    plan: Plan, wanted: Sequence[TensorVariable]
) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
    """Return a generator, and by value the graph of a draw of what a plan integrates out, given what is sampled.

    All are drawn where one is wanted, and none where none is.

    Parameters
    ----------
    plan : Plan
        Any.
    wanted : sequence of TensorVariable
        Graphs of what is kept of a draw.
    """
    rng: Variable = pt.random.rng("rng_of_integrals")
    values = {name: value for step in plan.natural.integrals for name, value in zip(step.names, step.at, strict=True)}
    if not any(depends_on(graph, list(values.values())) for graph in wanted):
        return rng, {}
    mixed = plan.mixed
    known: dict[Variable, Variable] = {
        plan.natural.values[n]: mixed.natural[n] for n in mixed.values if plan.natural.values[n] is not mixed.natural[n]
    }
    _, draws = drawn_back(plan.natural.integrals, rng, known)
    return rng, {values[name]: draw for name, draw in draws.items()}
