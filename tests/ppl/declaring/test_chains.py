"""Markov chains: log-probabilities, sums, draws and errors.

Answers: the enumeration, and products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from graphs.errors import ModelError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.laws.sums import assert_is_marginal

RNG = np.random.default_rng(7)
P = np.array([[0.7, 0.2, 0.1], [0.15, 0.55, 0.3], [0.25, 0.3, 0.45]])
START = np.array([0.5, 0.2, 0.3])
MU = np.array([0.1, -0.8, 1.2])
Case = tuple[Any, dict[str, Any]]


def emitted(s: Any, shape: tuple[int, ...]) -> Case:
    mu = ppl.Normal("mu", 0, 1, size=3)
    return ppl.Model({ppl.Normal("y", mu[s], 1.1): RNG.normal(size=shape)}), {"mu": MU}


def plain() -> Case:
    return emitted(ppl.MarkovChain("s", P, START, steps=6), (6,))


def batch_of_one_table() -> Case:
    return emitted(ppl.MarkovChain("s", P, steps=4, size=2), (2, 4))


def batch_of_tables() -> Case:
    return emitted(ppl.MarkovChain("s", RNG.dirichlet(np.ones(3), size=(2, 3)), START, steps=3), (2, 3))


def varying_in_time() -> Case:
    table = RNG.dirichlet(np.ones(3), size=(4, 3))
    return emitted(ppl.MarkovChain("s", table, START, steps=5, time_varying=True), (5,))


def two_lags() -> Case:
    table = RNG.dirichlet(np.ones(3), size=(3, 3))
    return emitted(ppl.MarkovChain("s", table, START[:, None] * P, steps=6, lags=2), (6,))


def batch_varying_in_time() -> Case:
    table = RNG.dirichlet(np.ones(3), size=(2, 2, 3))
    return emitted(ppl.MarkovChain("s", table, START, steps=3, time_varying=True), (2, 3))


def unknown_table() -> Case:
    table = ppl.Dirichlet("P", np.ones((3, 3)))
    model, values = emitted(ppl.MarkovChain("s", table, START, steps=5), (5,))
    return model, {**values, "P": P}


def single_step() -> Case:
    return emitted(ppl.MarkovChain("s", P, START, steps=1), (1,))


def left_to_right() -> Case:
    """Transitions of probability zero."""
    s = ppl.MarkovChain("s", [[0.9, 0.1], [0.0, 1.0]], [1.0, 0.0], steps=6)
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.Model({ppl.Poisson("y", 1 + rate * s): [0, 1, 1, 4, 5, 3]}), {"rate": 2.7}


CASES: list[Callable[[], Case]] = [
    plain,
    batch_of_one_table,
    batch_of_tables,
    varying_in_time,
    two_lags,
    batch_varying_in_time,
    unknown_table,
    single_step,
    left_to_right,
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_sum_equals_enumeration(case):
    assert_is_marginal(*case())


@pytest.mark.parametrize("lags", [1, 2])
def test_log_probability_of_a_path_is_the_product_of_its_steps(lags):
    table = RNG.dirichlet(np.ones(3), size=(5 - lags, *(3,) * lags))
    start = RNG.dirichlet(np.ones(3**lags)).reshape((3,) * lags)
    s = ppl.MarkovChain("s", table, start, steps=5, lags=lags, time_varying=True)
    lp = logprob({s: np.array([2, 0, 1, 1, 0])})
    path = [2, 0, 1, 1, 0]
    expected = np.log(start[tuple(path[:lags])])
    for t in range(5 - lags):
        expected += np.log(table[(t, *path[t : t + lags + 1])])
    np.testing.assert_allclose(interpret([], lp.total)(), expected, rtol=1e-12)


def test_impossible_paths_have_no_probability():
    s = ppl.MarkovChain("s", [[0.9, 0.1], [0.0, 1.0]], steps=3)
    assert interpret([], logprob({s: np.array([1, 0, 0])}).total)() == -np.inf
    lp = logprob({s: np.array([0, 1, 5])})
    assert interpret([], lp.total)() == -np.inf


def test_frequencies_of_draws_are_the_probabilities():
    s = ppl.MarkovChain("s", P, START, steps=3, size=20_000)
    [draws] = [interpret([], s)()]
    joint = START[:, None, None] * P[:, :, None] * P[None]
    counts = np.zeros((3, 3, 3))
    np.add.at(counts, tuple(draws.T), 1)
    error = np.sqrt(joint * (1 - joint) / 20_000)
    # 27 comparisons at 5 standard errors: one false alarm in 60,000.
    assert (np.abs(counts / 20_000 - joint) < 5 * error).all()


def test_a_chain_can_be_observed():
    table = ppl.Dirichlet("P", np.ones((2, 2)))
    s = ppl.MarkovChain("s", table, steps=200)
    data = (RNG.uniform(size=200) < 0.3).astype(int)
    trace = ppl.sample(ppl.Model({s: data}), draws=800, tune=400, chains=2, seed=1, progress=False)
    counts = np.zeros((2, 2))
    np.add.at(counts, (data[:-1], data[1:]), 1)
    expected = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    found = trace.posterior["P"].mean(("chain", "draw")).to_numpy()
    # The posterior is Dirichlet; its standard deviations are below 0.06, and the ESS above 400.
    np.testing.assert_allclose(found, expected, atol=0.06 / 20 * 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"P": P[:2], "steps": 3}, r"P of s has shape \(2, 3\); \(\.\.\., K, K\) is needed"),
        ({"P": P, "init": [0.5, 0.5], "steps": 3}, r"init of s has shape \(2,\), but P has 3 states"),
        ({"P": P * 1.1, "steps": 3}, r"P of s in row \(0,\) sum to 1.1"),
        ({"P": P - 0.2, "steps": 3}, "lie between 0 and 1"),
        ({"P": P, "steps": 0}, "steps of s.*at least 1"),
        ({"P": P}, "steps of s.*it was None"),
        ({"P": P, "init": [0.5, 0.2, 0.2], "steps": 4}, "init of s sum to 0.9"),
        ({"P": P[None], "steps": 4, "time_varying": True}, "1 tables of transitions.*3 transitions"),
        ({"P": P, "steps": 4, "lags": 0}, "lags of s"),
        ({"P": "P", "steps": 4}, "no array of probabilities"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ModelError, match=message):
        ppl.MarkovChain("s", **arguments)


def test_long_chains_are_one_recursion():
    model, _ = emitted(ppl.MarkovChain("s", P, START, steps=500), (500,))
    plan = ppl.plan(model)
    assert "forward recursion over 500 steps" in str(plan)
    assert plan.costs[0].operations == 500 * 9


def test_draws_along_a_chain_follow_their_joint_probabilities():
    """Backward sampling against the smoothing probabilities and against pairs by enumeration."""
    rng = np.random.default_rng(11)
    y = rng.normal(size=14)
    s = ppl.MarkovChain("s", P, START, steps=14)
    sigma = ppl.HalfNormal("sigma", 1)
    model = ppl.Model({ppl.Normal("y", pt.constant(np.array([-1.0, 0.2, 1.1]))[s], 1.0 + 1e-9 * sigma): y})
    trace = ppl.sample(model, draws=2000, tune=200, chains=4, seed=1, progress=False)
    recovered = ppl.recover(model, trace, seed=2, most_probable=True).posterior
    logits = -0.5 * (y[:, None] - np.array([-1.0, 0.2, 1.1])) ** 2
    paths = np.array(np.meshgrid(*[range(3)] * 7, indexing="ij")).reshape(7, -1).T
    # Exact: forward messages to step 7 by enumeration of the first half, backward by the second.
    first = np.log(START[paths[:, 0]]) + logits[np.arange(7), paths].sum(1)
    first += np.log(P)[paths[:, :-1], paths[:, 1:]].sum(1)
    second = logits[np.arange(7, 14), paths].sum(1) + np.log(P)[paths[:, :-1], paths[:, 1:]].sum(1)
    forward = np.array([np.exp(first[paths[:, -1] == k]).sum() for k in range(3)])
    backward = np.array([np.exp(second[paths[:, 0] == k]).sum() for k in range(3)])
    pair = forward[:, None] * P * backward
    pair /= pair.sum()
    np.testing.assert_allclose(recovered["s_probability"][0, 0, 6], pair.sum(1), rtol=1e-6)
    draws = recovered["s"].to_numpy().reshape(-1, 14)
    counts = np.zeros((3, 3))
    np.add.at(counts, (draws[:, 6], draws[:, 7]), 1)
    error = np.sqrt(pair * (1 - pair) / len(draws))
    # The data fix the distribution: the draws are independent. Nine comparisons at 5 standard errors.
    assert (np.abs(counts / len(draws) - pair) < 5 * error).all()
    best = np.full(3, -np.inf)
    best = np.log(START) + logits[0]
    for t in range(1, 14):
        best = (best[:, None] + np.log(P)).max(axis=0) + logits[t]
    path = recovered["s_most_probable"][0, 0].to_numpy()
    value = np.log(START[path[0]]) + np.log(P)[path[:-1], path[1:]].sum() + logits[np.arange(14), path].sum()
    np.testing.assert_allclose(value, best.max(), rtol=1e-12)
