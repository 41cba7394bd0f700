"""Means and variances that follow the draws, as graphs: what moves that know no metric learn of scales."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

_DECAY = 0.6
_LEAST, _MOST = 1e-20, 1e20


def no_moments(size: int) -> dict[str, NDArray[np.float64]]:
    """Return means and variances before the first draw, and their number; for the memory of a ``samplers.Move``."""
    return {"mean": np.zeros(size), "variance": np.ones(size), "count": np.zeros(())}


def moments_after(draw: TensorVariable, memory: Mapping[str, TensorVariable]) -> dict[str, TensorVariable]:
    """Return moments moved towards a draw, by ever smaller steps [1]_; the first draw is the mean.

    References
    ----------
    .. [1] Andrieu and Thoms (2008), A tutorial on adaptive MCMC, Statistics and Computing 18, algorithm 4.
    """
    count = memory["count"] + 1.0
    gain = count**-_DECAY
    deviation = draw - memory["mean"]
    variance = memory["variance"]
    # That of one draw says nothing.
    towards = pt.switch(count > 1.0, gain * (deviation**2 - variance), 0.0)
    return {
        "mean": memory["mean"] + gain * deviation,
        "variance": pt.clip(variance + towards, _LEAST, _MOST),
        "count": count,
    }
