"""Targets that samplers find difficult, against closed forms, quadrature and asymptotics.

Every comparison allows five Monte Carlo errors, as the effective sample size of what is averaged implies them.

Answers: closed forms, quadrature by SciPy, and asymptotics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from scipy import stats

import ppl

pytestmark = pytest.mark.slow


def sampled(model: ppl.Model, **options: Any) -> Any:
    arguments: dict[str, Any] = {
        "draws": 1000,
        "tune": 1000,
        "chains": 4,
        "seed": 1,
        "progress": False,
        "sampler": "nuts",
    }
    return ppl.sample(model, **(arguments | options))


def assert_mean(values: np.ndarray, expected: float) -> None:
    size = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    assert abs(values.mean() - expected) < 5.0 * values.std() / np.sqrt(size)


def assert_quantiles(values: np.ndarray, law: Any) -> None:
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert_mean((values <= law.ppf(probability)).astype(float), probability)


def test_funnel_not_centred() -> None:
    """Neal's funnel: a log-scale, and nine variables of that scale."""
    v, z = ppl.Normal("v", 0.0, 3.0), ppl.Normal("z", 0.0, 1.0, size=9)
    trace = sampled(ppl.Model(ppl.Deterministic("x", z * pt.exp(v / 2.0))))
    assert not trace.sample_stats["diverging"].any()
    assert_quantiles(trace.posterior["v"].to_numpy(), stats.norm(0.0, 3.0))
    # log |x| = v / 2 + log |z|
    logs = np.log(np.abs(trace.posterior["x"].to_numpy()[..., 0]))
    assert_mean(logs, -(np.euler_gamma + np.log(2.0)) / 2.0)
    assert_mean((logs + (np.euler_gamma + np.log(2.0)) / 2.0) ** 2, 9.0 / 4.0 + np.pi**2 / 8.0)


@pytest.mark.parametrize(("size", "condition", "metric"), [(10, 1e6, "auto"), (100, 1e4, "dense"), (100, 1e4, "auto")])
def test_correlated_normal(size: int, condition: float, metric: str) -> None:
    """In a random basis; trajectories have to be short, and the draws of all directions good."""
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(size, size)))[0]
    variances = np.geomspace(1.0, 1.0 / condition, size)
    precision = basis @ np.diag(1.0 / variances) @ basis.T
    density = ppl.Density(lambda x: -0.5 * x @ pt.as_tensor(precision) @ x, support={"x": "real"}, shapes={"x": size})
    model = ppl.Model(density)
    trace = sampled(model, metric=metric)
    along = trace.posterior["x"].to_numpy() @ basis
    for i in (0, size // 2, size - 1):
        assert_quantiles(along[..., i], stats.norm(0.0, np.sqrt(variances[i])))
    assert trace.sample_stats["tree_depth"].mean() < 5.0
    assert min(array_stats.ess(along[..., i], chain_axis=0, draw_axis=1) for i in range(size)) > 1000


@pytest.mark.parametrize("df", [1.0, 3.0])
def test_heavy_tails(df: float) -> None:
    """Student's t: with one degree of freedom neither mean nor variance exists, quantiles do."""
    trace = sampled(ppl.Model(ppl.StudentT("x", df, 0.0, sigma=1.0, size=3)), draws=5000)
    for i in range(3):
        assert_quantiles(trace.posterior["x"].to_numpy()[..., i], stats.t(df))


def test_modes_that_are_too_far_apart_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    def far(x: Any) -> Any:
        return pt.logaddexp(-0.5 * (x - 20.0) ** 2, -0.5 * (x + 20.0) ** 2)

    model = ppl.Model(ppl.Density(far, support={"x": "real"}))
    trace = sampled(model, init=[{"x": s * 20.0} for s in (-1, 1, -1, 1)])
    assert not ppl.diagnose(trace).is_ok
    assert "Not to be trusted" in caplog.text


def test_ten_thousand_groups() -> None:
    """One observation of each: mean and total variance have a normal likelihood of their own."""
    rng = np.random.default_rng(3)
    num, scale = 10_000, 0.5
    y = 1.0 + rng.normal(size=num) + scale * rng.normal(size=num)
    mu, tau = ppl.Normal("mu", 0.0, 10.0), ppl.HalfNormal("tau", 5.0)
    theta = ppl.Normal("theta", mu, tau, size=num)
    trace = sampled(ppl.Model({ppl.Normal("y", theta, scale): y}), draws=500, tune=500, var_names=["mu", "tau"])
    # The posterior of tau, mu being integrated out under a prior that is all but flat, by quadrature.
    grid = np.linspace(0.9, 1.1, 4001)
    total = grid**2 + scale**2
    log_density = -0.5 * (num - 1) * np.log(total) - 0.5 * ((y - y.mean()) ** 2).sum() / total - 0.5 * (grid / 5.0) ** 2
    weights = np.exp(log_density - log_density.max())
    expected = float((grid * weights).sum() / weights.sum())
    assert_mean(trace.posterior["tau"].to_numpy(), expected)
    assert_mean(trace.posterior["mu"].to_numpy(), float(y.mean()))
    assert trace.attrs["sampling_seconds"] < 300


def test_logistic_regression_of_many_rows() -> None:
    """A hundred thousand rows: the posterior is normal to one part in a thousand, about Newton's mode."""
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(100_000), rng.normal(size=(100_000, 4))])
    y = (rng.random(len(x)) < 1.0 / (1.0 + np.exp(-x @ [-1.0, 0.5, 0.2, 0.0, -0.7]))).astype(int)
    beta = ppl.Normal("beta", 0.0, 5.0, size=5)
    trace = sampled(ppl.Model({ppl.Bernoulli("y", logit_p=x @ beta): y}), draws=300, tune=300)
    mode = np.zeros(5)
    for _ in range(20):
        p = 1.0 / (1.0 + np.exp(-x @ mode))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.eye(5) / 25.0
        mode += np.linalg.solve(hessian, x.T @ (y - p) - mode / 25.0)
    draws = trace.posterior["beta"].to_numpy()
    covariance = np.linalg.inv(hessian)
    for i in range(5):
        # The mean differs from the mode by about a hundredth of a standard deviation.
        size = array_stats.ess(draws[..., i], chain_axis=0, draw_axis=1, method="mean")
        error = (5.0 / np.sqrt(size) + 0.02) * np.sqrt(covariance[i, i])
        assert abs(draws[..., i].mean() - mode[i]) < error
        assert draws[..., i].std() == pytest.approx(np.sqrt(covariance[i, i]), rel=0.12)
