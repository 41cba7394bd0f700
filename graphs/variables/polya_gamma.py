"""Polya-gamma random variables, after Polson, Scott and Windle (JASA 108, 2013).

A variable of shape ``count`` and tilt ``z`` is a sum of gamma variables with weights ``1 / (2 pi^2 d_k)``,
``d_k = (k - 1/2)^2 + (z / (2 pi))^2``. The largest weights are summed; what remains of mean and variance, both known in
closed form, is one more gamma variable: with 24 terms its third cumulant is wrong by 1e-11, where that of the sum is of
order 1. Numba draws sums of few unit variables by the exact rejection of Devroye instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.random.op import RandomVariable

FEWEST_TERMS = 24
MOST_TERMS = 200


class PolyaGammaRV(RandomVariable):
    """Draws of Polya-gamma variables; parameters of the node: ``count`` (0: the draw is 0, too) and ``tilt``."""

    name = "polya_gamma"
    signature = "(),()->()"
    dtype = "float64"
    _print_name = ("PolyaGamma", "\\operatorname{PG}")

    def rng_fn(self, rng: np.random.Generator, *arguments: Any) -> NDArray[np.float64]:
        """Draw by NumPy."""
        count, tilt, size = arguments
        shape = np.broadcast_shapes(np.shape(count), np.shape(tilt)) if size is None else tuple(size)
        count = np.broadcast_to(np.asarray(count, "float64"), shape)
        tilt = np.broadcast_to(np.asarray(tilt, "float64"), shape)
        is_proper = (count >= 0) & np.isfinite(tilt)
        count, tilt = np.where(is_proper, count, 1.0), np.where(is_proper, np.abs(tilt), 0.0)
        largest = float(tilt.max(initial=0.0))
        total, mean_left, variance_left = np.zeros(shape), *moments_of(np, tilt)
        for k in range(num_terms(largest)):
            weight = weight_of(k, tilt)
            total += weight * rng.standard_gamma(count)
            mean_left = mean_left - weight
            variance_left = variance_left - weight * weight
        shape_left, scale_left = remainder(np, count, mean_left, variance_left)
        total += scale_left * rng.standard_gamma(shape_left)
        return np.asarray(np.where(is_proper, total, np.nan))


def num_terms(largest: float) -> int:
    """Return how many of the terms are drawn one by one."""
    return int(min(MOST_TERMS, FEWEST_TERMS + largest))


def weight_of(k: Any, tilt: Any) -> Any:
    """Return the weight of a term, numbered from zero."""
    return 0.5 / ((np.pi * (k + 0.5)) ** 2 + 0.25 * tilt * tilt)


def moments_of(xp: Any, tilt: Any) -> tuple[Any, Any]:
    """Return mean and variance for a count of one."""
    is_small = tilt < 0.05
    z = xp.where(is_small, 1.0, tilt)
    square = tilt * tilt
    decay = xp.exp(-z)
    mean = xp.where(is_small, 0.25 - square / 48.0 + square * square / 480.0, xp.tanh(0.5 * z) / (2.0 * z))
    spread = (2.0 * xp.tanh(0.5 * z) - 4.0 * z * decay / (1.0 + decay) ** 2) / (4.0 * z**3)
    series = 1.0 / 24.0 - square / 120.0 + 17.0 * square * square / 13440.0
    return mean, xp.where(is_small, series, spread)


def remainder(xp: Any, count: Any, mean: Any, variance: Any) -> tuple[Any, Any]:
    """Return shape and scale of the gamma variable of some mean and variance per count."""
    variance = xp.maximum(variance, 1e-30)
    mean = xp.maximum(mean, 1e-15)
    return count * mean * mean / variance, variance / mean


polya_gamma = PolyaGammaRV()
