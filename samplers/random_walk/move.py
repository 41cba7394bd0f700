"""Random-walk Metropolis-Hastings in sweeps: a scale for each variable is learnt while tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.layout import Layout
from graphs.supports import REAL
from graphs.surgery.rebuilding import substitute
from samplers.metropolis import decide
from samplers.move import Move, Moved
from samplers.random_walk.proposal import elementwise_log_ratio, propose, zero_outside
from samplers.tuning.adaptation import SCALAR_ACCEPTANCE, VECTOR_ACCEPTANCE


class RandomWalk(Move):
    """One variable by normal steps, which are rounded for integers.

    Where the log-density falls apart into one summand per element, each element is accepted or not on its own.
    """

    name: ClassVar[str] = "rmh"
    is_joint: ClassVar[bool] = False
    target_acceptance: ClassVar[float | None] = VECTOR_ACCEPTANCE

    @property
    def label(self) -> str:
        """Short for random-walk Metropolis-Hastings."""
        return self.name.upper()

    def step(
        self,
        logdensity: LogDensity,
        values: Sequence[TensorVariable],
        rng: Variable,
        memory: Mapping[str, TensorVariable],
    ) -> Moved:
        """Return the new value."""
        [value] = values
        next_rng, [proposal], is_inside = propose(
            rng, values, [memory["scale"]], [logdensity.supports.get(value, REAL)]
        )
        log_ratio = elementwise_log_ratio(logdensity.total, value, proposal)
        is_decided_alone = log_ratio is not None or Layout.of(values).size == 1
        if log_ratio is None:
            [there] = substitute([logdensity.total], {value: proposal})
            log_ratio = there - logdensity.total
        decision = decide(next_rng, zero_outside(log_ratio, is_inside))
        rate, target = pt.mean(decision.acceptance_rate), SCALAR_ACCEPTANCE if is_decided_alone else None
        return Moved([decision.choose(proposal, value)], decision.next_rng, rate, target_acceptance=target)
