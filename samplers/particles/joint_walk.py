"""Proposals for variables together with the seeds of what is simulated from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.supports import REAL
from graphs.surgery.rebuilding import substitute
from samplers.metropolis import decide
from samplers.move import Move, Moved
from samplers.random_walk.proposal import propose, zero_outside

SPREAD = "spread"
_OPTIMAL = 2.38
"""Roberts, Gelman and Gilks (1997): times the standard deviation, over the root of the number of dimensions."""


class JointWalk(Move):
    """Continuous variables by a normal step, seeds anew, all accepted or not together: one simulation a proposal.

    Its scales, ``memory["spread"]``, are standard deviations of particles.

    Parameters
    ----------
    seeds : collection of str
        Names of the values that are seeds.
    """

    name: ClassVar[str] = "joint walk"
    needs_tuning: ClassVar[bool] = False

    def __init__(self, seeds: Sequence[str]):
        self.seeds = frozenset(seeds)

    def memory(self, values: Sequence[TensorVariable]) -> Mapping[str, Any]:
        """Return the scales, one for each element of the variables."""
        size = sum(int(np.prod(v.type.shape)) for v in values if str(v.name) not in self.seeds)
        return {SPREAD: np.ones(max(size, 1))}

    def step(
        self,
        logdensity: LogDensity,
        values: Sequence[TensorVariable],
        rng: Variable,
        memory: Mapping[str, TensorVariable],
    ) -> Moved:
        """Return the new values."""
        moved = [v for v in values if str(v.name) not in self.seeds]
        scales, first = [], 0
        spread = memory[SPREAD] * (_OPTIMAL / max(sum(int(np.prod(v.type.shape)) for v in moved), 1) ** 0.5)
        for value in moved:
            size = int(np.prod(value.type.shape))
            scales.append(spread[first : first + size].reshape(value.type.shape))
            first += size
        supports = [logdensity.supports.get(v, REAL) for v in moved]
        rng, proposals, insides = propose(rng, moved, scales, supports)
        new: dict[Variable, Variable] = dict(zip(moved, proposals, strict=True))
        for value in values:
            if value not in new:
                support = logdensity.supports[value]
                rng, seed = rng.integers(int(support.lower), int(support.upper) + 1)
                new[value] = pt.cast(seed, value.type.dtype)
        [there] = substitute([logdensity.total], new)
        decision = decide(rng, zero_outside(there - logdensity.total, insides))
        chosen = [decision.choose(pt.as_tensor(new[v]), v) for v in values]
        return Moved(chosen, decision.next_rng, decision.acceptance_rate)
