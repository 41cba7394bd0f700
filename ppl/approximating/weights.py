"""What importance weights say: how far an approximation is from the density, and what that integrates to."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

type Vector = NDArray[np.float64]

FEWEST = 25
"""Draws of which a tail has a shape: five of them (Vehtari et al. 2024)."""


def evidence(weights: Vector) -> tuple[float, float]:
    """Return the logarithm of the mean of weights, of which logarithms are given, and its standard error."""
    largest = weights.max()
    if not np.isfinite(largest):
        return -np.inf, np.inf
    relative = np.exp(weights - largest)
    error = relative.std(ddof=1) / relative.mean() / len(weights) ** 0.5 if len(weights) > 1 else np.inf
    return float(logsumexp(weights) - log(len(weights))), float(error)


def smoothed(weights: Vector) -> tuple[Vector, float]:
    """Return logarithms of weights with their tail smoothed, and the shape of that tail, by ArviZ; NaN of too few."""
    if not np.isfinite(weights).any():
        return weights, np.inf
    if np.ptp(weights[np.isfinite(weights)]) < 1e-9:
        return weights, -np.inf  # all weights are the same: the approximation is exact
    if np.isfinite(weights).sum() < FEWEST:
        return weights, np.nan
    lowest = weights[np.isfinite(weights)].min()
    # Imported where it is used: it imports JAX, which takes half a second.
    from arviz_stats.base import array_stats

    # ArviZ takes log-likelihoods, whose negatives are weights.
    found, k = array_stats.psislw(-np.where(np.isfinite(weights), weights, lowest - 700.0))
    return np.asarray(found, np.float64), float(k)


def pareto_k(weights: Vector) -> float:
    """Return the shape of the tail of weights."""
    return smoothed(weights)[1]
