"""The Barker proposal in sweeps: scale and variances are learnt while tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.layout import Layout
from samplers.barker.proposal import log_ratio, propose
from samplers.gradient_kernel import FlatDensity
from samplers.metropolis import decide
from samplers.move import Move, Moved
from samplers.tuning.running_moments import moments_after, no_moments


class Barker(Move):
    """All variables together by the Barker proposal, of a scale and variances that are learnt.

    The scale is that at which 0.4 of the proposals are accepted, as is best in many dimensions; means and variances
    follow the draws [1]_.

    References
    ----------
    .. [1] Livingstone and Zanella (2022), The Barker proposal, JRSS B 84, section 6.
    """

    name: ClassVar[str] = "barker"
    needs_gradient: ClassVar[bool] = True
    target_acceptance: ClassVar[float | None] = 0.4

    def memory(self, values: Sequence[TensorVariable]) -> Mapping[str, Any]:
        """Return means and variances, as far as they are known, and the number of draws that they are from."""
        return no_moments(Layout.of(values).size)

    def step(
        self,
        logdensity: LogDensity,
        values: Sequence[TensorVariable],
        rng: Variable,
        memory: Mapping[str, TensorVariable],
    ) -> Moved:
        """Return new values, and what is learnt of them."""
        density = FlatDensity(logdensity)
        before = density.here
        next_rng, proposal = propose(rng, before, memory["scale"] * pt.sqrt(memory["variance"]))
        decision = decide(next_rng, log_ratio(before, density.at(proposal)))
        moved = decision.choose(proposal, before.position)
        learnt = moments_after(moved, memory)
        return Moved(density.parts(moved), decision.next_rng, decision.acceptance_rate, learnt)
