"""Values of discrete variables that are possible together, where those at which chains would start are not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import cast

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.interpreting import interpret, without_c
from ppl.planning.plans import Plan
from samplers.blocks import DrawBlock
from samplers.conditionals.discrete import block_by_groups

IMPOSSIBLE = -1e4
"""In place of minus infinity: each impossible element counts more than anything that is possible."""
MOST_SWEEPS = 50


class PossibleValues:
    """Finds values of the discrete variables of a plan that are possible together.

    Each is drawn from its full conditional, element by element, as in a run; but an impossible element of a term costs
    a large number rather than everything, so that from any start each draw leads to fewer of them.

    Parameters
    ----------
    plan : Plan
        What is sampled.
    """

    def __init__(self, plan: Plan):
        self.plan = plan

    @cached_property
    def _steps(self) -> dict[str, Callable[..., list[NDArray]]]:
        """Return for each discrete variable that is drawn the draw from its full conditional."""
        inputs = list(self.plan.mixed.values.values())
        with without_c():
            return {
                name: interpret([block.rng, *inputs], [block.next_rng, *block.draws]) for name, block in self._blocks()
            }

    def _blocks(self) -> Iterator[tuple[str, DrawBlock]]:
        mixed = self.plan.mixed
        terms = [_finite(term) for term in mixed.terms.values()]
        for assignment in self.plan.assignments:
            name = assignment.name
            if name not in mixed.values or not assignment.support.is_discrete or 0 in assignment.shape:
                continue
            block = block_by_groups(mixed, name, terms)
            if block is not None:
                yield name, block

    def sweeps(
        self, values: Mapping[str, NDArray], fixed: Collection[str], generator: np.random.Generator
    ) -> Iterator[dict[str, NDArray]]:
        """Yield joint states, by name, that are ever more possible.

        Parameters
        ----------
        values : mapping of str to array
            Where to begin, in the space where it is sampled.
        fixed : collection of str
            Variables that keep their values.
        generator : numpy.random.Generator
            Source of randomness.
        """
        moved = [name for name in self._steps if name not in fixed]
        found, rng = dict(values), generator
        variables = list(self.plan.mixed.values.values())
        for _ in range(MOST_SWEEPS if moved else 0):
            for name in moved:
                arguments = [np.asarray(found[str(v.name)], v.type.dtype) for v in variables]
                following, drawn = self._steps[name](rng, *arguments)
                rng = cast("np.random.Generator", following)
                found[str(self.plan.mixed.values[name].name)] = drawn
            yield dict(found)


def _finite(term: TensorVariable) -> TensorVariable:
    """Return a term with a large number in place of minus infinity and of what is not a number."""
    is_lost = pt.isnan(term) | (term < IMPOSSIBLE)
    finite: TensorVariable = pt.switch(is_lost, np.float64(IMPOSSIBLE), term)
    return finite
