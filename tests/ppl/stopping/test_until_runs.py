"""Runs until draws are enough, and warm-ups until chains agree.

Answers: runs of as many iterations and draws, which draw the same; effective sizes and R-hat by ArviZ.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats

import ppl
from ppl.stopping.judging import WAITED_FOR
from samplers.loop.block_table import scales_of
from samplers.tuning.agreement import LEAST_TUNE, warm_up_lengths
from tests.ppl.running.test_improper import sometimes_improper

SEED = 5


def schools() -> ppl.Model:
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfNormal("tau", 5)
    theta = ppl.Deterministic("theta", mu + tau * ppl.Normal("raw", 0, 1, size=4))
    return ppl.Model({ppl.Normal("y", theta, 10): np.array([28.0, 8, -3, 7])})


@pytest.fixture(scope="module")
def by_nuts():
    return ppl.compile(schools(), sampler="nuts", progress=False)


@pytest.fixture(scope="module")
def exact():
    mu = ppl.Normal("mu", 0, 10)
    return ppl.compile(ppl.Model({ppl.Normal("y", mu, 1): np.ones(5)}), progress=False)


@pytest.fixture(scope="module")
def by_table():
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.compile(ppl.Model({ppl.Weibull("y", 1.5, rate): [3.0, 1, 4]}), sampler="tabulated", progress=False)


@pytest.mark.parametrize("kind", ["by_nuts", "exact", "by_table"])
def test_what_is_drawn_is_what_a_run_of_that_length_draws(kind, request):
    compiled = request.getfixturevalue(kind)
    found = compiled.sample(until=ppl.Until(), seed=SEED, tune=200, progress=False)
    number = found.posterior.sizes["draw"]
    assert found.attrs["until"] == "ess 400, r_hat 1.01"
    assert found.attrs["until_met"] == 1
    assert f"after {number:,} draws" in found.attrs["stopped_because"]
    same = compiled.sample(number, seed=SEED, tune=200, progress=False)
    axes = {"chain_axis": 0, "draw_axis": 1}
    for name, draws in found.posterior.data_vars.items():
        np.testing.assert_array_equal(draws, same.posterior[name])
        columns = draws.to_numpy().reshape(*draws.shape[:2], -1)
        assert (array_stats.ess(columns, method="bulk", **axes) >= 400).all()
        assert (array_stats.rhat(columns, **axes) <= 1.01).all()
    assert "adaptation" in found.children or kind == "exact"


def test_a_warm_up_ends_when_chains_agree_whatever_the_cores(by_nuts):
    runs = [by_nuts.sample(20, "auto", seed=SEED, cores=cores, progress=False) for cores in (1, 2)]
    np.testing.assert_array_equal(runs[0].posterior["theta"], runs[1].posterior["theta"])
    for run in runs:
        assert run.attrs["tune"] == runs[0].attrs["tune"] in warm_up_lengths()
        assert run.attrs["chains_agreed"] == 1


def test_a_warm_up_is_kept_whole_and_draws_the_same(by_nuts):
    options = {"tune": "auto", "seed": SEED, "progress": False}
    plain, kept = by_nuts.sample(20, **options), by_nuts.sample(20, keep_tuning=True, **options)
    np.testing.assert_array_equal(plain.posterior["theta"], kept.posterior["theta"])
    assert kept.warmup_posterior.sizes["draw"] == kept.attrs["tune"]
    assert np.isfinite(kept.warmup_posterior["theta"]).all()


def test_chains_that_never_agree_are_tuned_for_the_most_and_that_is_said():
    """Two chains at modes between which nothing passes, one of them narrower."""
    x = ppl.Normal("x", 0, 100)
    apart = ppl.Potential("apart", pt.logaddexp(-50.0 * (x + 20.0) ** 2, -0.5 * (x - 20.0) ** 2))
    found = ppl.sample(
        ppl.Model({}, apart),
        10,
        "auto",
        chains=2,
        seed=1,
        sampler="nuts",
        init=[{"x": -20.0}, {"x": 20.0}],
        progress=False,
    )
    assert found.attrs["tune"] == warm_up_lengths()[-1]
    assert found.attrs["chains_agreed"] == 0


def test_one_chain_agrees_with_itself_before(by_nuts):
    found = by_nuts.sample(10, "auto", 1, seed=SEED, progress=False)
    assert found.attrs["chains_agreed"] == 1
    assert found.attrs["tune"] > LEAST_TUNE


@pytest.mark.parametrize("sampler", ["rmh", "slice", "gibbs"])
def test_what_learns_little_is_tuned_for_the_least(sampler):
    x = ppl.Normal("x", 0, 1, size=2)
    model = ppl.Model({ppl.Normal("y", x, 1): np.zeros(2)})
    options = {"seed": SEED, "progress": False, "sampler": sampler}
    found = ppl.sample(model, tune="auto", until=ppl.Until(ess=200, r_hat=1.05, most_draws=2000), **options)
    assert LEAST_TUNE <= found.attrs["tune"] <= 2 * LEAST_TUNE + 25
    assert found.attrs["until_met"] == 1


def test_what_chains_compare_are_scales_and_variances_and_no_means():
    x = ppl.Normal("x", 0, 1, size=2)
    model = ppl.Model({ppl.Normal("y", x, 1): np.zeros(2)})
    sweep = ppl.plan(model, sampler="barker", progress=False).sweep
    assert len(scales_of(sweep)) == 3
    assert not {*scales_of(sweep)} & {*range(2)}


def test_chains_go_on_from_what_was_enough(by_nuts):
    first = by_nuts.sample(until=ppl.Until(ess=100, r_hat=1.1), tune="auto", seed=SEED, progress=False)
    second = by_nuts.sample(tune=0, until=ppl.Until(ess=100, r_hat=1.1), init=first, seed=SEED + 1, progress=False)
    assert second.attrs["until_met"] == 1
    assert second.attrs["tune"] == 0
    third = by_nuts.sample(10, "auto", init=first, seed=SEED, progress=False)
    assert third.attrs["tune"] >= LEAST_TUNE


def test_a_clock_ends_a_run_that_is_never_enough(by_nuts):
    found = by_nuts.sample(
        until=ppl.Until(ess=1e7, seconds=0.6, most_draws=10**7), tune=50, thin=100, seed=SEED, progress=False
    )
    assert not found.attrs["until_met"]
    assert found.attrs["stopped_because"].startswith("0.6 seconds were over")
    assert not found.attrs["interrupted"]
    assert found.posterior.sizes["draw"] > 0
    assert np.isfinite(found.posterior["theta"]).all()
    alone = by_nuts.sample(until=ppl.Until(None, None, seconds=0.5), tune=50, thin=100, seed=SEED, progress=False)
    assert alone.attrs["until_met"] == 1


def test_the_most_draws_end_a_run_and_the_diagnosis_says_so(by_nuts):
    found = by_nuts.sample(until=ppl.Until(ess=5000, most_draws=1300), tune=50, seed=SEED, progress=False)
    assert found.posterior.sizes["draw"] == 1300
    assert "the most that were asked for, and the effective sample size" in found.attrs["stopped_because"]
    [finding] = [f for f in ppl.diagnose(found).findings if f.kind == "until"]
    assert "1,300 draws of each chain were made" in finding.message


def test_a_discrete_variable_that_never_varies_ends_no_run_by_itself():
    z = ppl.Bernoulli("z", 1e-12)
    x = ppl.Normal("x", z, 1)
    model = ppl.Model({ppl.Normal("y", x, 1): 0.0})
    found = ppl.sample(model, marginalize=False, sampler={"x": "slice"}, until=ppl.Until(), seed=1, progress=False)
    assert found.posterior.sizes["draw"] >= WAITED_FOR
    assert "z never varied and could not be judged" in found.attrs["stopped_because"]


def test_bad_wishes_are_refused_before_anything_is_drawn(by_nuts, exact):
    for compiled in (by_nuts, exact):
        with pytest.raises(ppl.SamplingError, match="Both draws=10 and until"):
            compiled.sample(10, until=ppl.Until(), progress=False)
        with pytest.raises(ppl.ModelError, match="'nobody', of which this run keeps no draws"):
            compiled.sample(until=ppl.Until(var_names=["nobody"]), progress=False)
        with pytest.raises(ppl.SamplingError, match="there is one"):
            compiled.sample(until=ppl.Until(), chains=1, progress=False)
        with pytest.raises(ppl.SamplingError, match='or "auto"'):
            compiled.sample(10, "long", progress=False)
    with pytest.raises(ppl.ModelError, match="'mu', of which this run keeps no draws"):
        by_nuts.sample(until=ppl.Until(var_names=["mu"]), var_names=["tau"], progress=False)


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_chains_that_stop_leave_what_was_drawn(backend):
    """Random walks to where a full conditional is improper, one after the other, stop the run and keep their draws."""
    options = {"sampler": {"x": "rmh", "g": "gibbs"}, "backend": backend, "chains": 2, "seed": 3, "progress": False}
    compiled = ppl.compile(sometimes_improper("rate"), sampler=options.pop("sampler"), backend=options.pop("backend"))
    found = compiled.sample(until=ppl.Until(ess=3000, most_draws=3000), tune=0, **options)
    number = found.posterior.sizes["draw"]
    whole = compiled.sample(number, tune=0, **options)
    np.testing.assert_array_equal(found.posterior["g"], whole.posterior["g"])
    assert np.isnan(found.posterior["g"]).any()
    assert np.isfinite(found.posterior["g"][:, :5]).all()
    assert not found.attrs["until_met"]
    assert "more draws would not help" in found.attrs["stopped_because"]
    assert "stopped" in [finding.kind for finding in ppl.diagnose(found).findings]
