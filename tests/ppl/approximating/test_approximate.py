"""Distributions fitted to posteriors.

Answers: closed forms of normal posteriors; evidence of conjugate models, and by quadrature; moments by quadrature; the
enumeration of discrete variables.
"""

from __future__ import annotations

import logging
from math import lgamma, log

import arviz as az
import numpy as np
import pytest
from scipy import stats
from xarray import DataTree

import ppl
from graphs.errors import ModelError, SamplingError
from ppl.approximating.methods import METHODS

RNG = np.random.default_rng(1)
X = RNG.normal(size=(30, 3)) @ np.array([[1.0, 0.7, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
Y = X @ [1.0, -1.0, 0.3] + RNG.normal(size=30)
PRECISION = np.eye(3) / 9 + X.T @ X
COVARIANCE = np.linalg.inv(PRECISION)
MEAN = COVARIANCE @ X.T @ Y
EVIDENCE = stats.multivariate_normal(cov=np.eye(30) + 9 * X @ X.T).logpdf(Y)


@pytest.fixture(scope="module")
def regression() -> ppl.Model:
    beta = ppl.Normal("beta", 0, 3, size=3)
    return ppl.Model({ppl.Normal("y", X @ beta, 1): Y})


@pytest.fixture(scope="module")
def found(regression: ppl.Model) -> dict[str, DataTree]:
    return {method: ppl.approximate(regression, method, seed=1, base_draws=16) for method in METHODS}


def draws_of(trace: DataTree) -> np.ndarray:
    return trace.posterior["beta"].to_numpy().reshape(-1, 3)


@pytest.mark.parametrize("method", METHODS)
def test_means_are_those_of_the_normal_posterior(found: dict[str, DataTree], method: str) -> None:
    """A standard error of 4000 independent draws is 0.016 standard deviations; what is fitted may be off by 0.05."""
    draws = draws_of(found[method])
    assert draws.shape == (4000, 3)
    assert (np.abs(draws.mean(axis=0) - MEAN) / np.sqrt(np.diag(COVARIANCE))).max() < 0.05 + 4 * 0.016


@pytest.mark.parametrize("method", ["fullrank", "pathfinder", "dadvi"])
def test_covariances_are_those_of_the_normal_posterior(found: dict[str, DataTree], method: str) -> None:
    """Linear response has them exactly, though it fits independent variables; k is that of equal weights, or small."""
    whitened = np.linalg.cholesky(PRECISION).T @ (draws_of(found[method]) - MEAN).T
    # A variance of 4000 independent draws has a relative error of 0.022.
    np.testing.assert_allclose(np.cov(whitened), np.eye(3), atol=5 * 0.022)
    assert found[method].attrs["pareto_k"] < 0.3
    assert found[method].attrs["log_evidence_by_weights"] == pytest.approx(EVIDENCE, abs=0.01)


def test_independent_variables_have_the_variances_that_are_known_of_them(found: dict[str, DataTree]) -> None:
    variances = draws_of(found["meanfield"]).var(axis=0)
    np.testing.assert_allclose(variances * np.diag(PRECISION), 1.0, atol=0.06 + 4 * 0.022)
    bound = EVIDENCE - 0.5 * (np.log(np.diag(PRECISION)).sum() - np.linalg.slogdet(PRECISION)[1])
    attrs = found["meanfield"].attrs
    assert abs(attrs["elbo"] - bound) < 0.01 + 4 * attrs["elbo_error"]


def test_the_bound_is_the_evidence_where_the_family_holds_the_posterior_and_less_elsewhere(
    found: dict[str, DataTree],
) -> None:
    assert found["fullrank"].attrs["elbo"] == pytest.approx(EVIDENCE, abs=1e-3)
    for method in ("meanfield", "lowrank"):
        attrs = found[method].attrs
        assert attrs["elbo"] < EVIDENCE + 4 * attrs["elbo_error"]
    assert found["meanfield"].attrs["elbo"] < found["lowrank"].attrs["elbo"] < EVIDENCE + 0.01
    assert found["dadvi"].attrs["mean_error"] < 1e-6  # draws in opposite pairs
    assert found["dadvi"].attrs["linear_response"] == 1


@pytest.mark.parametrize("method", METHODS)
def test_what_is_worth_knowing_is_there(found: dict[str, DataTree], method: str) -> None:
    trace = found[method]
    assert trace.attrs["method"] == method
    assert set(trace.sample_stats) == {"lp", "log_weight"}
    assert trace["fit"]["elbo"].dims == (("path",) if method == "pathfinder" else ("step",))
    assert np.isfinite(trace["fit"]["elbo"]).all()
    for name in ("elbo", "num_gradients", "seconds", "plan", "log_evidence_error", "seed"):
        assert name in trace.attrs
    own = {"lp": trace.sample_stats["lp"].to_numpy().ravel()[:20]}
    draws = draws_of(trace)[:20]
    expected = stats.norm.logpdf(draws, 0, 3).sum(axis=1) + stats.norm.logpdf(Y, draws @ X.T, 1).sum(axis=1)
    np.testing.assert_allclose(own["lp"], expected, rtol=1e-9)
    assert az.summary(trace).shape[0] == 3


def test_the_gain_is_that_over_the_start(regression: ppl.Model) -> None:
    """Independent variables begin with what a path left; the bound that they end with is that much more."""
    attrs = ppl.approximate(regression, "meanfield", seed=2, draws=50).attrs
    assert 0 <= attrs["gain"] < 1
    assert attrs["converged"] == 1


def test_the_same_seed_gives_the_same_draws(regression: ppl.Model, found: dict[str, DataTree]) -> None:
    for method in ("meanfield", "pathfinder"):
        again = ppl.approximate(regression, method, seed=1)
        np.testing.assert_array_equal(draws_of(again), draws_of(found[method]))
        assert not np.array_equal(draws_of(ppl.approximate(regression, method, seed=2)), draws_of(again))


def test_discrete_variables_are_summed_out_and_what_follows_follows() -> None:
    """The weight of two known components, by quadrature; memberships and predictions are drawn."""
    w = ppl.Beta("w", 2, 2)
    z = ppl.Bernoulli("z", w, size=8)
    y = np.array([-2.0, 2.1, 1.9, 2.5, -1.0, 0.2, 2.2, -1.7])
    model = ppl.Model({ppl.Normal("y", 4.0 * z - 2.0, 1): y}, ppl.Deterministic("odds", w / (1 - w)))
    grid = np.linspace(1e-4, 1 - 1e-4, 20001)
    mixed = grid[:, None] * stats.norm.pdf(y, 2, 1) + (1 - grid[:, None]) * stats.norm.pdf(y, -2, 1)
    density = stats.beta.pdf(grid, 2, 2) * mixed.prod(axis=1)
    evidence = np.log(np.trapezoid(density, grid))
    mean = np.trapezoid(grid * density, grid) / np.exp(evidence)
    trace = ppl.approximate(model, seed=1)
    draws = trace.posterior["w"].to_numpy()
    assert draws.mean() == pytest.approx(mean, abs=0.1 * draws.std())
    assert trace.attrs["elbo"] < evidence + 4 * trace.attrs["elbo_error"]
    assert abs(trace.attrs["log_evidence_by_weights"] - evidence) < 5 * trace.attrs["log_evidence_error"] + 1e-3
    np.testing.assert_allclose(trace.posterior["odds"], draws / (1 - draws))
    assert set(np.unique(ppl.recover(model, trace, seed=1).posterior["z"])) <= {0, 1}
    assert ppl.posterior_predictive(model, trace, seed=1).posterior_predictive["y"].shape == (4, 1000, 8)
    assert np.isfinite(ppl.log_likelihood(model, trace).log_likelihood["y"]).all()


def test_the_evidence_of_a_gamma_posterior_is_above_the_bound() -> None:
    a, b, n = 2.0, 3.0, [2, 3, 0, 1]
    trace = ppl.approximate(ppl.Model({ppl.Poisson("n", ppl.Gamma("rate", a, b), size=4): n}), seed=1)
    shape, scale = a + sum(n), b + len(n)
    exact = a * log(b) - lgamma(a) - sum(lgamma(k + 1) for k in n) - shape * log(scale) + lgamma(shape)
    assert exact - 0.05 < trace.attrs["elbo"] < exact + 4 * trace.attrs["elbo_error"]
    assert abs(trace.attrs["log_evidence_by_weights"] - exact) < 5 * trace.attrs["log_evidence_error"]


def test_what_is_integrated_out_is_drawn_back() -> None:
    tau = ppl.HalfNormal("tau", 2)
    theta = ppl.Normal("theta", 0, tau, size=6)
    model = ppl.Model({ppl.Normal("y", theta, 1): [1.2, -0.7, 2.1, -3.0, 0.4, 1.9]})
    trace = ppl.approximate(model, "meanfield", marginalize=["theta"], seed=1, draws=50, chains=2)
    assert trace.posterior["theta"].shape == (2, 50, 6)
    assert np.isfinite(trace.posterior["theta"].to_numpy()).all()


def test_a_mode_counts_for_what_it_holds_however_many_paths_end_there() -> None:
    """Two modes: of weights 0.8 and 0.2, and of widths that paths do not know of."""
    x = ppl.Normal("x", 0, 10)
    near = ppl.Potential("modes", _log_mixture(x))
    starts = [{"x": -4.0}] * 3 + [{"x": 5.0}] * 17
    trace = ppl.approximate(ppl.Model(x, near), "pathfinder", seed=1, draws=2000, starts=20, init=starts)
    share = float((trace.posterior["x"] > 0).mean())
    grid = np.linspace(-20, 20, 40001)
    weights = np.exp(-0.5 * (grid / 10) ** 2) * np.exp(
        np.logaddexp(log(0.8) - 0.5 * (grid + 6) ** 2, log(0.4) - 0.5 * ((grid - 6) / 0.5) ** 2)
    )
    # 8000 draws of twice as many, of which 3/20 are of the larger mode: worth more than 2000 independent ones.
    assert share == pytest.approx(weights[grid > 0].sum() / weights.sum(), abs=5 * np.sqrt(0.2 * 0.8 / 2000))


def _log_mixture(x: object) -> object:
    import pytensor.tensor as pt

    return pt.logaddexp(
        log(0.8) - 0.5 * (x + 6.0) ** 2,  # type: ignore[operator]
        log(0.2) - log(0.5) - 0.5 * ((x - 6.0) / 0.5) ** 2,  # type: ignore[operator]
    )


def test_a_poor_one_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = ppl.Model(ppl.StudentT("x", 1.5, size=12))
    with caplog.at_level(logging.WARNING, logger="rvgraph"):
        trace = ppl.approximate(model, "meanfield", seed=1)
    assert trace.attrs["pareto_k"] > 0.7
    assert "far from its approximation by 'meanfield'" in caplog.text


def test_diagnose_says_what_draws_of_an_approximation_are_worth(found: dict[str, DataTree]) -> None:
    near = ppl.approximate(ppl.Model({ppl.Binomial("n", 900, logit_p=ppl.Normal("a", 0, 1)): 440}), seed=1)
    assert ppl.diagnose(near).is_ok
    assert f"of an approximation (fullrank), Pareto k {near.attrs['pareto_k']:.2f}; weigh" in str(ppl.diagnose(near))
    assert "it is exact" in ppl.diagnose(found["dadvi"]).verdict
    far = ppl.diagnose(ppl.approximate(ppl.Model(ppl.StudentT("x", 1.5, size=3)), "meanfield", seed=1))
    assert [finding.kind for finding in far.findings] == ["approximation"]
    assert "ppl.sample(model, init=trace)" in far.verdict
    assert far.verdict.startswith("Not to be trusted as they are")


def test_chains_start_at_different_draws(regression: ppl.Model, found: dict[str, DataTree]) -> None:
    """Three chains of draws of four; each first state after no steps is a draw."""
    for method in ("meanfield", "pathfinder"):
        run = ppl.sample(
            regression, init=found[method], chains=3, draws=1, tune=0, seed=1, sampler="rmh", progress=False, cores=1
        )
        starts = draws_of(run)
        assert len(np.unique(starts, axis=0)) == 3
    few = ppl.approximate(regression, draws=2, chains=2, seed=1)
    with pytest.raises(SamplingError, match="too few to start 9 chains"):
        ppl.sample(regression, init=few, chains=9, sampler="nuts", progress=False)
    other = ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1): 1.0})
    with pytest.raises(SamplingError, match="holds no values of m"):
        ppl.sample(other, init=found["meanfield"], sampler="nuts", progress=False)


