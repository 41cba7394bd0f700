"""Proposals that do not depend on where the chain is: blocks of a sweep."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.supports import Support
from graphs.surgery.rebuilding import substitute
from samplers.blocks import DrawBlock


def renewal_block(logdensity: LogDensity, variable: TensorVariable, support: Support) -> DrawBlock:
    """Return the block of a sweep that proposes any value of a finite set of integers, each as probable as any other.

    Parameters
    ----------
    logdensity : LogDensity
        The target; its other inputs are held.
    variable : TensorVariable
        Shape (), int64: the input to move.
    support : Support
        Its values, both bounds included.

    References
    ----------
    .. [1] Tierney (1994). Markov Chains for Exploring Posterior Distributions, section 2.3.3. Annals of Statistics 22.
    """
    rng = pt.random.rng("rng")
    next_rng, proposal = rng.integers(int(support.lower), int(support.upper) + 1)
    proposal = pt.cast(proposal, variable.type.dtype)
    [moved] = substitute([logdensity.total], {variable: proposal})
    log_ratio = moved - logdensity.total
    log_ratio = pt.switch(pt.isnan(log_ratio), -np.inf, log_ratio)
    next_rng, uniform = next_rng.uniform(0.0, 1.0)
    draw = pt.switch(pt.log(uniform) < log_ratio, proposal, variable)
    return DrawBlock("rmh", (variable,), rng, next_rng, (draw,), pt.exp(pt.minimum(0.0, log_ratio)))
