"""The Barker proposal in sweeps: scale and variances are learnt while tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.layout import Layout
from samplers.barker.proposal import FlatDensity, log_ratio, propose
from samplers.move import Move, Moved

_DECAY = 0.6
_LEAST, _MOST = 1e-20, 1e20


class Barker(Move):
    """All variables together by the Barker proposal, of a scale and variances that are learnt.

    The scale is that at which 0.4 of the proposals are accepted, as is best in many dimensions [1]_; means and
    variances follow the draws by ever smaller steps [2]_, as in section 6 of [1]_.

    References
    ----------
    .. [1] Livingstone and Zanella (2022), The Barker proposal, JRSS B 84.
    .. [2] Andrieu and Thoms (2008), A tutorial on adaptive MCMC, Statistics and Computing 18, algorithm 4.
    """

    name: ClassVar[str] = "barker"
    needs_gradient: ClassVar[bool] = True
    target_acceptance: ClassVar[float | None] = 0.4

    def memory(self, values: Sequence[TensorVariable]) -> Mapping[str, Any]:
        """Return means and variances, as far as they are known, and the number of draws that they are from."""
        size = Layout.of(values).size
        return {"mean": np.zeros(size), "variance": np.ones(size), "count": 0.0}

    def step(
        self,
        logdensity: LogDensity,
        values: Sequence[TensorVariable],
        rng: Variable,
        memory: Mapping[str, TensorVariable],
    ) -> Moved:
        """Return new values, and what is learnt of them."""
        density = FlatDensity(logdensity)
        position, value, gradient = density.here
        next_rng, proposal = propose(rng, position, gradient, memory["scale"] * pt.sqrt(memory["variance"]))
        ratio = log_ratio((position, value, gradient), (proposal, *density.at(proposal)))
        next_rng, uniform = next_rng.uniform(0.0, 1.0)
        moved = pt.switch(pt.log(uniform) < ratio, proposal, position)
        return Moved(density.parts(moved), next_rng, pt.exp(pt.minimum(0.0, ratio)), _learnt(moved, memory))


def _learnt(position: TensorVariable, memory: Mapping[str, TensorVariable]) -> dict[str, TensorVariable]:
    """Return moments moved towards a draw; the first draw is the mean."""
    count = memory["count"] + 1.0
    gain = count**-_DECAY
    deviation = position - memory["mean"]
    variance = memory["variance"]
    # That of one draw says nothing.
    towards = pt.switch(count > 1.0, gain * (deviation**2 - variance), 0.0)
    return {
        "mean": memory["mean"] + gain * deviation,
        "variance": pt.clip(variance + towards, _LEAST, _MOST),
        "count": count,
    }
