"""Proposals that do not depend on where the chain is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute
from samplers.blocks import Block
from samplers.builders import SweepTarget
from samplers.metropolis import decide
from samplers.move import Move, Moved


class Renewal(Move):
    """One number of a finite set of integers: any of them is proposed, each as probable as any other [1]_.

    References
    ----------
    .. [1] Tierney (1994). Markov Chains for Exploring Posterior Distributions, section 2.3.3. Annals of Statistics 22.
    """

    name: ClassVar[str] = "rmh"
    needs_tuning: ClassVar[bool] = False
    is_joint: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """Metropolis-Hastings, too."""
        return self.name.upper()

    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return a block for each variable, which evaluates nothing but its own terms; see `BlockBuilder.blocks`."""
        return [block for name in names for block in super().blocks(_of_own_terms(target, name), [name])]

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


def _of_own_terms(target: SweepTarget, name: str) -> SweepTarget:
    own = [term.sum() for term in target.terms if depends_on(term, [target.values[name]])]
    return replace(target, logdensity=replace(target.logdensity, total=pt.add(np.float64(0.0), *own)))
