"""Pathfinder along several paths, and the weights of draws from all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from graphs.errors import SamplingError
from samplers.approximations.families.family import HALF_LOG_TWO_PI
from samplers.approximations.target import Evaluate
from samplers.tuning.pathfinder import Approximation, best_approximation, evidence_bound

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

NUM_COMPARED = 100


@dataclass(frozen=True, eq=False)
class Paths:
    """Normal distributions found along paths, and draws from their mixture.

    Parameters
    ----------
    normals : sequence of Approximation
        One for each path that led somewhere.
    bounds : array, shape (num_paths,), float64
        The evidence lower bound of each; NaN for paths that led nowhere.
    positions : array, shape (n, d), float64
        Draws, as many of each distribution.
    values, weights : array, shape (n,), float64
        The log-density at each, and by how much it is more than that of the mixture.
    """

    normals: Sequence[Approximation]
    bounds: Vector
    positions: Matrix
    values: Vector
    weights: Vector


def multipath(evaluate: Evaluate, starts: Matrix, number: int, rng: np.random.Generator) -> Paths:
    """Run Pathfinder from several starts, and draw from what it finds.

    A draw is weighted by the density over that of the equal mixture of all distributions, not over that of its own: a
    mode counts for what it holds, however many paths end there.

    Parameters
    ----------
    evaluate : callable
        ``position -> (log-density, gradient)``.
    starts : array, shape (num_paths, d), float64
        Where paths begin.
    number : int
        Draws, at least.
    rng : numpy.random.Generator
        Advanced.

    Raises
    ------
    SamplingError
        If all paths lead nowhere.

    References
    ----------
    .. [1] Zhang, Carpenter, Gelman and Vehtari (2022). Pathfinder: parallel quasi-Newton variational inference. JMLR
       23(306), algorithm 2.
    .. [2] Veach and Guibas (1995). Optimally combining sampling techniques for Monte Carlo rendering. SIGGRAPH.
    """
    found = [best_approximation(evaluate, start, rng) for start in starts]
    normals = [normal for normal in found if normal is not None]
    if not normals:
        raise SamplingError(
            "No path led to a normal distribution with draws of finite log-density. Give values with init={...}, or "
            "use ppl.sample."
        )
    constant = HALF_LOG_TWO_PI * starts.shape[1]
    bounds = [np.nan if n is None else evidence_bound(evaluate, n, rng, NUM_COMPARED) + constant for n in found]
    each = -(-number // len(normals))
    positions = np.concatenate([[normal.draw(rng)[0] for _ in range(each)] for normal in normals])
    values = evaluated(evaluate, positions)
    mixture = logsumexp([n.log_density(positions) for n in normals], axis=0) - np.log(len(normals)) - constant
    return Paths(normals, np.array(bounds), positions, values, values - mixture)


def evaluated(evaluate: Evaluate, positions: Matrix) -> Vector:
    """Return the log-density at positions (n, d); minus infinity where it is no number."""
    values = np.array([evaluate(position)[0] for position in positions])
    return np.where(np.isnan(values), -np.inf, values)


def resampled(log_weights: Vector, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which draws to take, so many, in proportion to their weights: systematic, in a random order."""
    weights = np.exp(log_weights - logsumexp(log_weights))
    places = (rng.random() + np.arange(number)) / number
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)
    return rng.permutation(chosen)
