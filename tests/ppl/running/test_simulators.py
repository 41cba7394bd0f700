"""Simulators follow closed forms: the posterior of a Gaussian kernel is that of data with its variance added.

Answers: closed forms.
"""

from __future__ import annotations

import arviz_stats
import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from graphs.errors import DerivationError, ModelError

# PyMC's own.
pytestmark = pytest.mark.filterwarnings("ignore:.*RandomVariable.*:DeprecationWarning")

DATA = np.random.default_rng(3).normal(2.0, 1.0, 30)
EPSILON = 0.3
STANDARD_ERRORS = 5.0


def simulator(observed=True, statistic="mean"):
    centre = ppl.Normal("centre", 0, 5)
    simulated = ppl.Simulator(
        "s",
        lambda rng, centre, size: rng.normal(centre, 1.0, size=size),
        centre,
        epsilon=EPSILON,
        sum_stat=statistic,
        size=len(DATA),
    )
    return ppl.Model({simulated: DATA}) if observed else ppl.Model(simulated)


def assert_posterior(trace):
    """Normal: the mean of the data, of variance 1/30 and that of the kernel, beside the prior."""
    variance = 1 / len(DATA) + EPSILON**2
    precision = 1 / variance + 1 / 25
    mean, sd = DATA.mean() / variance / precision, precision**-0.5
    draws = trace.posterior["centre"].to_numpy()
    effective = float(arviz_stats.ess(draws))
    assert effective > 200
    assert abs(draws.mean() - mean) < STANDARD_ERRORS * sd / np.sqrt(effective)
    assert abs(draws.std() - sd) < STANDARD_ERRORS * sd / np.sqrt(effective)
    thinned = draws[:, :: max(1, int(draws.size / effective))].ravel()
    assert stats.kstest(thinned, stats.norm(mean, sd).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("sampler", "backend"), [(None, "numba"), ("rmh", "numba"), pytest.param(None, "c", marks=pytest.mark.slow)]
)
def test_the_posterior(sampler, backend):
    trace = ppl.sample(simulator(), draws=1500, tune=500, seed=1, sampler=sampler, backend=backend, progress=False)
    assert_posterior(trace)
    assert list(trace.posterior.data_vars) == ["centre"]


@pytest.mark.slow
def test_the_posterior_in_jax():
    assert_posterior(ppl.sample(simulator(), draws=1500, tune=500, seed=1, backend="jax", progress=False))


def test_statistics_and_distances_in_python():
    """That PyMC wraps as operations of unknown shape; medians of normal data, by the mean of a Laplace kernel."""
    with pm.Model() as pm_model:
        centre = pm.Normal("centre", 0, 5)
        pm.Simulator(
            "s",
            lambda rng, centre, size: rng.normal(centre, 1.0, size=size),
            centre,
            distance=lambda epsilon, seen, simulated: -np.abs(seen - simulated) / epsilon,
            sum_stat=lambda x: [float(np.mean(x))],
            epsilon=EPSILON,
            observed=DATA,
        )
    trace = ppl.sample(ppl.from_pymc(pm_model), draws=1500, tune=500, seed=1, progress=False)
    grid = np.linspace(-3, 7, 801)
    noise = np.linspace(-1.5, 1.5, 601)
    kernel = np.exp(-np.abs(DATA.mean() - grid[:, None] - noise) / EPSILON)
    likelihood = kernel @ stats.norm.pdf(noise, 0, len(DATA) ** -0.5)
    weights = likelihood * stats.norm.pdf(grid, 0, 5)
    mean = np.average(grid, weights=weights)
    sd = np.sqrt(np.average((grid - mean) ** 2, weights=weights))
    draws = trace.posterior["centre"].to_numpy()
    assert abs(draws.mean() - mean) < STANDARD_ERRORS * sd / np.sqrt(float(arviz_stats.ess(draws)))


def test_the_plan():
    planned = ppl.plan(simulator())
    assert {a.name: a.method for a in planned.assignments} == {"centre": "slice", "s_noise": "rmh"}
    with pytest.raises(DerivationError, match="NUTS needs the gradient with respect to centre"):
        ppl.plan(simulator(), sampler="nuts")


def test_without_data():
    with pytest.raises(DerivationError, match="s is simulated and has no data"):
        ppl.plan(simulator(observed=False))


def test_predictions_simulate_anew():
    trace = ppl.sample(simulator(), draws=100, tune=100, chains=2, seed=1, progress=False)
    predicted = ppl.posterior_predictive(simulator(), trace, seed=2).posterior_predictive["s"].to_numpy()
    residuals = predicted - trace.posterior["centre"].to_numpy()[..., None]
    assert stats.kstest(residuals.ravel(), stats.norm.cdf).pvalue > 1e-4
    with pytest.raises(ModelError, match="s is simulated"):
        ppl.log_likelihood(simulator(), trace)
    longer = ppl.sample(simulator(), draws=20, tune=0, chains=2, seed=3, init=trace, progress=False)
    assert longer.posterior["centre"].shape == (2, 20)
