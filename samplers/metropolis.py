"""Whether a proposal is accepted: what every step needs that proposes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable


class AcceptanceInfo(NamedTuple):
    """Diagnostics of one step; averages over steps where several were made."""

    acceptance_rate: NDArray[np.float64]  # () or (chains,): the probability with which the proposal was accepted
    is_accepted: NDArray[np.bool_]  # () or (chains,)


class Decision(NamedTuple):
    """Whether proposals are accepted, as graphs; each of the shape of the ratio."""

    next_rng: Variable
    is_accepted: TensorVariable
    acceptance_rate: TensorVariable  # the probability with which they were

    @property
    def info(self) -> dict[str, TensorVariable]:
        """The diagnostics of a kernel."""
        return {"acceptance_rate": self.acceptance_rate, "is_accepted": self.is_accepted}

    def choose(self, new: TensorVariable, old: TensorVariable) -> TensorVariable:
        """Return the new value where it is accepted; the decision is of their shape, or of that of their first axes."""
        missing = new.type.ndim - self.is_accepted.type.ndim
        axes = [*range(self.is_accepted.type.ndim), *["x"] * missing]
        return pt.switch(self.is_accepted.dimshuffle(axes) if missing else self.is_accepted, new, old)


def decide(rng: Variable, log_ratio: TensorVariable) -> Decision:
    r"""Accept with probability :math:`\min(1, \exp(\mathrm{ratio}))`.

    Parameters
    ----------
    rng : Variable
        The generator.
    log_ratio : TensorVariable
        Of the densities after and before, times those of the proposals backwards and forwards, as a logarithm: one for
        all or several. Where it is no number, there is no density to move to.
    """
    log_ratio = pt.switch(pt.isnan(log_ratio), -np.inf, log_ratio)
    next_rng, uniform = rng.uniform(0.0, 1.0, size=tuple(log_ratio.type.shape) or None)
    return Decision(next_rng, pt.log(uniform) < log_ratio, pt.exp(pt.minimum(0.0, log_ratio)))
