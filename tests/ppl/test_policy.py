"""Which sampler a plan chooses where that is left to it, and why."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from ppl.policy import Prediction, effective_fractions

rng = np.random.default_rng(3)
DESIGN = rng.normal(size=(40, 3))
OUTCOME = DESIGN @ np.array([1.0, -0.5, 0.3]) + rng.normal(size=40)


def regression() -> ppl.Model:
    b, v = ppl.Normal("b", 0, 10, size=3), ppl.InverseGamma("v", 2, 1)
    return ppl.Model({ppl.Normal("y", DESIGN @ b, pt.sqrt(v)): OUTCOME})


def scales_that_hang_together() -> ppl.Model:
    """Each nearly fixes the other: alone it hardly moves."""
    a = ppl.InverseGamma("a", 2.0, 1.0)
    return ppl.Model(ppl.Gamma("b", 2000.0, 2000.0 / a))


@pytest.mark.parametrize("correlation", [-0.4, 0.0, 0.5, 0.9])
def test_effective_draws_of_an_autoregression_are_those_of_theory(correlation: float) -> None:
    """(1 - r) / (1 + r); 20 columns of 4000 draws: 10% is over four standard errors of their mean, seen at r = 0.9."""
    noise = np.random.default_rng(1).normal(size=(4000, 20))
    draws = np.empty_like(noise)
    draws[0] = noise[0]
    for t in range(1, 4000):
        draws[t] = correlation * draws[t - 1] + np.sqrt(1 - correlation**2) * noise[t]
    expected = (1 - correlation) / (1 + correlation)
    found = np.median(effective_fractions(draws))
    assert found == pytest.approx(expected, rel=0.1)


def test_what_does_not_move_has_one_effective_draw() -> None:
    assert effective_fractions(np.ones((50, 1)))[0] == 1 / 50


def test_gibbs_sampling_is_chosen_where_it_mixes_well() -> None:
    plan = ppl.plan(regression())
    assert {a.method for a in plan.assignments} == {"gibbs"}
    assert "Gibbs sampling for all: predicted" in plan.policy
    assert plan.policy in str(plan)
    assert plan.policy in plan._repr_html_()


def test_nuts_is_chosen_where_gibbs_sampling_hardly_moves() -> None:
    plan = ppl.plan(scales_that_hang_together())
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert "NUTS for all: predicted" in plan.policy


def test_an_order_is_obeyed() -> None:
    assert {a.method for a in ppl.plan(regression(), sampler="nuts").assignments} == {"nuts"}
    forced = ppl.plan(scales_that_hang_together(), sampler="gibbs")
    assert {a.method for a in forced.assignments} == {"gibbs"}
    assert not forced.policy


def test_there_is_no_choice_where_a_variable_has_no_law() -> None:
    b = ppl.Normal("b", 0, 1)
    plan = ppl.plan(ppl.Model({ppl.Poisson("y", pt.exp(b), size=3): np.array([1, 0, 2])}))
    assert plan.method_of("b") == "nuts"
    assert plan.policy.startswith("NUTS for all continuous variables: b has no full conditional, so that NUTS")


def test_the_choice_is_reproducible() -> None:
    assert ppl.plan(regression()).policy == ppl.plan(regression()).policy


def test_slow_chains_are_left_to_nuts_however_cheap():
    """A pilot run cannot tell how slow they are: of autocorrelations longer than itself it sees the beginning."""
    for gain, effective, is_for_gibbs in ((5.0, 0.5, True), (5.0, 0.05, False), (0.5, 0.5, False)):
        prediction = Prediction(effective, gain)
        assert prediction.is_for_gibbs == is_for_gibbs
        assert str(prediction).startswith("Gibbs sampling" if is_for_gibbs else "NUTS")
    assert "mixes slowly (0.05 effective draws a sweep" in str(Prediction(0.05, 5.0))
