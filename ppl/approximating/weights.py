r"""What importance weights say: how far an approximation is from the density, and what that integrates to.

The shape of the tail of weights is that of a generalised Pareto distribution fitted to the largest of them, by ArviZ
[1]_. Where the ratio of densities has a maximum in the middle of the approximation, as it has for nearly every skewed
posterior of few dimensions, weights pile up just below that maximum, and a tail that reaches down to it is no Pareto
tail: its fitted shape is 3 or 4, whatever the weights above are. The tail is therefore halved until a Pareto
distribution fits it, by the statistic of Anderson and Darling: the choice of thresholds of [2]_.

The shape says whether weights can be relied on; how far the draws as they are are from the posterior, their effective
number does: over the number of draws it is :math:`1 / (1 + \chi^2)`, and by Cauchy and Schwarz the mean of no function
is further off than :math:`\sqrt{\chi^2}` of its standard deviations over the draws.

References
----------
.. [1] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling. JMLR 25.
.. [2] Bader, Yan and Zhang (2018). Automated threshold selection for extreme value analysis via ordered goodness-of-fit
   tests with adjustment for false discovery rate. Annals of Applied Statistics 12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

FEWEST = 25
"""Draws of which a tail has a shape: five of them (Vehtari et al. 2024)."""
_SMALLEST_TAIL = 20
"""That is halved no further: the shape of ten draws is mostly the prior that ArviZ has for it."""
_MISFIT = 0.85
"""Of Anderson and Darling's statistic: 5% of Pareto tails of shapes 0 to 2 and of 40, 94 and 190 draws have more, from
300 of each (0.76 to 1.11), ArviZ's shape and scale put in."""


def evidence(weights: Vector) -> tuple[float, float]:
    """Return the logarithm of the mean of weights, of which logarithms are given, and its standard error."""
    largest = weights.max()
    if not np.isfinite(largest):
        return -np.inf, np.inf
    relative = np.exp(weights - largest)
    error = relative.std(ddof=1) / relative.mean() / len(weights) ** 0.5 if len(weights) > 1 else np.inf
    return float(logsumexp(weights) - log(len(weights))), float(error)


def smoothed(weights: Vector) -> tuple[Vector, float]:
    """Return logarithms of weights with their tail smoothed, and the shape of that tail; NaN of too few."""
    if not np.isfinite(weights).any():
        return weights, np.inf
    if np.ptp(weights[np.isfinite(weights)]) < 1e-9:
        return weights, -np.inf  # all weights are the same: the approximation is exact
    if np.isfinite(weights).sum() < FEWEST:
        return weights, np.nan
    lowest = weights[np.isfinite(weights)].min()
    given = np.where(np.isfinite(weights), weights, lowest - 700.0)
    size = int(min(len(weights) / 5, 3 * len(weights) ** 0.5))
    while True:
        found, k, misfit = _of_tail(given, size)
        if misfit < _MISFIT or size // 2 < _SMALLEST_TAIL:
            return found, k
        size //= 2


def _of_tail(weights: Vector, size: int) -> tuple[Vector, float, float]:
    """Return weights with a tail of some size smoothed, its shape, and how badly that fits."""
    # Imported where they are used: they take a second, JAX's half included.
    from arviz_stats.base import array_stats
    from scipy.stats import genpareto

    order = np.argsort(weights)
    tail, below, top = order[-size:], weights[order[-size - 1]], weights[order[-1]]
    if top - weights[tail[0]] < 1e-12:
        return weights, -np.inf, 0.0  # bounded: the largest weights are the same
    # ArviZ takes log-likelihoods, whose negatives are weights, and the size of a tail by that of independent draws.
    found, k = array_stats.psislw(-weights, r_eff=9.0 * len(weights) / (size + 0.5) ** 2)
    found, k = np.asarray(found, np.float64), float(k)
    if not np.isfinite(k):
        return weights, k, np.inf
    excess = np.exp(weights[tail] - top) - np.exp(below - top)
    middle, shift = size // 2, found[order[0]] - weights[order[0]]
    quantile = np.exp(found[tail[middle]] - shift - top) - np.exp(below - top)
    surprise = -np.log1p(-(middle + 0.5) / size)
    scale = quantile / (surprise if abs(k) < 1e-8 else np.expm1(k * surprise) / k)
    return found, k, _anderson_darling(np.clip(genpareto.cdf(excess, k, scale=scale), 1e-12, 1.0 - 1e-12))


def _anderson_darling(probabilities: Vector) -> float:
    """Return the statistic of sorted probabilities, which are uniform where a distribution fits."""
    number = len(probabilities)
    logs = np.log(probabilities) + np.log1p(-probabilities[::-1])
    return float(-number - np.mean((2.0 * np.arange(number) + 1.0) * logs))


def pareto_k(weights: Vector) -> float:
    """Return the shape of the tail of weights."""
    return smoothed(weights)[1]


def said_by(
    weights: Vector, positions: Matrix | None = None, names_of: Callable[[Iterable[int]], list[str]] | None = None
) -> dict[str, Any]:
    """Return what is to be known of weights, as attributes of a trace.

    Parameters
    ----------
    weights : array, shape (n,), float64
        Logarithms.
    positions : array, shape (n, d), float64, optional
        What they are the weights of, where draws stay as they are.
    names_of : callable, optional
        The names of elements of positions.
    """
    log_evidence, error = evidence(weights)
    attributes = {
        "log_evidence_by_weights": log_evidence,
        "log_evidence_error": error,
        "pareto_k": pareto_k(weights),
        "weights_ess": (worth := effective(weights)),
        "weights_share": worth / len(weights),
    }
    if positions is None or not np.isfinite(attributes["log_evidence_by_weights"]):
        return attributes
    shifts, errors = shifted(weights, positions)
    furthest = int(np.argmax(shifts))
    names = [] if names_of is None else names_of([furthest])
    return {
        **attributes,
        "weights_shift": float(shifts[furthest]),
        "weights_shift_error": float(errors[furthest]),
        "weights_shift_of": ", ".join(names),
    }


def effective(weights: Vector) -> float:
    """Return how many draws of equal weight the weighted ones are worth."""
    if not np.isfinite(weights.max()):
        return 0.0
    relative = np.exp(weights - weights.max())
    return float(relative.sum() ** 2 / (relative**2).sum())


def shifted(weights: Vector, positions: Matrix) -> tuple[Vector, Vector]:
    """Return by how many standard deviations weights move the mean of each column, and standard errors of that."""
    share = np.exp(weights - logsumexp(weights))
    deviations = positions - share @ positions
    spread = np.sqrt(share @ deviations**2)
    spread = np.where(spread > 0, spread, 1.0)
    # The difference of means is a sum over the draws of the difference of their weights.
    errors = np.sqrt(((share - 1.0 / len(share)) ** 2) @ deviations**2)
    return np.abs(deviations.mean(axis=0)) / spread, errors / spread
