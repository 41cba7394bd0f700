"""Proposals that do not depend on where the chain is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.surgery.rebuilding import substitute
from samplers.metropolis import decide
from samplers.move import Move, Moved


class Renewal(Move):
    """One number of a finite set of integers: any of them is proposed, each as probable as any other [1]_.

    References
    ----------
    .. [1] Tierney (1994). Markov Chains for Exploring Posterior Distributions, section 2.3.3. Annals of Statistics 22.
    """

    name: ClassVar[str] = "rmh"

    def step(
        self,
        logdensity: LogDensity,
        values: Sequence[TensorVariable],
        rng: Variable,
        memory: Mapping[str, TensorVariable],
    ) -> Moved:
        """Return the new value."""
        [value] = values
        support = logdensity.supports[value]
        next_rng, proposal = rng.integers(int(support.lower), int(support.upper) + 1)
        proposal = pt.cast(proposal, value.type.dtype)
        [there] = substitute([logdensity.total], {value: proposal})
        decision = decide(next_rng, there - logdensity.total)
        return Moved([decision.choose(proposal, value)], decision.next_rng, decision.acceptance_rate)