def test_few_steps_are_said(regression: ppl.Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="rvgraph"):
        trace = ppl.approximate(regression, "meanfield", seed=1, max_steps=60, draws=50)
    assert trace.attrs["converged"] == 0
    assert "still rising after" in caplog.text


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (lambda: ppl.Normal("y", ppl.Poisson("k", 3.0), 1), {}, ModelError, "k is discrete, and not summed out"),
        (lambda: ppl.Normal("y", ppl.Bernoulli("z", 0.3), 1), {}, ModelError, "Nothing is left for an approximation"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"method": "advi"}, ModelError, "choose one of meanfield"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"draws": 0}, SamplingError, "draws is a whole number"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"starts": 0}, SamplingError, "starts is a whole number"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"tolerance": 0}, ModelError, "tolerance is 0"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"tolerance": "low"}, ModelError, "tolerance is 'low'"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"init": {"q": 1.0}}, ModelError, "init names 'q'"),
        (lambda: ppl.Normal("y", ppl.Normal("m", 0, 1), 1), {"marginalize": ["m"]}, ModelError, "Nothing is left"),
    ],
)
def test_what_cannot_be_approximated_is_refused(make: object, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ppl.approximate(ppl.Model({make(): 1.0}), **options)  # type: ignore[operator]


def test_nothing_latent_no_gradient_and_too_many_are_refused() -> None:
    with pytest.raises(ModelError, match="none of the variables is latent"):
        ppl.approximate(ppl.Model({ppl.Normal("y", 0, 1): 1.0}))
    with pytest.raises(ModelError, match=r"A ppl\.Model is needed"):
        ppl.approximate("model")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="1001 x 1001"):
        ppl.approximate(ppl.Model(ppl.Normal("x", 0, 1, size=1001)))
