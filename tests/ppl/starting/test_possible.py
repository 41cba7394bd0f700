"""Chains and pilot runs start where discrete variables are possible, alone and together.

Answers: what the data exclude, by hand, and the enumeration.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.errors import SamplingError
from ppl.planning.comparing.pilot import pilot
from ppl.starting.initial import StartingPoints


def occupancy() -> ppl.Model:
    """Places where a species was seen are occupied."""
    seen = np.repeat([[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]], 5, axis=0)
    state = ppl.Bernoulli("z", ppl.Uniform("psi", 0, 1), size=len(seen))
    return ppl.Model({ppl.Bernoulli("y", (state * ppl.Uniform("p", 0, 1))[:, None], size=seen.shape): seen})


def recessive() -> ppl.Model:
    """Only two copies of an allele show."""
    copies = ppl.Binomial("a", 2, ppl.Uniform("q", 0, 1), size=8)
    table = pt.as_tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return ppl.Model({ppl.Categorical("sick", table[copies]): [0, 0, 1, 0, 1, 0, 0, 1]})


def hurdle() -> ppl.Model:
    """Who has had an event is not cured."""
    a, state = ppl.Normal("a", 0, 2), ppl.Bernoulli("s", 0.5, size=6)
    return ppl.Model({ppl.Binomial("k", 10, pt.stack([pt.sigmoid(a), 0.0])[state]): [3, 0, 2, 0, 0, 5]})


def pedigree() -> ppl.Model:
    """A sick child of two healthy parents: both carry one copy, and so does one grandparent on each side at least."""
    q = ppl.Beta("q", 2, 2)
    founders = ppl.Binomial("founders", 2, q, size=4)
    parents = ppl.Bernoulli("from_first", 0.5 * founders[::2]) + ppl.Bernoulli("from_second", 0.5 * founders[1::2])
    child = ppl.Bernoulli("from_mother", 0.5 * parents[0]) + ppl.Bernoulli("from_father", 0.5 * parents[1])
    shows = pt.as_tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    healthy, sick = ppl.Categorical("healthy", shows[parents]), ppl.Categorical("sick", shows[child])
    return ppl.Model({healthy: [0, 0], sick: 1})


def permutation() -> ppl.Model:
    """Five labels, all different: no element can be judged alone."""
    labels = ppl.Categorical("labels", np.full(5, 0.2), size=5)
    clash = pt.eq(labels[:, None], labels[None, :]) & pt.constant(~np.eye(5, dtype=bool))
    return ppl.Model(
        {ppl.Normal("y", ppl.Normal("m", 0, 1) + labels, 1.0): np.arange(5.0)},
        ppl.Potential("different", pt.switch(clash, -np.inf, 0.0)),
    )


def population() -> ppl.Model:
    """Survivors are no more than there were, and what was counted no more than there are."""
    first = ppl.Poisson("first", ppl.Gamma("rate", 2, 2), size=3)
    survivors = ppl.Binomial("survivors", first, ppl.Uniform("survival", 0, 1))
    second = survivors + ppl.Poisson("new", ppl.Gamma("growth", 2, 2), size=3)
    p = ppl.Uniform("p", 0, 1)
    return ppl.Model({ppl.Binomial("y1", first, p): [5, 2, 7], ppl.Binomial("y2", second, p): [4, 6, 1]})


@pytest.mark.parametrize("make", [occupancy, recessive, hurdle, pedigree, permutation, population])
def test_chains_start_where_all_is_possible(make: Callable[[], ppl.Model]) -> None:
    plan = ppl.plan(make(), marginalize=False, sampler="nuts")
    points = StartingPoints(plan)
    starts = points(None, 2, 1)
    for start in starts:
        assert np.isfinite(points._log_terms.total(plan.sweep.layout.unpack(start)))
    np.testing.assert_array_equal(points(None, 2, 1), starts)


def test_what_a_user_gives_is_kept_and_what_is_impossible_anywhere_is_refused() -> None:
    plan = ppl.plan(recessive(), marginalize=False, sampler="nuts")
    with pytest.raises(SamplingError, match="sick"):
        StartingPoints(plan)({"a": np.zeros(8, int)}, 1, 1)
    never = ppl.Model({ppl.Categorical("k", pt.as_tensor([[1.0, 0.0], [1.0, 0.0]])[ppl.Bernoulli("z", 0.5)]): 1})
    with pytest.raises(SamplingError, match="k is -inf"):
        StartingPoints(ppl.plan(never, marginalize=False))(None, 1, 1)


def test_pilot_runs_start_where_runs_do() -> None:
    """With a prior mean of one and counts near five the law of p has no proper parameters at central values."""
    data = np.random.default_rng(3).binomial(5, 0.5, (30, 3))
    n = ppl.Poisson("n", ppl.Gamma("lam", 0.005, 0.005), size=30)
    model = ppl.Model({ppl.Binomial("y", n[:, None], ppl.Beta("p", 1, 1), size=(30, 3)): data})
    assert pilot(ppl.plan(model, sampler="gibbs"), 100) is not None
    assert "left the domain" not in ppl.plan(model).policy


def test_counts_between_bounds_far_apart_keep_to_both() -> None:
    """N uniform to 5000 and data that point above it: the posterior is cut off, by enumeration."""
    data, upper = np.array([3000, 3010, 2990, 2960]), 5000
    model = ppl.Model({ppl.Binomial("y", ppl.DiscreteUniform("N", 100, upper), 0.6, size=4): data})
    trace = ppl.sample(model, marginalize=False, draws=1000, tune=200, chains=2, seed=1, progress=False)
    values = np.arange(data.max(), upper + 1)
    weights = stats.binom.logpmf(data[:, None], values, 0.6).sum(axis=0)
    weights = np.exp(weights - weights.max())
    mean = np.average(values, weights=weights)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    found = trace.posterior["N"]
    assert int(found.max()) <= upper
    # One draw in ten is effective at least: four standard errors of 200.
    assert abs(float(found.mean()) - mean) < 4 * spread / np.sqrt(200)
