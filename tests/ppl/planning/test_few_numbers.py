"""Models of which few numbers are left: they are drawn independently of each other.

Answers: closed forms; the law that what is left does not depend on how it is drawn.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError

Y = np.array([1.3, 0.2, 2.1, 0.4, 1.9])


def counts() -> ppl.Model:
    """A rate whose logarithm is the variable: gamma, if the prior is."""
    rate = ppl.Gamma("rate", 2.0, 1.0)
    return ppl.Model({ppl.Poisson("y", rate, size=5): np.array([3, 1, 4, 1, 5])})


def scales(size: int = 1) -> ppl.Model:
    return ppl.Model({ppl.Normal("y", 0.0, ppl.HalfNormal("s", 2.0, size=size).sum(), size=5): Y})


def test_draws_are_those_of_the_closed_form() -> None:
    """rate | y ~ Gamma(2 + 14, 1 + 5), 4000 draws, of which every fourth is looked at: 1e-4 by chance."""
    plan = ppl.plan(counts(), marginalize=False)
    assert plan.method_of("rate") == "tabulated"
    trace = ppl.sample(counts(), marginalize=False, seed=1, progress=False)
    draws = trace.posterior["rate"].to_numpy().ravel()[::4]
    assert stats.kstest(draws, stats.gamma(16, scale=1 / 6).cdf).pvalue > 1e-4
    # Gradients of NUTS would be more than twice as many as draws.
    assert trace.attrs["num_gradients"] < 5000
    assert ppl.diagnose(trace).is_ok


def test_nuts_is_obeyed() -> None:
    plan = ppl.plan(scales(), sampler="nuts")
    assert plan.method_of("s") == "nuts"
    assert "diverging" in ppl.sample(scales(), 20, 20, 1, seed=1, sampler="nuts", progress=False).sample_stats


def test_it_can_be_asked_for() -> None:
    assert ppl.plan(scales(3), sampler="tabulated", marginalize=False).method_of("s") == "tabulated"
    with pytest.raises(ModelError, match=r"s: 4 numbers are more than the 3 .*sampler='nuts'") as raised:
        ppl.plan(scales(4), sampler="tabulated", marginalize=False)
    assert raised.value.variable == "s"


def test_a_trace_goes_on_where_it_ended() -> None:
    compiled = ppl.compile(scales(), marginalize=False, progress=False)
    first = compiled.sample(50, 0, 2, seed=1, progress=False)
    again = compiled.sample(50, 0, 2, seed=2, init=first, progress=False)
    assert again.posterior["s"].shape == (2, 50, 1)
    kept = compiled.sample(30, 20, 2, seed=1, keep_tuning=True, thin=2, progress=False)
    assert kept["warmup_posterior"]["s"].shape == (2, 20, 1)
    assert kept.posterior["s"].shape == (2, 30, 1)


@pytest.mark.parametrize("sampler", ["tabulated", {"s": "tabulated"}])
def test_beside_others_nuts_moves_it(sampler: object) -> None:
    """Where something else moves, too, draws are not independent: the same steps as those of NUTS."""
    k = ppl.Poisson("k", 3.0)
    model = ppl.Model({ppl.Normal("y", k, ppl.HalfNormal("s", 2.0), size=5): Y})
    trace = ppl.sample(model, 500, 200, 2, seed=1, sampler={"s": "tabulated", "k": "rmh"}, progress=False)
    assert {*trace.posterior} == {"k", "s"}
    assert "diverging" in trace.sample_stats
