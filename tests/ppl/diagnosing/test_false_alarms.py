"""Exact independent draws of any shape are found to be in order; what cannot be judged is said to be so.

Answers: independent draws, in which nothing is wrong.
"""

from __future__ import annotations

import logging

import numpy as np
import pytest

import ppl
from benchmarks.false_alarms import MOST_ALARMS, SHAPES, SIZES, TRACES, alarms, trace_of


@pytest.mark.parametrize("shape", SHAPES)
def test_independent_draws(shape):
    """In each of these no finding is expected once in a thousand such tests: R-hat's bound errs in 2e-5 of traces."""
    assert not alarms(shape, (2, 300), range(12))
    assert not alarms(shape, (4, 1000), range(3))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_alarms_are_rare(shape, size):
    assert max(alarms(shape, size, range(TRACES)).values(), default=0) <= MOST_ALARMS * TRACES


def diagnosis(**posterior):
    return ppl.diagnose(trace_of(**posterior))


def kinds(**posterior):
    return [f.kind for f in diagnosis(**posterior).findings]


@pytest.mark.parametrize("num_draws", [1, 2, 3])
def test_a_few_draws_cannot_be_judged(num_draws):
    found = diagnosis(x=np.random.default_rng(1).normal(size=(4, num_draws)))
    assert [f.kind for f in found.findings] == ["too few"]
    assert not found.is_ok
    assert str(found).startswith(f"Cannot be judged (4 chains of {num_draws} draw")


@pytest.mark.parametrize("value", [1.0, 0.3, 2, True])
def test_draws_that_are_all_equal_cannot_be_judged(value):
    found = diagnosis(x=np.full((4, 1000), value))
    assert [f.kind for f in found.findings] == ["constant"]
    assert "cannot be judged" in str(found)


def test_draws_grow_from_nothing():
    """Of independent draws the last quarter is not above the first; what grows within its bounds has not run away."""
    growing = np.exp(np.linspace(-20, 14, 1000)) * np.random.default_rng(1).gamma(5, 0.2, (4, 1000))
    assert "runaway" in kinds(x=growing)
    assert "runaway" in kinds(x=-growing)
    assert "runaway" not in kinds(x=growing / (1 + growing))


def test_draws_overflow_on_their_way():
    with np.errstate(over="ignore"):
        x = np.exp(np.linspace(-1, 1500, 400)) * np.random.default_rng(1).gamma(5, 0.2, (4, 400))
    found = diagnosis(x=x)
    assert [f.kind for f in found.findings] == ["runaway"]
    assert "beyond the largest number" in str(found)


@pytest.mark.parametrize("atom", [0.0, 0.3])
def test_a_chain_is_stuck_though_others_have_an_atom(atom):
    rng = np.random.default_rng(1)
    x = np.where(rng.uniform(size=(4, 1000)) < 0.99, atom, rng.normal(size=(4, 1000)))
    assert kinds(x=x) == []
    x[2] = 1.7
    assert kinds(x=x) == ["stuck"]


def test_numbers_too_small_and_too_large_to_be_squared_have_modes():
    for scale in (1e-200, 1e-12, 1e20):
        x = np.random.default_rng(1).normal(size=(4, 500))
        x[1] += 20
        assert kinds(x=scale * x) == ["modes"]


def test_r_hat_of_short_chains_is_compared_with_that_of_independent_draws():
    """Of 100 numbers one exceeds 1.01 in 2 chains of 300 independent draws; a shift is found all the same."""
    x = np.random.default_rng(3).normal(size=(2, 300, 100))
    above = np.array(list(diagnosis(x=x).r_hat.values())) > 1.01
    assert above.any()
    assert kinds(x=x) == []
    x[1, :, 7] += 0.6
    [finding] = diagnosis(x=x).findings
    assert (finding.kind, finding.variables) == ("r_hat", ("x[7]",))


def test_missing_and_infinite_draws():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 500, 2))
    assert kinds(x=x, inverse=np.where(x > 1.5, np.inf, x)) == []
    assert kinds(x=np.where(x > 1.5, np.nan, x)) == ["not finite"]
    assert kinds(x=x, nothing=np.full((4, 500), np.nan)) == ["not finite"]
    x[..., 0] = np.nan
    assert kinds(x=x) == []


def test_other_kinds_of_numbers_are_judged_beside_text():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(4, 500))
    text = np.full((4, 500), "a")
    assert (
        kinds(x=draws.astype("float32"), sign=draws > 0, count=rng.poisson(3, (4, 500)).astype("uint8"), text=text)
        == []
    )


def test_a_chain_stops_whose_counts_cannot_say_so():
    rng = np.random.default_rng(1)
    x, k = rng.normal(size=(4, 500)), rng.poisson(2, (4, 500))
    x[1, 100:] = np.nan
    assert kinds(x=x, k=k) == ["stopped"]


def test_many_numbers_are_judged_by_a_first_look():
    rng = np.random.default_rng(1)
    heavy = rng.standard_cauchy((2, 300, 4000))
    heavy[1, :, 1234] *= 10
    found = ppl.diagnose(trace_of(x=heavy))
    assert [f.variables for f in found.findings] == [("x[1234]",)]
    assert found.left_out > 3000


def model_of_many():
    a, b = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1)
    rate = ppl.Deterministic("rate", a + b * np.linspace(-1, 1, 2000))
    weight = ppl.Dirichlet("w", np.ones(1))
    return ppl.Model({ppl.StudentT("y", 4, rate[:20], sigma=1): np.linspace(0, 1, 20)}, rate, weight)


def test_what_was_drawn_is_judged_and_logged(caplog):
    """Not what is computed from it; a simplex of one element does not move and is no fault."""
    with caplog.at_level(logging.WARNING, "rvgraph"):
        trace = ppl.sample(model_of_many(), draws=300, tune=300, seed=1, progress=False, sampler="nuts")
    found = ppl.diagnose(trace)
    assert set(found.r_hat) == {"a", "b"}
    assert found.is_ok
    assert not caplog.records
    assert "rate[7]" in ppl.diagnose(trace, ["rate"]).r_hat
    trace.posterior["a"].values[:] = 1.0
    [finding] = ppl.diagnose(trace).findings
    assert (finding.kind, finding.variables) == ("stuck", ("a",))


@pytest.mark.parametrize("draws", [2, 50, 500])
def test_the_paragraph_logged_is_the_diagnosis(draws, caplog):
    with caplog.at_level(logging.WARNING, "rvgraph"):
        trace = ppl.sample(
            ppl.Model(ppl.Cauchy("c", 0, 1, size=3)), draws=draws, tune=200, chains=4, seed=1, progress=False
        )
    found = ppl.diagnose(trace)
    assert [r.getMessage() for r in caplog.records] == ([] if found.is_ok else [str(found)])


def test_coins_have_not_run_away():
    k = ppl.Bernoulli("k", 0.5, size=20)
    y = ppl.Normal("y", ppl.Normal("mu", 0, 1) + 0.05 * k, 1)
    model = ppl.Model({y: np.random.default_rng(0).normal(size=20)})
    trace = ppl.sample(model, seed=1, progress=False, marginalize=False, draws=400)
    assert "k[3]" in ppl.diagnose(trace).r_hat
    assert "runaway" not in [f.kind for f in ppl.diagnose(trace).findings]
    assert trace.attrs["bounded"] == '["k"]'
