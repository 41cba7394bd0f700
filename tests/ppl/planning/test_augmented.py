"""Models that the planner draws by Gibbs with auxiliary variables, against quadrature.

Answers: SciPy's quadrature.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import expit, gammaln

import ppl
from graphs.errors import DerivationError

RNG = np.random.default_rng(12)
X = RNG.normal(size=30)
OUTCOME = (RNG.random(30) < expit(0.8 * X)).astype(int)
COUNTS = RNG.poisson(np.exp(0.4 + 0.5 * X))
TARGET = 0.7 * X + RNG.standard_t(4, size=30)
LIMITS = np.where(np.arange(30) % 2, 0.6, 1.2)


def slope():
    return ppl.Normal("b", 0.2, 1.5)


def logistic():
    b = slope()
    terms = stats.bernoulli.logpmf(OUTCOME[:, None], expit(X[:, None] * GRID))
    return ppl.Model({ppl.Bernoulli("y", logit_p=X * b): OUTCOME}), terms


def binomial():
    """Of some rows there are no trials."""
    b, trials = slope(), np.arange(30) % 4
    successes = np.minimum(COUNTS, trials)
    terms = stats.binom.logpmf(successes[:, None], trials[:, None], expit(X[:, None] * GRID))
    return ppl.Model({ppl.Binomial("y", trials, logit_p=X * b): successes}), terms


def probit():
    b = slope()
    terms = stats.bernoulli.logpmf(OUTCOME[:, None], stats.norm.cdf(X[:, None] * GRID))
    return ppl.Model({ppl.Bernoulli("y", p=pm.math.invprobit(X * b)): OUTCOME}), terms


def negative_binomial():
    b = slope()
    mean, y = np.exp(0.4 + X[:, None] * GRID), COUNTS[:, None]
    terms = gammaln(y + 2.3) - gammaln(2.3) - gammaln(y + 1) + 2.3 * np.log(2.3 / (2.3 + mean))
    terms = terms + y * np.log(mean / (2.3 + mean))
    return ppl.Model({ppl.NegativeBinomial("y", mu=pt.exp(0.4 + X * b), alpha=2.3): COUNTS}), terms


def robust():
    b = slope()
    terms = stats.t.logpdf(TARGET[:, None], 3.5, X[:, None] * GRID, 0.8)
    return ppl.Model({ppl.StudentT("y", nu=3.5, mu=X * b, sigma=0.8): TARGET}), terms


def median():
    b = slope()
    terms = stats.laplace.logpdf(TARGET[:, None], X[:, None] * GRID, 0.8)
    return ppl.Model({ppl.Laplace("y", X * b, 0.8): TARGET}), terms


def quantile():
    b, kappa = slope(), 0.6
    residual = TARGET[:, None] - X[:, None] * GRID
    sign = np.sign(residual)
    terms = np.log(1.3 / (kappa + 1 / kappa)) - residual * 1.3 * sign * kappa**sign
    return ppl.Model({ppl.AsymmetricLaplace("y", kappa=kappa, mu=X * b, b=1.3): TARGET}), terms


def censored():
    b = slope()
    seen = np.minimum(TARGET, LIMITS)
    mean = X[:, None] * GRID
    terms = np.where(
        (seen < LIMITS)[:, None],
        stats.norm.logpdf(seen[:, None], mean, 1.1),
        stats.norm.logsf(LIMITS[:, None], mean, 1.1),
    )
    return ppl.Model({ppl.Censored("y", pm.Normal.dist(X * b, 1.1), lower=None, upper=LIMITS): seen}), terms


def shrunk():
    """A Laplace prior, which has no law with a normal likelihood alone."""
    b = ppl.Laplace("b", 0.1, 0.3)
    terms = stats.norm.logpdf(TARGET[:, None], X[:, None] * GRID, 1.2)
    terms[0] += stats.laplace.logpdf(GRID, 0.1, 0.3) - stats.norm.logpdf(GRID, 0.2, 1.5)
    return ppl.Model({ppl.Normal("y", X * b, 1.2): TARGET}), terms


GRID = np.linspace(-3, 4, 4001)
MODELS = [logistic, binomial, probit, negative_binomial, robust, median, quantile, censored, shrunk]


def assert_moments(draws, grid, log_posterior):
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    mean = weight @ grid
    deviation = np.sqrt(weight @ (grid - mean) ** 2)
    effective = float(az.ess(draws))
    # Four and a half standard errors, of the mean and, for a nearly normal variable, of the standard deviation.
    assert abs(draws.mean() - mean) < 4.5 * deviation / np.sqrt(effective)
    assert abs(draws.std() / deviation - 1) < 4.5 / np.sqrt(effective)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_against_quadrature(model):
    model, terms = model()
    plan = ppl.plan(model, sampler="gibbs")
    assert plan.method_of("b") == "gibbs"
    assert "with auxiliary variables" in str(plan)
    trace = ppl.sample(model, draws=4000, tune=100, chains=2, seed=5, sampler="gibbs", progress=False)
    posterior = terms.sum(axis=0) + stats.norm.logpdf(GRID, 0.2, 1.5)
    assert_moments(trace.posterior["b"].to_numpy(), GRID, posterior)
    assert list(trace.posterior.data_vars) == ["b"]


@pytest.mark.parametrize("prior", ["cauchy", "t"])
def test_scales(prior):
    if prior == "cauchy":
        s = ppl.HalfCauchy("s", 0.4)
        density = stats.halfcauchy(scale=0.4).logpdf
    else:
        s = ppl.HalfStudentT("s", nu=3, sigma=0.4)
        density = stats.t(3, scale=0.4).logpdf
    model = ppl.Model({ppl.Normal("y", 0.3, s): TARGET[:8]})
    trace = ppl.sample(model, draws=6000, tune=100, chains=2, seed=6, sampler="gibbs", progress=False)
    grid = np.linspace(1e-3, 8, 8001)
    posterior = density(grid) + stats.norm.logpdf(TARGET[:8, None], 0.3, grid).sum(axis=0)
    assert_moments(np.log(trace.posterior["s"].to_numpy()), np.log(grid), posterior)


@pytest.mark.parametrize("backend", ["c", pytest.param("jax", marks=pytest.mark.slow)])
def test_other_backends(backend):
    model, terms = logistic()
    trace = ppl.sample(model, draws=1500, tune=100, chains=2, seed=5, sampler="gibbs", backend=backend, progress=False)
    posterior = terms.sum(axis=0) + stats.norm.logpdf(GRID, 0.2, 1.5)
    assert_moments(trace.posterior["b"].to_numpy(), GRID, posterior)


def test_a_dispersion_moves_by_another_step():
    """Weights of count ``y + alpha`` say nothing of alpha: it sees the likelihood without them."""
    b, alpha = slope(), ppl.Gamma("alpha", 2, 1)
    model = ppl.Model({ppl.NegativeBinomial("y", mu=pt.exp(0.4 + X * b), alpha=alpha): COUNTS})
    plan = ppl.plan(model, sampler="gibbs")
    assert [plan.method_of(n) for n in ("b", "alpha")] == ["gibbs", "nuts"]
    with pytest.raises(DerivationError, match="no Gibbs step for alpha"):
        ppl.plan(model, sampler={"alpha": "gibbs"})


def test_what_is_normal_without_auxiliary_variables_joins():
    a, w = ppl.Normal("a", 0, 2), ppl.Laplace("w", 0, 0.5)
    s = ppl.Gamma("s", 2, 1)
    plan = ppl.plan(ppl.Model({ppl.Normal("y", a + w * X, 1 / pt.sqrt(s)): TARGET}), sampler="gibbs")
    reasons = {row.name: row.reason for row in plan.assignments}
    assert reasons["a"].startswith("MultivariateNormal full conditional, jointly with w, with auxiliary variables")
    assert reasons["s"] == "Gamma full conditional"


def test_nothing_is_added_where_there_is_a_law():
    b = ppl.Normal("b", 0, 1)
    assert "auxiliary" not in str(ppl.plan(ppl.Model({ppl.Normal("y", b * X, 1.0): TARGET}), sampler="gibbs"))


def test_laws_of_auxiliary_variables_are_printed(capsys):
    ppl.plan(logistic()[0], sampler="gibbs").dprint()
    printed = capsys.readouterr().out
    assert "y_weight | rest ~ PolyaGamma(count=" in printed
    assert "b | rest ~ " in printed
