"""Sums over many joint states at once that take far longer than all else are left, where the variables can be drawn.

Answers: enumeration, with the evidence of each combination by SciPy.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pymc as pm
import pytest
import scipy.stats as st

import ppl

ROWS, PREDICTORS = 80, 9
SHARE = 0.3


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(ROWS, PREDICTORS))
    return x, x[:, :3] @ [0.5, -0.35, 0.25] + rng.normal(size=ROWS)


@pytest.fixture(scope="module")
def selection(data):
    """Spike and slab: all elements of what is included are in one term."""
    x, y = data
    included, beta = ppl.Bernoulli("included", SHARE, size=PREDICTORS), ppl.Normal("beta", 0, 1, size=PREDICTORS)
    # All but normal: laws of beta are not what is tested, and its evidence is still that of a normal variable.
    return ppl.Model({ppl.StudentT("y", 1e6, mu=x @ (included * beta), sigma=1.0): y})


def method(plan: ppl.Plan, name: str) -> str:
    return next(a.method for a in plan.declared if a.name == name)


def test_what_is_included_is_drawn_with_the_probabilities_of_enumeration(data, selection):
    x, y = data
    sampler = ppl.compile(selection, progress=False)
    [reason] = [a.reason for a in sampler.plan.declared if a.name == "included"]
    assert "9 elements at once" in reason
    assert method(sampler.plan, "included") == "gibbs"
    weights, total = np.zeros(PREDICTORS), 0.0
    scale = st.multivariate_normal(np.zeros(ROWS), np.eye(ROWS) + x @ x.T).logpdf(y)
    for combination in product([0, 1], repeat=PREDICTORS):
        chosen = x[:, np.flatnonzero(combination)]
        evidence = st.multivariate_normal(np.zeros(ROWS), np.eye(ROWS) + chosen @ chosen.T).logpdf(y)
        number = sum(combination)
        weight = SHARE**number * (1 - SHARE) ** (PREDICTORS - number) * np.exp(evidence - scale)
        weights += weight * np.array(combination)
        total += weight
    trace = sampler.sample(1000, 2500, seed=1, progress=False)
    found = trace.posterior["included"].values.mean(axis=(0, 1))
    # Of 10,000 draws some 2 % are independent: five standard errors of a probability are below 0.15 for 280 of them.
    np.testing.assert_allclose(found, weights / total, atol=0.15)


@pytest.mark.parametrize("options", [{"marginalize": "require"}, {"marginalize": ["included"]}, {"sampler": "nuts"}])
def test_what_is_asked_for_is_summed_out(selection, options):
    assert method(ppl.plan(selection, **options), "included") == "marginalize"


def change_points(number: int) -> ppl.Model:
    """Days on which the rate of 100 counts changes."""
    rng, days = np.random.default_rng(19), np.arange(100)
    counts = rng.poisson(np.repeat([3.0, 9.0, 5.0], [30, 40, 30]))
    rate = ppl.Exponential("rate", 0.2, size=number + 1)
    rates = rate[number]
    for i in reversed(range(number)):
        rates = pm.math.switch(days < ppl.DiscreteUniform(f"day{i}", 5, 90), rate[i], rates)
    return ppl.Model({ppl.Poisson("counts", rates): counts})


def test_pairs_of_days_are_summed_out_and_triples_are_drawn():
    """Of pairs there are 7,396, and one day hardly moves given the other; of triples there are 636,056."""
    assert {method(ppl.plan(change_points(2)), f"day{i}") for i in range(2)} == {"marginalize"}
    assert "gibbs" in {method(ppl.plan(change_points(3)), f"day{i}") for i in range(3)}


@pytest.mark.parametrize(("nodes", "expected"), [(10, "marginalize"), (22, "gibbs")])
def test_labels_that_all_depend_on_each_other_are_drawn_where_their_sum_would_never_end(nodes: int, expected: str):
    """Of a network of 22 nodes there are 2^22 joint labels."""
    rng = np.random.default_rng(1)
    first, second = np.triu_indices(nodes, 1)
    label = ppl.Bernoulli("label", 0.5, size=nodes)
    tie = ppl.Beta("tie", 1, 1, size=2)
    ties = ppl.Bernoulli("ties", pm.math.switch(pm.math.eq(label[first], label[second]), tie[0], tie[1]))
    assert method(ppl.plan(ppl.Model({ties: rng.random(len(first)) < 0.4})), "label") == expected


def test_where_nothing_else_is_moved_sums_stay(data):
    x, y = data
    included = ppl.Bernoulli("included", SHARE, size=PREDICTORS)
    plan = ppl.plan(ppl.Model({ppl.StudentT("y", 4.0, mu=x @ (included * 0.4), sigma=1.0): y}))
    assert method(plan, "included") == "marginalize"
    assert plan.is_exact
