"""Normal distributions at modes.

Answers: closed forms of normal models, in which they are exact; evidence by quadrature; Stirling's series, of which
Laplace's estimate of a gamma function is the first term.
"""

from __future__ import annotations

import logging
from math import lgamma, log, pi

import numpy as np
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError, SamplingError


def test_of_a_normal_posterior_it_is_exact() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 2))
    y = x @ [1.0, -1.0] + rng.normal(size=12)
    beta = ppl.Normal("beta", 0, 3, size=2)
    found = ppl.laplace(ppl.Model({ppl.Normal("y", x @ beta, 1): y}), draws=2000, chains=2, seed=1)
    covariance = np.eye(12) + 9 * x @ x.T
    assert found.attrs["log_evidence"] == pytest.approx(stats.multivariate_normal(cov=covariance).logpdf(y))
    assert found.attrs["log_evidence_by_weights"] == pytest.approx(found.attrs["log_evidence"])
    assert found.attrs["pareto_k"] < 0
    precision = np.eye(2) / 9 + x.T @ x
    mean = np.linalg.solve(precision, x.T @ y)
    draws = found.posterior["beta"].to_numpy().reshape(-1, 2)
    scores = (draws.mean(axis=0) - mean) / np.sqrt(np.diag(np.linalg.inv(precision)) / len(draws))
    assert np.abs(scores).max() < 5
    # 4000 independent draws: a variance has a relative error of 0.022.
    np.testing.assert_allclose(np.cov(draws.T), np.linalg.inv(precision), atol=0.12 * np.linalg.inv(precision).max())


def test_evidence_of_a_gamma_posterior() -> None:
    """On the scale of the logarithm Laplace's estimate of log gamma(a) is Stirling's first term; weights correct it."""
    a, b, n = 2.0, 3.0, [2, 3, 0, 1]
    rate = ppl.Gamma("rate", a, b)
    found = ppl.laplace(ppl.Model({ppl.Poisson("n", rate, size=4): n}), seed=1, draws=2000)
    shape, scale = a + sum(n), b + len(n)
    rest = a * log(b) - lgamma(a) - sum(lgamma(k + 1) for k in n) - shape * log(scale)
    stirling = 0.5 * log(2 * pi) + (shape - 0.5) * log(shape) - shape
    assert found.attrs["log_evidence"] == pytest.approx(rest + stirling)
    exact = rest + lgamma(shape)
    assert abs(found.attrs["log_evidence_by_weights"] - exact) < 5 * found.attrs["log_evidence_error"]
    assert found.attrs["pareto_k"] < 0.7
    weights = np.exp(found.sample_stats["log_weight"].to_numpy() - exact).ravel()
    mean = (weights * found.posterior["rate"].to_numpy().ravel()).mean() / weights.mean()
    assert mean == pytest.approx(shape / scale, rel=0.02)


def test_what_is_integrated_out_is_drawn_back() -> None:
    tau = ppl.HalfNormal("tau", 2)
    theta = ppl.Normal("theta", 0, tau, size=6)
    model = ppl.Model({ppl.Normal("y", theta, 1): [1.2, -0.7, 2.1, -3.0, 0.4, 1.9]})
    found = ppl.laplace(model, marginalize=["theta"], seed=1, draws=50, chains=2)
    assert found.posterior["theta"].shape == (2, 50, 6)
    assert np.isfinite(found.posterior["theta"].to_numpy()).all()


def test_a_poor_one_says_so(caplog: pytest.LogCaptureFixture) -> None:
    x = ppl.StudentT("x", 1.5, size=3)
    with caplog.at_level(logging.WARNING, logger="rvgraph"):
        found = ppl.laplace(ppl.Model(x), seed=1)
    assert found.attrs["pareto_k"] > 0.7
    assert "far from the normal distribution at its mode" in caplog.text


def test_what_has_no_peak_is_refused() -> None:
    a, b = ppl.Flat("a"), ppl.Flat("b")
    with pytest.raises(SamplingError, match="no peak along a, b"):
        ppl.laplace(ppl.Model({ppl.Normal("y", a + b, 1): [0.3, 0.7]}), seed=1)
    with pytest.raises(ModelError, match="1001 x 1001"):
        ppl.laplace(ppl.Model(ppl.Normal("x", 0, 1, size=1001)), seed=1)
