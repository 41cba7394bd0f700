"""Log-priors of traces, and how much posteriors depend on them.

Answers: SciPy's densities; ArviZ's `psense_summary` of a tree put together by hand.
"""

import logging

import numpy as np
import pytest
from arviz_stats import psense_summary
from scipy import stats

import ppl


@pytest.fixture(scope="module")
def hierarchy():
    mu, tau = ppl.Normal("mu", 0, 10), ppl.HalfNormal("tau", 5)
    theta = ppl.Normal("theta", mu, tau, size=4)
    model = ppl.Model({ppl.Normal("y", theta, 1.0, size=4): [1.0, -2.0, 0.5, 3.0]})
    return model, ppl.sample(model, draws=300, chains=2, seed=1, progress=False)


def test_log_priors_are_those_of_scipy(hierarchy):
    model, trace = hierarchy
    found = ppl.log_prior(model, trace).log_prior
    draws = {name: array.to_numpy() for name, array in trace.posterior.data_vars.items()}
    assert set(found.data_vars) == {"mu", "tau", "theta"}
    assert found["mu"].to_numpy() == pytest.approx(stats.norm.logpdf(draws["mu"], 0, 10))
    assert found["tau"].to_numpy() == pytest.approx(stats.halfnorm.logpdf(draws["tau"], scale=5))
    each = stats.norm.logpdf(draws["theta"], draws["mu"][..., None], draws["tau"][..., None])
    assert found["theta"].to_numpy() == pytest.approx(each.sum(axis=-1))


def test_priors_at_the_top_are_scaled(hierarchy):
    model, trace = hierarchy
    tree = ppl.log_likelihood(model, ppl.log_prior(model, trace))
    expected = psense_summary(tree, prior_var_names=["mu", "tau"])
    assert ppl.sensitivity(model, trace).equals(expected)
    assert list(ppl.sensitivity(model, trace, ["tau"], priors=["tau"]).index) == ["tau"]


def test_a_conflict_of_prior_and_data_is_found(caplog):
    mu = ppl.Normal("mu", 0, 1)
    calm = ppl.Model({ppl.Normal("y", mu, 1.0, size=200): np.random.default_rng(1).normal(0.1, 1, 200)})
    with caplog.at_level(logging.CRITICAL, logger="arviz_stats"):
        conflict = ppl.Model({ppl.Normal("y", mu, 1.0, size=2): [9.0, 11.0]})
        found = ppl.sensitivity(conflict, ppl.sample(conflict, seed=1, progress=False))
        assert found.loc["mu", "diagnosis"] == "potential prior-data conflict"
        found = ppl.sensitivity(calm, ppl.sample(calm, seed=1, progress=False))
        assert found.loc["mu", "prior"] < 0.05


def test_what_was_summed_out_belongs_to_the_likelihood():
    z = ppl.Bernoulli("z", 0.3, size=3)
    mu = ppl.Normal("mu", 0, 1)
    model = ppl.Model({ppl.Normal("y", mu * z, 1.0): [0.1, 2.0, -0.3]})
    trace = ppl.sample(model, draws=100, chains=2, seed=1, progress=False)
    assert set(ppl.log_prior(model, trace).log_prior.data_vars) == {"mu"}
    recovered = ppl.recover(model, trace, seed=1)
    with_states = ppl.log_prior(model, recovered).log_prior
    expected = stats.bernoulli.logpmf(recovered.posterior["z"].to_numpy(), 0.3).sum(axis=-1)
    assert with_states["z"].to_numpy() == pytest.approx(expected)


def test_a_prior_that_depends_on_what_was_summed_out_asks_to_recover_it():
    z = ppl.Bernoulli("z", 0.3)
    mu = ppl.Normal("mu", 3.0 * z, 1)
    model = ppl.Model({ppl.Normal("y", mu, 1.0, size=2): [0.1, 2.0]})
    trace = ppl.sample(model, draws=100, chains=2, seed=1, progress=False, sampler="nuts")
    with pytest.raises(ppl.ModelError, match=r"mu depends on z.*recover"):
        ppl.log_prior(model, trace)
    assert set(ppl.log_prior(model, ppl.recover(model, trace, seed=1)).log_prior.data_vars) == {"mu", "z"}


def test_unknown_names_are_said(hierarchy):
    model, trace = hierarchy
    with pytest.raises(ppl.ModelError, match="'nu'"):
        ppl.sensitivity(model, trace, priors=["nu"])
    with pytest.raises(ppl.ModelError, match="'nu'"):
        ppl.sensitivity(model, trace, ["nu"])
