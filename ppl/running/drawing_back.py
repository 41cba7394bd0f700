"""Draw what was integrated out, given each draw of the rest: independent of each other, exactly from its law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.integral import drawn_back
from graphs.layout import Layout
from ppl.planning.plans import Plan

ROWS_AT_ONCE = 2**12
_STREAM = 20261201
"""Tells the generators of these draws from those of the chains, which have the same seed."""


@dataclass(frozen=True, eq=False)
class DrawingBack:
    """Appends draws of what was integrated out to flat draws of the rest.

    Parameters
    ----------
    before, after : Layout
        Of the draws, without and with them.
    function : callable
        Of a generator and the variables before: the draws.
    names : tuple of str
        What is drawn.
    """

    before: Layout
    after: Layout
    function: Callable[..., list[NDArray]]
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        variables: Sequence[TensorVariable],
        graphs: Sequence[TensorVariable],
        values: Sequence[TensorVariable],
        rng: Variable,
        backend: str,
    ) -> DrawingBack:
        """Compile the draws.

        Parameters
        ----------
        variables : sequence of TensorVariable
            What is known of each draw.
        graphs : sequence of TensorVariable
            Draws of what was integrated out.
        values : sequence of TensorVariable
            The variables whose values these are.
        rng : Variable
            The generator of the graphs.
        backend : {"numba", "c", "jax"}
            What compiles them.
        """
        function = get_backend(backend).map(variables, list(graphs), rng=rng)
        return cls(Layout.of(variables), Layout.of([*variables, *values]), function, tuple(str(v.name) for v in values))

    def __call__(self, rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        """Return draws (number, size) with more columns; the same whatever is computed at once."""
        whole = np.empty((len(rows), self.after.size))
        whole[:, : self.before.size] = rows
        for number, first in enumerate(range(0, len(rows), ROWS_AT_ONCE)):
            part = slice(first, first + ROWS_AT_ONCE)
            flat = self.before.unpack(rows[part], copy=False)
            generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM, number)))
            arrays = self.function(generator, *(flat[name] for name in self.before.names))
            for name, array in zip(self.names, arrays, strict=True):
                slot = whole[part, self.after.slice_of(name)]
                slot[:] = np.reshape(array, slot.shape)
        return whole

    def nothing(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return draws with columns that are no numbers, where there are no draws of what was integrated out."""
        return np.concatenate([rows, np.full((len(rows), self.after.size - self.before.size), np.nan)], axis=1)


def draws_of(plan: Plan) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
    """Return a generator, and by value the graph of a draw of what a plan integrates out, given what is sampled.

    Parameters
    ----------
    plan : Plan
        Any.
    """
    rng: Variable = pt.random.rng("rng_of_integrals")
    mixed = plan.mixed
    known: dict[Variable, Variable] = {
        plan.natural.values[n]: mixed.natural[n] for n in mixed.values if plan.natural.values[n] is not mixed.natural[n]
    }
    _, draws = drawn_back(plan.natural.integrals, rng, known)
    values = {name: value for step in plan.natural.integrals for name, value in zip(step.names, step.at, strict=True)}
    return rng, {values[name]: draw for name, draw in draws.items()}
