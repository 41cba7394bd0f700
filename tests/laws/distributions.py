"""The law of distributions: the density integrates to one, draws follow it, and so do cumulative probabilities.

In one dimension by integration on a grid; in more by Stein's identity, which takes no integral. How many digits
cumulative probabilities have far out is compared with mpmath in `tests/graphs/tails/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytest
from numpy.typing import NDArray
from scipy import stats

import ppl
from graphs.joint.logprob import logprob, unconstrain
from graphs.surgery.interpreting import interpret, without_c
from graphs.variables.transforms import transforms_of

FALSE_ALARM = 1e-6
NUM_STATES = 60
"""Whole numbers from zero, beyond which hardly anything is left."""
MOST_CUMULATIVE = 4000
"""Of so many points of a grid both cumulative probabilities are computed: some are integrals, one a point."""


def log_density_at(rv: Any, points: NDArray) -> NDArray[np.float64]:
    """Return the log-density of a variable named v, declared with as many elements as there are points."""
    joint = logprob({rv: points.astype(rv.type.dtype)})
    with without_c():
        return np.asarray(interpret([], joint.terms["v"])())


def assert_accumulates(rv: Any, points: NDArray, below: NDArray[np.float64], tolerance: float) -> None:
    """Assert that both cumulative probabilities are what is below and above points; of a variable that has them.

    Parameters
    ----------
    rv : TensorVariable
        The variable, of the shape of the points.
    points : (m,) array
    below : (m,) float64 array
        The probability of no more than each point, by adding the density up.
    tolerance : float
        How exact that is.
    """
    # What a model has under such names: a registered tail, or PyMC's own.
    place = points.astype(rv.type.dtype)
    try:
        graphs = pm.logcdf(rv, place), pm.logccdf(rv, place)
    except NotImplementedError:
        return
    with without_c():
        lower, upper = (np.asarray(value) for value in interpret([], list(graphs))())
    np.testing.assert_allclose(np.exp(lower), below, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.exp(upper), 1.0 - below, rtol=0, atol=tolerance)
    for rising in (np.exp(lower), -np.exp(upper)):
        assert (rising[1:] >= rising[:-1] - 1e-14).all()


def assert_follows_density(
    draws: NDArray[np.float64], grid: NDArray[np.float64], declare: Callable[[int], Any]
) -> None:
    """Assert that a density integrates to one, and that draws follow its integral.

    Parameters
    ----------
    draws : (n,) float64 array
        Independent draws.
    grid : (m,) float64 array
        Points, as close as the density needs them.
    declare : callable
        Returns the variable, named v, of so many elements.
    """
    density = np.exp(log_density_at(declare(grid.size), grid))
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    # Heavy tails lie beyond the grid; what does is told apart by the counts inside.
    assert below[-1] == pytest.approx(1.0, abs=2e-3)
    found = stats.kstest(draws, lambda x: np.interp(x, grid, below, left=0.0, right=below[-1]))
    assert found.pvalue > FALSE_ALARM, found
    some = np.linspace(0, grid.size - 1, MOST_CUMULATIVE).astype(int)
    assert_accumulates(declare(some.size), grid[some], below[some], 2e-3)


def assert_follows_probabilities(draws: NDArray, rv: Any) -> None:
    """Assert that probabilities add up to one, and that draws follow them.

    Parameters
    ----------
    draws : (n,) array
        Independent draws, whole numbers from zero.
    rv : TensorVariable
        The variable, named v, of shape (NUM_STATES,).
    """
    states = np.arange(NUM_STATES)
    expected = np.exp(log_density_at(rv, states)) * draws.size
    assert expected.sum() == pytest.approx(draws.size, rel=1e-3)
    assert_accumulates(rv, states, np.cumsum(expected) / draws.size, 1e-3)
    seen = np.bincount(draws.astype(int), minlength=NUM_STATES)
    assert seen[expected < 1e-9].sum() == 0
    is_rare = expected < 5
    seen = np.append(seen[~is_rare], seen[is_rare].sum())
    expected = np.append(expected[~is_rare], expected[is_rare].sum())
    kept = expected > 0
    found = stats.chisquare(seen[kept], expected[kept] * seen[kept].sum() / expected[kept].sum())
    assert kept.sum() == 1 or found.pvalue > FALSE_ALARM


def assert_obeys_stein(draws: Sequence[NDArray], rv: Any) -> None:
    """Assert Stein's identity on the real line: ``E g = 0`` and ``E (y - m) g' = -1`` with ``g`` the gradient at ``y``.

    Parameters
    ----------
    draws : sequence of array
        Independent draws.
    rv : TensorVariable
        The variable, named v.
    """
    joint = logprob(ppl.Model(rv), marginalize=False)
    moved = unconstrain(joint)
    [value], [natural] = moved.values.values(), joint.values.values()
    transforms = transforms_of({"v": joint.graph.latent["v"]}, joint.graph.transforms)
    inputs = joint.graph.latent["v"].owner.inputs
    with without_c():
        forward = interpret([natural], transforms["v"].forward(natural, *inputs) if transforms else natural)
        gradient = interpret([value], pytensor.grad(moved.total, value))
        points = [np.asarray(forward(draw)) for draw in draws]
        slopes = np.array([np.ravel(gradient(point)) for point in points])
    centred = np.array([p.ravel() for p in points])
    centred = centred - centred.mean(axis=0)
    products = (centred[:, :, None] * slopes[:, None, :] + np.eye(slopes.shape[1])).reshape(len(slopes), -1)
    terms = np.concatenate([slopes, products], axis=1)
    scores = terms.mean(axis=0) / (terms.std(axis=0) / np.sqrt(len(terms)))
    assert np.abs(scores).max() < stats.norm.isf(FALSE_ALARM / terms.shape[1])
