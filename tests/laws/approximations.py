"""What is true of every family of approximations.

Answers: the entropy and density of a normal distribution of the covariance that draws have; finite differences; moments
of draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from samplers.approximations.families.base import Base
from samplers.approximations.families.family import FittedFamily

STEP = 1e-6
STANDARD_ERRORS = 5


def differences(function: object, at: NDArray) -> NDArray:
    """Return the Jacobian of a function of a vector, inputs first."""
    steps = np.eye(len(at)) * STEP
    return np.array([(np.asarray(function(at + e)) - function(at - e)) / (2 * STEP) for e in steps])  # type: ignore[operator]


def check_normal_family(family: FittedFamily, seed: int = 0, num_draws: int = 4000) -> None:
    """Hold a family of normal distributions to its law, at parameters that are all different."""
    rng = np.random.default_rng(seed)
    parameters = family.standard() + 0.3 * rng.normal(size=family.num_parameters)
    parameters, _ = family.rebased(parameters, Base(np.zeros(family.size), np.ones((1, family.size))))
    parameters = parameters + 0.2 * rng.normal(size=len(parameters)) * _free(family)
    mean = family.placed(parameters, np.zeros(family.noise_size), family.prepared(parameters))
    normal = stats.multivariate_normal(mean, family.covariance(parameters))
    _check_entropy(family, parameters, normal)
    noise = rng.normal(size=family.noise_size)
    _check_draw(family, parameters, noise, normal)
    positions, values = family.draw(parameters, num_draws, rng)
    np.testing.assert_allclose(values, normal.logpdf(positions), atol=1e-8)
    scores = (positions.mean(axis=0) - mean) / np.sqrt(np.diag(normal.cov_object.covariance) / num_draws)
    assert np.abs(scores).max() < STANDARD_ERRORS
    whitened = np.linalg.solve(np.linalg.cholesky(normal.cov_object.covariance), (positions - mean).T)
    # A variance of independent draws has a relative error of sqrt(2 / n), a covariance one of sqrt(1 / n).
    bound = STANDARD_ERRORS * np.sqrt(2 / num_draws)
    np.testing.assert_allclose(np.cov(whitened), np.eye(family.size), atol=bound)
    _check_rebased(family, parameters, rng)


def _free(family: FittedFamily) -> NDArray:
    """Return ones where a parameter may differ: draws depend on it, whatever the noise."""
    parameters, noise = family.standard(), np.random.default_rng(1).normal(size=family.noise_size)
    out = np.empty(len(parameters))
    family.functions.pull(parameters, noise, np.ones(family.size), out, family.prepared(parameters))
    return (out != 0).astype(float)


def _check_entropy(family: FittedFamily, parameters: NDArray, normal: object) -> None:
    entropy, gradient = family.entropy(parameters)
    np.testing.assert_allclose(entropy, normal.entropy(), rtol=1e-10)  # type: ignore[attr-defined]
    expected = differences(lambda p: family.entropy(p)[0], parameters)
    np.testing.assert_allclose(gradient, expected * _free(family), atol=1e-7)


def _check_draw(family: FittedFamily, parameters: NDArray, noise: NDArray, normal: object) -> None:
    work, score, pulled = family.prepared(parameters), np.empty(family.size), np.empty(family.num_parameters)
    position = family.placed(parameters, noise, work)
    value = family.functions.score(parameters, noise, score, work)
    np.testing.assert_allclose(value, normal.logpdf(position), rtol=1e-9)  # type: ignore[attr-defined]
    np.testing.assert_allclose(score, differences(normal.logpdf, position), atol=1e-5)  # type: ignore[attr-defined]
    slope = np.cos(np.arange(family.size))
    family.functions.pull(parameters, noise, slope, pulled, work)
    expected = differences(lambda p: family.placed(p, noise, family.prepared(p)), parameters) @ slope
    np.testing.assert_allclose(pulled, expected * _free(family), atol=1e-7)


def _check_rebased(family: FittedFamily, parameters: NDArray, rng: np.random.Generator) -> None:
    """In new coordinates it is the same distribution of positions, of scale one."""
    base = Base(rng.normal(size=family.size), rng.uniform(0.5, 2.0, size=(1, family.size)))
    moments = []
    for own, where in ((parameters, base), family.rebased(parameters, base)):
        factor = np.diag(where.factor[0]) if where.is_diagonal else where.factor
        mean = where.positions(family.placed(own, np.zeros(family.noise_size), family.prepared(own)))
        moments.append((mean, factor @ family.covariance(own) @ factor.T))
        last = np.diag(family.covariance(own))
    np.testing.assert_allclose(moments[0][0], moments[1][0], rtol=1e-9)
    np.testing.assert_allclose(moments[0][1], moments[1][1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, np.ones(family.size), rtol=1e-5)
