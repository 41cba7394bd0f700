"""Draw what was integrated out, given each draw of the rest: independent of each other, exactly from its law."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.integral import drawn_back
from graphs.layout import Layout
from graphs.surgery.random_graph import depends_on
from ppl.planning.plans import Plan

ROWS_AT_ONCE = 2**12
Seed = tuple[int, ...]
"""The seed of a run, and which part of it this is, each of which has numbers of its own."""
_STREAM = 20261201
"""Tells the generators of these draws from those of the chains, which have the same seed."""


@dataclass(frozen=True, eq=False)
class DrawingBack:
    """Draws what was integrated out, of flat draws of the rest.

    Parameters
    ----------
    given, drawn : Layout
        Of the draws of the rest, and of what is kept of what is drawn.
    function : callable
        Of a generator and the variables that are given: the draws.
    names : tuple of str
        What it draws: all, so that the numbers are the same whatever is kept.
    dependent : tuple of str
        The values that follow from what is drawn: without it there are none of them.
    """

    given: Layout
    drawn: Layout
    function: Callable[..., list[NDArray]]
    names: tuple[str, ...]
    dependent: tuple[str, ...]

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
        function = get_backend(backend).map(variables, list(draws.values()), rng=rng)
        kept = [v for v in draws if any(depends_on(graph, [v]) for graph in outputs.values())]
        dependent = tuple(n for n, graph in outputs.items() if depends_on(graph, kept))
        return cls(Layout.of(variables), Layout.of(kept), function, tuple(str(v.name) for v in draws), dependent)

    def __call__(self, rows: NDArray[np.float64], chains: int, seed: Seed) -> NDArray[np.float64]:
        """Return a draw for each row, (number, size): the same whatever is computed at once, and of how many chains.

        Parameters
        ----------
        rows : (number, size) float64 array
            Draws of the rest, those of one chain after the other.
        chains : int
            Number of chains.
        seed : tuple of int
            Of the run, and of its part.
        """
        drawn = np.empty((len(rows), self.drawn.size))
        length = len(rows) // max(chains, 1)
        for chain in range(chains):
            for number, first in enumerate(range(0, length, ROWS_AT_ONCE)):
                generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM, chain, number)))
                start, stop = chain * length + first, chain * length + min(first + ROWS_AT_ONCE, length)
                self._fill(drawn[start:stop], rows[start:stop], generator)
        return drawn

    def _fill(self, drawn: NDArray[np.float64], rows: NDArray[np.float64], generator: np.random.Generator) -> None:
        flat = self.given.unpack(rows, copy=False)
        arrays = self.function(generator, *(flat[name] for name in self.given.names))
        for name, array in zip(self.names, arrays, strict=True):
            if name not in self.drawn.names:
                continue
            slot = drawn[:, self.drawn.slice_of(name)]
            slot[:] = np.reshape(array, slot.shape)


def draws_of(plan: Plan, wanted: Sequence[TensorVariable]) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
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
