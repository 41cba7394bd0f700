"""Real runs: what is wrong with them is found and logged, and nothing where nothing is.

Answers: models whose fault is known.
"""

from __future__ import annotations

import logging

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl


def test_a_funnel(caplog):
    """Its neck is narrower than the shortest steps that are tried."""
    v = ppl.Normal("v", 0, 6)
    model = ppl.Model(v, ppl.Normal("x", 0, pt.exp(v / 2), size=9))
    with caplog.at_level(logging.WARNING, "rvgraph"):
        trace = ppl.sample(model, seed=1, progress=False, sampler="nuts", centring=1)
    diagnosis = ppl.diagnose(trace)
    [divergences] = [f for f in diagnosis.findings if f.kind == "divergences"]
    assert divergences.variables == ("v",)
    assert "where v is small" in divergences.message
    [record] = caplog.records
    assert record.getMessage() == str(diagnosis)


@pytest.mark.parametrize("sampler", ["nuts", "gibbs", "slice", {"s": "slice", "m": "gibbs"}])
def test_nothing_is_said_where_nothing_is_wrong(sampler, caplog):
    m, s = ppl.Normal("m", 0, 10), ppl.Gamma("s", 2, 1)
    model = ppl.Model({ppl.Normal("y", m, 1 / pt.sqrt(s)): np.random.default_rng(1).normal(2, 1, 50)})
    with caplog.at_level(logging.WARNING, "rvgraph"):
        trace = ppl.sample(model, seed=3, progress=False, sampler=sampler)
    assert not caplog.records
    assert ppl.diagnose(trace).is_ok


@pytest.mark.parametrize("sampler", ["nuts", "slice", "rmh"])
def test_an_improper_posterior(sampler):
    """The likelihood does not fall where z is large."""
    z = ppl.Flat("z")
    model = ppl.Model({ppl.Normal("y", pt.sigmoid(z), 1): np.array([3.0, 5.0])})
    diagnosis = ppl.diagnose(ppl.sample(model, seed=1, progress=False, sampler=sampler))
    assert [(f.kind, f.variables) for f in diagnosis.findings] == [("runaway", ("z",))]


def wandering():
    """Models whose flat priors the data do not hold: a ridge, an element that nothing sees, separated outcomes."""
    a, b = ppl.Flat("a"), ppl.Flat("b")
    ridge = ppl.Model({ppl.StudentT("y", 4, mu=a - b, sigma=1): np.ones(2)})
    unseen = ppl.Model({ppl.StudentT("y", 4, mu=ppl.Flat("a", size=3)[:2], sigma=1): np.ones((5, 2))})
    x = np.random.default_rng(0).normal(size=30)
    coefficients = ppl.Flat("a", size=2)
    outcome = ppl.Bernoulli("y", logit_p=coefficients[0] + coefficients[1] * x)
    return {"ridge": ridge, "unseen": unseen, "separated": ppl.Model({outcome: (x > 0.1).astype(int)})}


@pytest.mark.parametrize("name", ["ridge", "unseen", "separated"])
def test_chains_that_wander_where_the_prior_is_flat(name):
    """They do not grow a hundredfold, but each ends elsewhere than it began."""
    trace = ppl.sample(wandering()[name], seed=1, progress=False, sampler="nuts")
    [finding] = ppl.diagnose(trace).findings
    assert finding.kind == "runaway"
    assert "the posterior looks improper" in finding.message
    assert ("a[2]" in finding.variables) == (name == "unseen")
    assert ("a[0]" in finding.variables) == (name == "separated")


@pytest.mark.parametrize("seed", range(3))
def test_flat_priors_may_be_proper_posteriors(seed):
    """Eight schools, centred, with a flat prior of their mean and spread: proper, and hard to sample."""
    effects = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    errors = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    tau = ppl.HalfFlat("tau")
    theta = ppl.Normal("theta", ppl.Flat("mu"), tau, size=8)
    trace = ppl.sample(ppl.Model({ppl.Normal("y", theta, errors): effects}), seed=seed, sampler="nuts", progress=False)
    assert trace.attrs["flat_priors"] == "tau, mu"
    assert "runaway" not in [f.kind for f in ppl.diagnose(trace).findings]


def test_a_potential_may_be_the_prior():
    f = ppl.Flat("f")
    trace = ppl.sample(ppl.Model(f, ppl.Potential("p", -0.5 * f**2)), draws=50, tune=50, seed=1, progress=False)
    assert "flat_priors" not in trace.attrs


def test_many_numbers_are_screened_after_a_run(caplog):
    """Of 300 numbers the one that disagrees is among those that are looked at."""
    theta = ppl.Normal("theta", 0, 1, size=300)
    bimodal = ppl.Normal("z", 0, 20)
    two = pt.logaddexp(-0.5 * (bimodal - 15) ** 2, -0.5 * (bimodal + 15) ** 2)
    model = ppl.Model(theta, ppl.Potential("two", two))
    with caplog.at_level(logging.WARNING, "rvgraph"):
        ppl.sample(model, draws=300, tune=300, seed=2, progress=False, sampler="nuts")
    assert "the means of z by chain are" in caplog.text
