"""Modes of posteriors.

Answers: closed forms of conjugate models; SciPy's optimiser on a density that SciPy gives; the values in natural space
and on the real line of one-dimensional densities, whose modes differ by their Jacobian.
"""

from __future__ import annotations

import logging

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import optimize, stats

import ppl
from graphs.errors import ModelError


def logistic(n: int = 60) -> tuple[ppl.Model, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    y = (rng.random(n) < 1 / (1 + np.exp(-x @ [1.0, -2.0, 0.5]))).astype(int)
    beta = ppl.Normal("beta", 0, 2, size=3)
    return ppl.Model({ppl.Bernoulli("y", logit_p=x @ beta): y}), x, y


@pytest.fixture(scope="module")
def counts() -> ppl.Model:
    rate = ppl.Gamma("rate", 2.0, 3.0)
    return ppl.Model({ppl.Poisson("n", rate, size=4): [2, 3, 0, 1]})


def test_both_spaces_have_their_own_mode(counts: ppl.Model) -> None:
    """Gamma of shape 8 and rate 7: (a - 1)/b, and a/b on the scale of the logarithm."""
    natural = ppl.find_map(counts, seed=1)
    assert natural.posterior["rate"].shape == (1, 1)
    assert natural.posterior["rate"].item() == pytest.approx(7 / 7, rel=1e-7)
    expected = stats.gamma.logpdf(1.0, 2, scale=1 / 3) + stats.poisson.logpmf([2, 3, 0, 1], 1.0).sum()
    assert natural.sample_stats["lp"].item() == pytest.approx(expected)
    on_line = ppl.find_map(counts, space="unconstrained", seed=1)
    assert on_line.posterior["rate"].item() == pytest.approx(8 / 7, rel=1e-7)
    assert on_line.attrs["space"] == "unconstrained"
    assert on_line.attrs["starts_at_mode"] == 4
    assert on_line.attrs["converged"]


@pytest.mark.parametrize("backend", ["numba", "c", pytest.param("jax", marks=pytest.mark.slow)])
def test_a_regression_as_by_scipy(backend: str) -> None:
    model, x, y = logistic()

    def objective(beta: np.ndarray) -> float:
        return float(np.logaddexp(0.0, (1 - 2 * y) * (x @ beta)).sum() - stats.norm.logpdf(beta, 0, 2).sum())

    expected = optimize.minimize(objective, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
    found = ppl.find_map(model, seed=1, starts=2, backend=backend)
    np.testing.assert_allclose(found.posterior["beta"].to_numpy()[0, 0], expected.x, atol=1e-6)
    assert found.attrs["slope"] < 1e-6


def test_discrete_variables_are_summed_out_and_what_is_computed_is_there() -> None:
    """Two components of known means: of the weight the mode is where the derivative of the sum is zero."""
    w = ppl.Beta("w", 2, 2)
    z = ppl.Bernoulli("z", w, size=5)
    y = np.array([-2.0, 2.1, 1.9, 2.5, -1.0])
    model = ppl.Model({ppl.Normal("y", 4.0 * z - 2.0, 1): y}, ppl.Deterministic("odds", w / (1 - w)))
    found = ppl.find_map(model, seed=1)

    def objective(w: float) -> float:
        mixed = w * stats.norm.pdf(y, 2, 1) + (1 - w) * stats.norm.pdf(y, -2, 1)
        return float(-stats.beta.logpdf(w, 2, 2) - np.log(mixed).sum())

    expected = optimize.minimize_scalar(objective, bounds=(0.01, 0.99), method="bounded", options={"xatol": 1e-10}).x
    assert found.posterior["w"].item() == pytest.approx(expected, abs=1e-6)
    assert found.posterior["odds"].item() == pytest.approx(expected / (1 - expected), abs=1e-5)
    states = ppl.recover(model, found, seed=1).posterior["z"].to_numpy()
    assert set(np.unique(states)) <= {0, 1}
    assert ppl.posterior_predictive(model, found, seed=1).posterior_predictive["y"].shape == (1, 1, 5)


def test_where_operations_have_no_second_derivatives() -> None:
    """The recursion along a hidden Markov chain, against the forward algorithm written out."""
    y = (np.random.default_rng(0).random(300) < 0.4).astype(int)
    transition = np.array([[0.9, 0.1], [0.2, 0.8]])
    p = ppl.Beta("p", [2, 5], [5, 2], size=2)
    z = ppl.MarkovChain("z", transition, steps=300)
    found = ppl.find_map(ppl.Model({ppl.Bernoulli("y", p[z]): y}), seed=1, starts=2)

    def objective(p: np.ndarray) -> float:
        if not ((p > 0) & (p < 1)).all():
            return np.inf
        weights, total = np.array([0.5, 0.5]), float(-stats.beta.logpdf(p, [2, 5], [5, 2]).sum())
        for i, seen in enumerate(y):
            weights = (weights @ transition if i else weights) * (p if seen else 1 - p)
            total -= np.log(weights.sum())
            weights = weights / weights.sum()
        return total

    best = found.posterior["p"].to_numpy()[0, 0]
    expected = optimize.minimize(objective, [0.3, 0.5], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert objective(best) == pytest.approx(expected.fun, abs=1e-7)
    np.testing.assert_allclose(best, expected.x, atol=1e-4)


def test_integrated_variables_are_drawn_back() -> None:
    """The mode of a scale, its group effects integrated out: a normal density of known covariance."""
    y = np.array([1.2, -0.7, 2.1, -3.0, 0.4, 1.9])
    tau = ppl.HalfNormal("tau", 2)
    theta = ppl.Normal("theta", 0, tau, size=6)
    model = ppl.Model({ppl.Normal("y", theta, 1): y})
    found = ppl.find_map(model, marginalize=["theta"], seed=1)

    def objective(tau: float) -> float:
        return float(-stats.halfnorm.logpdf(tau, scale=2) - stats.norm.logpdf(y, 0, np.hypot(1, tau)).sum())

    expected = optimize.minimize_scalar(objective, bounds=(0.0, 10.0), method="bounded", options={"xatol": 1e-10}).x
    assert found.posterior["tau"].item() == pytest.approx(expected, abs=1e-5)
    assert found.posterior["theta"].shape == (1, 1, 6)


def said(caplog: pytest.LogCaptureFixture, model: ppl.Model, **options: object) -> tuple[str, dict]:
    with caplog.at_level(logging.WARNING, logger="rvgraph"):
        found = ppl.find_map(model, seed=1, **options)  # type: ignore[arg-type]
    return caplog.text, found.attrs


def test_a_bound_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Centred effects without information: the joint density has no mode but at a scale of zero."""
    scale = ppl.Exponential("scale", 1.0)
    text, attrs = said(caplog, ppl.Model({ppl.Normal("y", scale, 1): -3.0}))
    assert attrs["at_bound"] == "scale"
    assert "rises towards a bound of scale" in text


def test_a_flat_direction_is_said(caplog: pytest.LogCaptureFixture) -> None:
    a, b = ppl.Flat("a"), ppl.Flat("b")
    text, attrs = said(caplog, ppl.Model({ppl.Normal("y", a + b, 1): [0.3, 0.7]}))
    assert attrs["flat"] == "a, b"
    assert "flat along a, b" in text


def test_other_modes_are_said(caplog: pytest.LogCaptureFixture) -> None:
    x = ppl.Normal("x", 0, 3)
    text, attrs = said(caplog, ppl.Model({ppl.Normal("y", x**2 + 0.2 * x, 0.1): 4.0}), starts=12)
    assert "Searches ended in 2 places" in text
    assert float(attrs["other_modes"]) < attrs["log_density"]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda: ppl.Model({ppl.Normal("y", ppl.Poisson("k", 3.0), 1): 2.0}), {}, "k is discrete, and not summed out"),
        (lambda: logistic()[0], {"space": "log"}, "space is 'natural' or 'unconstrained', not 'log'"),
        (lambda: logistic()[0], {"starts": 0}, "starts is 0"),
        (lambda: "no model", {}, "A ppl.Model is needed"),
        (lambda: ppl.Model({ppl.Normal("y", ppl.Bernoulli("z", 0.3), 1): 1.0}), {}, "Nothing is left for a mode"),
    ],
)
def test_what_has_no_mode_is_refused(model: object, options: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ppl.find_map(model(), **options)  # type: ignore[operator]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_step_out_of_the_support_does_not_end_a_search(seed: int) -> None:
    """Extreme values, whose support ends where their parameters say; SciPy's density, its simplex from the truth."""
    t = np.linspace(-1, 1, 80)
    y = stats.genextreme.rvs(-0.15, loc=10 + t, scale=2, random_state=3)

    def logp(v, mu, s, xi):
        z = 1 + xi * (v - mu) / s
        inside = pt.maximum(z, 1e-300)
        return pt.switch(z > 0, -pt.log(s) - (1 + 1 / xi) * pt.log(inside) - inside ** (-1 / xi), -np.inf)

    first, trend = ppl.Normal("first", 10, 5), ppl.Normal("trend", 0, 3)
    s, xi = ppl.HalfNormal("s", 5), ppl.Normal("xi", 0.1, 0.2)
    model = ppl.Model({ppl.CustomDist("y", first + trend * t, s, xi, logp=logp, size=80): y})

    def objective(x: np.ndarray) -> float:
        prior = stats.norm.logpdf(x[[0, 1, 3]], [10, 0, 0.1], [5, 3, 0.2]).sum() + stats.halfnorm.logpdf(x[2], 0, 5)
        return float(-prior - stats.genextreme.logpdf(y, -x[3], x[0] + x[1] * t, x[2]).sum())

    expected = optimize.minimize(objective, [10, 1, 2, 0.15], method="Nelder-Mead", options={"maxiter": 4000})
    found = ppl.find_map(model, seed=seed)
    assert found.attrs["log_density"] == pytest.approx(-expected.fun, abs=1e-6)
    assert found.attrs["converged"]
    assert found.attrs["starts_at_mode"] == 4
    assert "flat" not in found.attrs
