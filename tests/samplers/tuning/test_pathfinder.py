"""Starting points by Pathfinder, against the normal distributions that it has to find.

Answers: the normal distribution to be found, and the published formula in matrices.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graphs.errors import SamplingError
from samplers.tuning.pathfinder import _approximations, _climb, pathfinder

RANDOM = np.random.default_rng(1)


def normal(size: int, condition: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, covariance and precision of a correlated normal distribution."""
    basis = np.linalg.qr(RANDOM.normal(size=(size, size)))[0]
    variances = np.geomspace(1.0, 1.0 / condition, size)
    return RANDOM.normal(size=size), basis @ np.diag(variances) @ basis.T, basis @ np.diag(1.0 / variances) @ basis.T


@pytest.mark.parametrize("size", [2, 5])
def test_draws_come_from_the_typical_set(size: int) -> None:
    """Of a normal target, started a thousand standard deviations away: squared distances are chi-squared."""
    mean, covariance, precision = normal(size, 100.0)

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        return -0.5 * (x - mean) @ precision @ (x - mean), -precision @ (x - mean)

    start = mean + 1000.0 * np.sqrt(np.diag(covariance))
    distances = []
    for seed in range(60):
        x = pathfinder(evaluate, start, np.random.default_rng(seed)) - mean
        distances.append(x @ precision @ x)
    # The approximation, not the draws, is what errs: a factor of two in the mean, and none far out.
    assert 0.5 * size < np.mean(distances) < 2.0 * size
    assert np.max(distances) < 5.0 * stats.chi2(size).ppf(0.999)


def test_approximations_are_symmetric_and_proper() -> None:
    """Covariance of the factored form, against the published formula in matrices."""
    mean, _, precision = normal(4, 50.0)

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        return -0.5 * (x - mean) @ precision @ (x - mean), -precision @ (x - mean)

    last = _approximations(_climb(evaluate, np.zeros(4)))[-1]
    rng = np.random.default_rng(2)
    draws = np.array([last.draw(rng)[0] for _ in range(20_000)])
    projection = last.basis @ last.basis.T
    inner = np.eye(4) - projection + last.basis @ last.lower @ last.lower.T @ last.basis.T
    expected = last.scale[:, None] * inner * last.scale
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.05 * np.trace(expected))
    point, log_density = last.draw(rng)
    reference = stats.multivariate_normal(last.mean, expected).logpdf(point) + 2.0 * np.log(2.0 * np.pi)
    assert log_density == pytest.approx(reference)
    np.testing.assert_allclose(last.mean, mean, atol=0.05)


def test_a_density_without_a_mode() -> None:
    """Neal's funnel: the density grows without bound towards its tip, but no draw starts there."""

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        v, rest = x[0], x[1:]
        with np.errstate(all="ignore"):
            precision = np.exp(-v)
            value = -v * v / 18.0 - 0.5 * rest @ rest * precision - 0.5 * len(rest) * v
            slope = -v / 9.0 + 0.5 * rest @ rest * precision - 0.5 * len(rest)
            return value, np.concatenate([[slope], -rest * precision])

    found = [pathfinder(evaluate, np.ones(10), np.random.default_rng(seed)) for seed in range(20)]
    assert all(np.isfinite(evaluate(x)[0]) for x in found)
    assert np.median([x[0] for x in found]) > -20.0


def test_a_density_that_is_nowhere_else_finite() -> None:
    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (0.0 if np.all(x == 0.0) else -np.inf), np.ones_like(x)

    with pytest.raises(SamplingError, match=r"init='pathfinder' found no normal approximation.*init='jitter'"):
        pathfinder(evaluate, np.zeros(2), np.random.default_rng(1))
