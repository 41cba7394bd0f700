"""How well Gibbs steps mix, foreseen in draws of NUTS, against closed forms and against Gibbs steps.

Answers: closed forms, and autocorrelations of Gibbs steps.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import polygamma

import ppl
import ppl.planning.comparing.policy
from ppl.planning.comparing.dependence import ALLOWANCE, most_effective
from ppl.planning.comparing.pilot import effective_fractions, pilot


def foreseen(model: ppl.Model) -> float:
    by_nuts, by_laws = (ppl.plan(model, sampler=method) for method in ("nuts", "gibbs"))
    nuts = pilot(by_nuts, 800)
    assert nuts is not None
    return most_effective(nuts, by_nuts, by_laws) / ALLOWANCE


@pytest.mark.parametrize(("shape", "size"), [(3.0, 4), (6.0, 3), (8.0, 2), (5.0, 40)])
def test_a_rate_and_what_it_is_the_rate_of(shape: float, size: int) -> None:
    """The logarithm of a gamma variable of shape a has the variance trigamma(a), whatever its rate: of the rate b,
    ``size`` exponentials leave that of ``shape + size`` of that of ``shape``.

    The variance is that of 400 draws, of which 150 or more are effective: 12%, so that 40% is over three errors.
    """
    b = ppl.Gamma("b", shape, 1.0)
    model = ppl.Model(ppl.Exponential("x", b, size=size))
    share = polygamma(1, shape + size) / polygamma(1, shape)
    assert foreseen(model) == pytest.approx(share / (2.0 - share), rel=0.4)


def test_it_is_what_gibbs_steps_have() -> None:
    """In the sweep of two full conditionals correlations fall geometrically; 4000 draws: 15% is over three errors."""
    b = ppl.Gamma("b", 5.0, 1.0)
    trace = ppl.sample(
        ppl.Model(ppl.Exponential("x", b, size=5)), draws=4000, tune=0, chains=4, seed=1, sampler="gibbs"
    )
    logs = np.log(trace.posterior["b"].values).T
    share = polygamma(1, 10.0) / polygamma(1, 5.0)
    assert np.mean(effective_fractions(logs)) == pytest.approx(share / (2.0 - share), rel=0.15)


def test_nothing_is_foreseen_of_what_is_drawn_together() -> None:
    """A mean and effects that hang together are one draw from a normal distribution."""
    mean = ppl.Normal("mean", 0.0, 100.0)
    effects = ppl.Normal("effects", mean, 0.1, size=6)
    assert foreseen(ppl.Model({ppl.Normal("y", effects, 1.0): np.arange(6.0)})) == 1.0 / ALLOWANCE


def test_independent_variables_lose_nothing() -> None:
    model = ppl.Model(ppl.Gamma("a", 2.0, 1.0), ppl.Gamma("b", 5.0, 1.0))
    assert foreseen(model) >= 0.7


@pytest.mark.usefixtures("without_tables")
def test_gibbs_steps_that_cannot_mix_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scales, of which each nearly fixes the other."""
    plans = []

    def watched(plan: ppl.Plan, num_sweeps: int) -> object:
        plans.append({a.method for a in plan.assignments})
        return pilot(plan, num_sweeps)

    monkeypatch.setattr(ppl.planning.comparing.policy, "pilot", watched)
    a = ppl.InverseGamma("a", 2.0, 1.0)
    plan = ppl.plan(ppl.Model(ppl.Gamma("b", 2000.0, 2000.0 / a)), marginalize=False)
    assert plans == [{"nuts"}]
    assert "effective draws a sweep, as draws of NUTS show" in plan.policy
