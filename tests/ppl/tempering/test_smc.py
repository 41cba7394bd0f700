"""Tempered sequential Monte Carlo.

Answers: evidence and posteriors of conjugate models in closed form; enumeration of a discrete variable; quadrature;
the weights and means of a mixture as they were put in (Liang and Wong 2001, JASA 96, table of section 4).
"""

from __future__ import annotations

from typing import Any

import arviz_stats
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp

import ppl
from graphs.errors import BackendError, DerivationError, ModelError, SamplingError
from ppl.tempering.compiled import TemperedModel
from tests.ppl.tempering.conjugate import MODELS, normal_mean

MODES = np.array(
    [
        [2.18, 5.76], [8.67, 9.59], [4.24, 8.48], [8.41, 1.68], [3.93, 8.82], [3.25, 3.47], [1.70, 0.50],
        [4.59, 5.60], [6.91, 5.81], [6.87, 5.40], [5.41, 2.65], [2.70, 7.88], [4.98, 3.70], [1.14, 2.39],
        [8.33, 9.50], [4.93, 1.50], [1.83, 0.09], [2.26, 0.31], [5.54, 6.86], [1.69, 8.11],
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def compiled() -> tuple[TemperedModel, float]:
    model, exact = normal_mean()
    return TemperedModel(model, progress=False), exact


def assert_evidence(trace: Any, exact: float) -> None:
    """Within three errors; a normal number is out once in 370 times, and seeds are fixed."""
    found, error = (trace.attrs[f"log_marginal_likelihood{part}"] for part in ("", "_error"))
    assert 0 < error < 0.15
    assert abs(found - exact) < 3 * error


def test_evidence_and_posterior(compiled: tuple[TemperedModel, float]) -> None:
    model, exact = compiled
    trace = model.sample(2000, seed=1, progress=False)
    assert_evidence(trace, exact)
    draws = trace.posterior["mu"].to_numpy()
    assert draws.shape == (4, 500)
    y = model.plan.model.observed_data["y"]
    precision = 30 + 0.01
    mean, sd = y.sum() / precision, precision**-0.5
    effective = float(arviz_stats.ess(draws))
    assert effective > 500
    assert abs(draws.mean() - mean) < 5 * sd / effective**0.5
    assert abs(draws.std() / sd - 1) < 5 / (2 * effective) ** 0.5
    temperatures = trace.attrs["temperatures"]
    assert temperatures[0] == 0
    assert temperatures[-1] == 1
    assert (np.diff(temperatures) > 0).all()
    # The log-density on the real line, which is that of the declared variable here.
    expected = stats.norm(0, 10).logpdf(draws[0, 0]) + stats.norm(draws[0, 0], 1).logpdf(y).sum()
    assert float(trace.sample_stats["lp"][0, 0]) == pytest.approx(expected)


def test_threads_change_nothing(compiled: tuple[TemperedModel, float]) -> None:
    one, two = (compiled[0].sample(300, seed=7, cores=cores, progress=False) for cores in (1, 2))
    np.testing.assert_array_equal(one.posterior["mu"], two.posterior["mu"])
    assert one.attrs["log_marginal_likelihood"] == two.attrs["log_marginal_likelihood"]
    other = compiled[0].sample(300, seed=8, progress=False)
    assert not np.array_equal(one.posterior["mu"], other.posterior["mu"])


def test_a_trace_like_any_other(compiled: tuple[TemperedModel, float]) -> None:
    model = compiled[0].plan.model
    trace = compiled[0].sample(200, seed=1, progress=False)
    assert ppl.posterior_predictive(model, trace, seed=1).posterior_predictive["y"].shape == (4, 50, 30)
    assert ppl.log_likelihood(model, trace).log_likelihood["y"].shape == (4, 50, 30)
    ppl.diagnose(trace)


def test_what_is_asked_for_wrongly(compiled: tuple[TemperedModel, float]) -> None:
    model = compiled[0]
    for options, message in [
        ({"particles": 0}, "particles is a whole number"),
        ({"particles": 1}, "One particle tells no evidence"),
        ({"particles": 10, "chains": 3}, "cannot be arranged"),
        ({"target_ess": 1.0}, "target_ess is a share"),
        ({"target_ess": "half"}, "target_ess is a number"),
        ({"max_sweeps": 0}, "max_sweeps is a whole number"),
        ({"seed": -1}, "seed is a whole number"),
    ]:
        with pytest.raises(SamplingError, match=message):
            model.sample(**{"seed": 1, "progress": False, **options})
    with pytest.raises(BackendError, match="compiled loops"):
        ppl.smc(model.plan.model, backend="jax")
    with pytest.raises(ModelError, match="prior of slope is improper"):
        ppl.smc(ppl.Model({ppl.Normal("y", ppl.Flat("slope"), 1): 1.0}))
    with pytest.raises(ModelError, match="none of the variables is latent"):
        ppl.smc(ppl.Model({ppl.Normal("y", 0, 1): 1.0}))


def test_summed_out_and_integrated_out() -> None:
    """Four states of a variable that both a latent and the data depend on; the first has a prior without data."""
    switch = ppl.Bernoulli("switch", 0.3, size=2)
    size = ppl.LogNormal("size", 0.5 * switch, 1.0)
    y = np.array([2.0, -0.5])
    trace = ppl.smc(ppl.Model({ppl.Normal("y", size - 2.0 * switch, 1.0): y}), 1000, seed=1, progress=False)

    def density(x: float, state: int, seen: float) -> float:
        prior = (0.3, 0.7)[1 - state] * stats.lognorm(1.0, scale=np.exp(0.5 * state)).pdf(x)
        return float(prior * stats.norm(x - 2.0 * state, 1.0).pdf(seen))

    exact = sum(
        np.log(sum(integrate.quad(density, 0, 40, args=(state, seen), points=[1.0, 4.0])[0] for state in (0, 1)))
        for seen in y
    )
    assert_evidence(trace, exact)


def test_integrated_out_where_asked() -> None:
    spread = ppl.HalfNormal("spread", 1.0)
    theta = ppl.Normal("theta", 0.0, spread, size=3)
    y = np.array([1.0, -0.4, 2.0])
    trace = ppl.smc(ppl.Model({ppl.Normal("y", theta, 1.0): y}), 1000, seed=2, marginalize=["theta"], progress=False)

    def density(s: float) -> float:
        return float(stats.halfnorm.pdf(s) * np.prod(stats.norm(0, (1 + s * s) ** 0.5).pdf(y)))

    assert_evidence(trace, float(np.log(integrate.quad(density, 0, np.inf)[0])))
    assert trace.posterior["theta"].shape == (4, 250, 3)
    assert float(trace.attrs["temperatures"].size) < 4


def test_nothing_left_is_exact() -> None:
    z = ppl.Bernoulli("z", 0.3)
    trace = ppl.smc(ppl.Model({ppl.Normal("y", 2.0 * z, 1.0): 1.2}), 100, seed=1, progress=False)
    exact = logsumexp([np.log(0.7) + stats.norm(0, 1).logpdf(1.2), np.log(0.3) + stats.norm(2, 1).logpdf(1.2)])
    assert trace.attrs["log_marginal_likelihood"] == pytest.approx(exact)
    assert trace.attrs["log_marginal_likelihood_error"] == 0.0


def test_counts_without_a_law_at_a_temperature() -> None:
    """Thinned Poisson counts are Poisson; the law of those not seen holds at the temperature of one alone."""
    model = ppl.Model({ppl.Binomial("seen", ppl.Poisson("n", 3.0), 0.5): 2})
    assert_evidence(ppl.smc(model, 1000, seed=1, progress=False), stats.poisson(1.5).logpmf(2))


def test_metrics_follow_what_they_are_of() -> None:
    """Where their scale is of another power of that of variables, steps shrink with each sweep until nothing moves."""
    y = np.random.default_rng(11).normal(1.0, 2.0, 40)
    variance = ppl.InverseGamma("variance", 3, 4)
    mu = ppl.Normal("mu", 0, (10 * variance) ** 0.5)
    model = ppl.Model({ppl.Normal("y", mu, variance**0.5): y})
    trace = ppl.smc(model, 500, seed=1, marginalize=False, progress=False)
    assert trace.attrs["distances"].min() > 0.3
    assert_evidence(trace, stats.multivariate_t(np.zeros(40), 4 / 3 * (np.eye(40) + 10), df=6).logpdf(y))
    # Normal and inverse gamma after the data as before them.
    shape, mean = 23.0, 10 * y.sum() / 401
    scale = 4 + 0.5 * (y @ y - mean * y.sum())
    marginal = stats.t(2 * shape, mean, (scale / shape * 10 / 401) ** 0.5)
    founders = trace.attrs["num_founders"]
    for draws, exact in [
        (trace.posterior["mu"], marginal),
        (trace.posterior["variance"], stats.invgamma(shape, scale=scale)),
    ]:
        assert abs(float(draws.mean()) - exact.mean()) < 4 * exact.std() / founders**0.5
        assert abs(float(draws.std()) / exact.std() - 1) < 4 * ((exact.stats("k") + 2) / 4 / founders) ** 0.5


@pytest.mark.parametrize("name", ["b", "mu"])
def test_laws_given_auxiliary_variables_hold_at_temperature_one(name: str) -> None:
    """Those of a logistic regression, and of normals whose variances make up Student's t."""
    if name == "b":
        model = ppl.Model({ppl.Bernoulli("y", logit_p=ppl.Normal("b", 0, 1) * np.arange(3.0)): [0, 1, 1]})
    else:
        model = ppl.Model({ppl.StudentT("y", 4, ppl.Normal("mu", 0, 1), sigma=1.0, size=2): [0.3, 1.0]})
    with pytest.raises(DerivationError, match=f"{name} has no full conditional .* given auxiliary variables.*'nuts'"):
        ppl.smc(model, 20, sampler="gibbs", progress=False)


def test_impossible_data_are_said() -> None:
    upper = ppl.Uniform("upper", 0.0, 1.0)
    with pytest.raises(SamplingError, match="None of 50 draws from the prior has a likelihood above zero"):
        ppl.smc(ppl.Model({ppl.Uniform("y", 0.0, upper): 2.0}), 50, seed=1, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_errors_are_what_they_say(make: Any) -> None:
    """Fifty seeds: scores of mean zero and variance one, the variance with a relative error of 0.2."""
    model, exact = make()
    ready = TemperedModel(model, marginalize=False, progress=False)
    scores = []
    for seed in range(50):
        attributes = ready.sample(1000, seed=seed, progress=False).attrs
        scores.append((attributes["log_marginal_likelihood"] - exact) / attributes["log_marginal_likelihood_error"])
    assert abs(np.mean(scores)) < 4 / 50**0.5
    assert 0.5 < np.std(scores) < 1.5
    assert np.mean(np.abs(scores) > 3) <= 0.04


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scale", "particles"), [(8, 0.05, 200), (2, 0.01, 100), (1, 1e-4, 100)])
def test_errors_of_narrow_modes_hold_with_few_founders(size: int, scale: float, particles: int) -> None:
    """A normal peak in a box; of a hundred seeds the mean square of scores has a relative error of 0.2, if of t 0.3."""
    x = ppl.Uniform("x", -10, 10, size=size)
    model = ppl.Model(x, ppl.Potential("peak", -0.5 * pt.sum(((x - 1.0) / scale) ** 2)))
    exact = size * np.log(scale * (2 * np.pi) ** 0.5 / 20)
    ready, scores = TemperedModel(model, progress=False), []
    for seed in range(100):
        attributes = ready.sample(particles, seed=seed, progress=False).attrs
        scores.append((attributes["log_marginal_likelihood"] - exact) / attributes["log_marginal_likelihood_error"])
    assert attributes["num_founders"] < 30
    assert 0.5 < np.mean(np.square(scores)) < 1.6
    assert np.mean(np.abs(scores) > 3) <= 0.03


@pytest.mark.slow
def test_twenty_modes() -> None:
    """Each weighs a twentieth; of 4000 particles the share of a mode has, with as many founders, an error of 0.007."""
    x = ppl.Uniform("x", 0.0, 10.0, size=2)
    squares = ((x - MODES) ** 2).sum(axis=1)
    term = pt.logsumexp(-0.5 * squares / 0.01) - np.log(20 * 2 * np.pi * 0.01)
    trace = ppl.smc(ppl.Model(x, ppl.Potential("modes", term)), 4000, seed=1, progress=False)
    draws = trace.posterior["x"].to_numpy().reshape(-1, 2)
    nearest = ((draws[:, None] - MODES) ** 2).sum(axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=20) / len(draws)
    error = (0.05 * 0.95 / trace.attrs["num_founders"]) ** 0.5
    assert np.abs(shares - 0.05).max() < 4 * error
    # The prior is a hundredth on the square, which holds all modes but for the tail of one at 0.09.
    inside = np.prod(stats.norm(MODES, 0.1).cdf(10.0) - stats.norm(MODES, 0.1).cdf(0.0), axis=1).mean()
    assert_evidence(trace, float(np.log(inside / 100)))
