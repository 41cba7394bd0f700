"""Where fits begin: the best normal distribution that Pathfinder comes by, or that of the curvature there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from samplers.approximations.families.base import Base
from samplers.approximations.families.family import FittedFamily
from samplers.approximations.target import Evaluate
from samplers.tuning.pathfinder import Approximation, best_approximation, evidence_bound

type Vector = NDArray[np.float64]

MOST_CURVED = 200
"""Numbers of which the curvature is computed, by two gradients each: fewer than a fit takes."""
NUM_COMPARED = 100
_STEP = 1e-4
_LEAST = 1e-8


def begin_near(
    family: FittedFamily, evaluate: Evaluate, starts: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Vector, Base]:
    """Return the parameters, and their base, that a fit of a family begins at.

    Parameters
    ----------
    family : FittedFamily
        What is fitted.
    evaluate : callable
        ``position -> (log-density, gradient)``.
    starts : array, shape (n, d), float64
        Where paths begin; the distribution of highest evidence lower bound is taken.
    rng : numpy.random.Generator
        Advanced.
    """
    found = [normal for start in starts if (normal := best_approximation(evaluate, start, rng)) is not None]
    if not found:
        return family.standard(), Base(starts[0], np.full((1, family.size), 0.1))
    best = _highest(found, evaluate, rng)
    if family.size <= MOST_CURVED and (curved := curved_at(evaluate, best)) is not None:
        best = _highest([best, curved], evaluate, rng)
    return family.begun(best)


def _highest(found: list[Approximation], evaluate: Evaluate, rng: np.random.Generator) -> Approximation:
    if len(found) == 1:
        return found[0]
    return max(found, key=lambda normal: evidence_bound(evaluate, normal, rng, NUM_COMPARED))


def curved_at(evaluate: Evaluate, normal: Approximation) -> Approximation | None:
    """Return the normal distribution of the curvature at the mean of another; None where the density is not concave."""
    scale = normal.precisions**-0.5
    units = np.diag(scale * _STEP)
    changes = [evaluate(normal.mean - unit)[1] - evaluate(normal.mean + unit)[1] for unit in units]
    columns = np.array(changes) * scale / (2.0 * _STEP)
    curvature = 0.5 * (columns + columns.T)
    if not np.isfinite(curvature).all():
        return None
    weights, axes = eigh(curvature)
    if weights[0] <= _LEAST * weights[-1]:
        return None
    covariance = (axes / weights) @ axes.T
    slope = evaluate(normal.mean)[1] * scale
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    return Approximation(normal.mean + scale * (covariance @ slope), scale, np.eye(len(scale)), lower)
