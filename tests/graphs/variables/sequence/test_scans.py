"""Sequences drawn in a scan are variables of the model: their sum is that over every configuration of the joint.

Answers: the enumeration of every configuration, and loops in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp
from scipy.stats import norm, poisson

import ppl
from graphs.errors import DerivationError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import INTERPRETED, interpret
from graphs.variables.sequence.inner import without_casts
from tests.laws.sums import assert_is_marginal

RNG = np.random.default_rng(3)
P = np.array([[0.7, 0.2, 0.1], [0.15, 0.55, 0.3], [0.25, 0.3, 0.45]])
MU = np.array([0.1, -0.8, 1.2])
Y = RNG.normal(size=6)
Case = tuple[Any, dict[str, Any]]


def generator() -> Any:
    return pt.random.shared_rng(seed=1)


def hidden(states: Any, length: int) -> Case:
    states.name = "s"
    mu = ppl.Normal("mu", 0, 1, size=3)
    return ppl.Model({ppl.Normal("y", mu[states], 1.1): Y[:length]}), {"mu": MU}


def constant_start() -> Case:
    def step(previous, rng, table):
        rng, state = rng.categorical(table[previous])
        return state, rng

    states, _ = pytensor.scan(
        step,
        outputs_info=[pt.constant(0, dtype="int64"), generator()],
        non_sequences=[pt.constant(P)],
        n_steps=5,
        return_updates=False,
    )
    return hidden(states, 5)


def random_start_and_table() -> Case:
    table = ppl.Dirichlet("P", np.ones((3, 3)))
    first = ppl.Categorical("first", [0.2, 0.5, 0.3])

    def step(previous, rng, table):
        rng, state = rng.categorical(table[previous])
        return state, rng

    states, _ = pytensor.scan(
        step, outputs_info=[first, generator()], non_sequences=[table], n_steps=4, return_updates=False
    )
    model, values = hidden(states, 4)
    return model, {**values, "P": P}


def emission_inside() -> Case:
    mu = ppl.Normal("mu", 0, 1, size=3)

    def step(previous, rng, mu):
        rng, state = rng.categorical(pt.constant(P)[previous])
        rng, y = rng.normal(mu[state], 1.2)
        return state, y, rng

    _, y, _ = pytensor.scan(
        step,
        outputs_info=[pt.constant(1, dtype="int64"), None, generator()],
        non_sequences=[mu],
        n_steps=4,
        return_updates=False,
    )
    y.name = "y"
    return ppl.Model({y: Y[:4]}), {"mu": MU}


def covariates() -> Case:
    b = ppl.Normal("b", 0, 1, size=2)

    def step(x, previous, rng, b):
        rng, state = rng.bernoulli(pt.sigmoid(b[0] + b[1] * x + previous * 1.3))
        return state, rng

    states, _ = pytensor.scan(
        step,
        sequences=[pt.constant(Y)],
        outputs_info=[pt.constant(0, dtype="int64"), generator()],
        non_sequences=[b],
        return_updates=False,
    )
    states.name = "s"
    return ppl.Model({ppl.Poisson("y", 1.0 + 2 * states): np.arange(6) % 4}), {"b": np.array([0.3, -0.5])}


def table_for_each_step() -> Case:
    def step(table, previous, rng):
        rng, state = rng.categorical(table[previous])
        return state, rng

    tables = np.random.default_rng(4).dirichlet(np.ones(3), size=(4, 3))
    states, _ = pytensor.scan(
        step,
        sequences=[pt.constant(tables)],
        outputs_info=[pt.constant(0, dtype="int64"), generator()],
        return_updates=False,
    )
    return hidden(states, 4)


def two_lags() -> Case:
    table = pt.constant(np.random.default_rng(4).dirichlet(np.ones(3), size=(3, 3)))

    def step(second, first, rng):
        rng, state = rng.categorical(table[second, first])
        return state, rng

    states, _ = pytensor.scan(
        step,
        outputs_info=[{"initial": pt.constant(np.array([0, 1])), "taps": [-2, -1]}, generator()],
        n_steps=5,
        return_updates=False,
    )
    return hidden(states, 5)


def several_series() -> Case:
    def step(previous, rng):
        rng, state = rng.categorical(pt.constant(P)[previous])
        return state, rng

    states, _ = pytensor.scan(
        step,
        outputs_info=[pt.constant(np.array([0, 2])), generator()],
        n_steps=3,
        return_updates=False,
    )
    states.name = "s"
    mu = ppl.Normal("mu", 0, 1, size=3)
    return ppl.Model({ppl.Normal("y", mu[states], 1.1): Y.reshape(3, 2)}), {"mu": MU}


CASES: list[Callable[[], Case]] = [
    constant_start,
    random_start_and_table,
    emission_inside,
    covariates,
    table_for_each_step,
    two_lags,
    several_series,
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_sum_equals_enumeration(case):
    assert_is_marginal(*case())


def test_joint_log_probability_is_that_of_a_loop():
    model, values = covariates()
    lp = logprob(model, marginalize=False)
    s = np.array([0, 1, 1, 0, 1, 1])
    given = {**values, "s": s}
    found = interpret(list(lp.values.values()), lp.total)(*(np.asarray(given[n]) for n in lp.values))
    expected, previous = norm.logpdf(values["b"]).sum(), 0
    for x, state, y in zip(Y, s, np.arange(6) % 4, strict=True):
        p = 1 / (1 + np.exp(-(0.3 - 0.5 * x + 1.3 * previous)))
        expected += np.log(p if state else 1 - p) + poisson.logpmf(y, 1 + 2 * state)
        previous = state
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_forward_algorithm_by_hand():
    model, values = constant_start()
    lp = logprob(model)
    alpha = np.array([0.0, -np.inf, -np.inf])
    for y in Y[:5]:
        alpha = logsumexp(alpha[:, None] + np.log(P), axis=0) + norm.logpdf(y, MU, 1.1)
    expected = logsumexp(alpha) + norm.logpdf(MU).sum()
    np.testing.assert_allclose(interpret([lp.values["mu"]], lp.total)(values["mu"]), expected, rtol=1e-12)


def test_several_draws_of_a_step_share_its_state():
    rate = np.array([0.5, 2.0, 4.0])

    def step(previous, rng):
        rng, state = rng.categorical(pt.constant(P)[previous])
        rng, y = rng.normal(pt.constant(MU)[state], 1.2)
        rng, n = rng.poisson(pt.constant(rate)[state])
        rng, third = rng.normal(y + state, 0.7)
        return state, y, n, third, rng

    _, y, n, third, _ = pytensor.scan(
        step,
        outputs_info=[pt.constant(1, dtype="int64"), None, None, None, generator()],
        n_steps=5,
        return_updates=False,
    )
    y.name, n.name, third.name = "y", "n", "third"
    counts, z = np.array([0, 3, 1, 5, 2]), Y[1:] + 1
    lp = logprob(ppl.Model({y: Y[:5], n: counts, third: z}))
    alpha = np.array([-np.inf, 0.0, -np.inf])
    for a, b, c in zip(Y[:5], counts, z, strict=True):
        emitted = norm.logpdf(a, MU, 1.2) + poisson.logpmf(b, rate) + norm.logpdf(c, a + np.arange(3), 0.7)
        alpha = logsumexp(alpha[:, None] + np.log(P), axis=0) + emitted
    np.testing.assert_allclose(interpret([], lp.total)(), logsumexp(alpha), rtol=1e-12)


def test_two_states_that_drive_each_other():
    """A factorial chain, the second state of which depends on the first's of the same and of the previous step."""
    tables = np.random.default_rng(8).dirichlet(np.ones(2), size=(3, 3, 2))

    def step(s, z, rng):
        rng, s_now = rng.categorical(pt.constant(P)[s])
        rng, z_now = rng.categorical(pt.constant(tables)[s_now, s, z])
        rng, y = rng.normal(pt.constant(MU)[s_now] + 2.0 * z_now, 1.2)
        return s_now, z_now, y, rng

    zero = pt.constant(0, dtype="int64")
    *_, y, _ = pytensor.scan(step, outputs_info=[zero, zero, None, generator()], n_steps=5, return_updates=False)
    y.name = "y"
    alpha = np.full((3, 2), -np.inf)
    alpha[0, 0] = 0
    for value in Y[:5]:
        emitted = norm.logpdf(value, MU[:, None] + 2.0 * np.arange(2), 1.2)
        # moved[s, z, s_now, z_now]
        moved = alpha[:, :, None, None] + np.log(P)[:, None, :, None] + np.log(tables).transpose(1, 2, 0, 3)
        alpha = logsumexp(moved, axis=(0, 1)) + emitted
    lp = logprob(ppl.Model({y: Y[:5]}))
    np.testing.assert_allclose(interpret([], lp.total)(), logsumexp(alpha), rtol=1e-12)


def test_draws_from_the_prior_follow_the_steps():
    model, _ = constant_start()
    draws = np.array([model["s"].eval(mode=INTERPRETED) for _ in range(3)])
    assert draws.shape == (3, 5)
    assert set(np.unique(draws)) <= {0, 1, 2}


def test_other_things_carried_along_are_refused():
    def step(previous, total, rng):
        rng, state = rng.categorical(pt.constant(P)[previous])
        return state, total + state, rng

    _, total, _ = pytensor.scan(
        step,
        outputs_info=[pt.constant(0, dtype="int64"), pt.constant(0, dtype="int64"), generator()],
        n_steps=4,
        return_updates=False,
    )
    with pytest.raises(DerivationError, match="carries something else"):
        ppl.Model({ppl.Normal("y", total, 1.0): Y[:4]})


def test_casts_and_copies_are_seen_through() -> None:
    x = pt.lscalar("x")
    assert without_casts(pt.cast(pt.tensor_copy(x), "float64")) is x
    assert without_casts(kept := -x) is kept
