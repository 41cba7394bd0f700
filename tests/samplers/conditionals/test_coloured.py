"""Discrete arrays whose elements depend on each other are drawn from their exact full conditionals, in groups.

Answers: differences of the joint log-probability, and the enumeration.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy.special import log_softmax

import ppl
from graphs.joint.joint_logprob import states_of
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from samplers.conditionals.coloured import find_groups, logits_of_group

RNG = np.random.default_rng(5)


def ising():
    k = ppl.Bernoulli("k", 0.4, size=(2, 3))
    s = 2 * k - 1
    energy = 0.45 * ((s[1:] * s[:-1]).sum() + (s[:, 1:] * s[:, :-1]).sum())
    return ppl.Model({ppl.Normal("y", k * 1.3, 1.2): RNG.normal(size=(2, 3))}, ppl.Potential("E", energy)), 2


def chain():
    table = RNG.dirichlet(np.ones(3), size=3)
    k = ppl.MarkovChain("k", table, [0.2, 0.5, 0.3], steps=5)
    return ppl.Model({ppl.Normal("y", k * 0.7, 1.2): RNG.normal(size=5)}), 2


def total():
    """Every element depends on every other one."""
    k = ppl.DiscreteUniform("k", -1, 2, size=4)
    return ppl.Model({ppl.Normal("y", (k * np.array([1.3, 0.7, -0.4, 2.2])).sum() ** 2, 1.2): 3.0}), 4


def counted():
    """How often each place is hit: an operation that is not evaluated at all states at once."""
    k = ppl.Categorical("k", [0.2, 0.5, 0.3], size=4)
    hits = pt.inc_subtensor(pt.zeros(3)[k], 1.0)
    return ppl.Model({ppl.Normal("y", hits, 1.2): RNG.normal(size=3)}), 4


@pytest.mark.parametrize("case", [ising, chain, total, counted], ids=lambda c: c.__name__)
def test_groups_are_drawn_from_the_exact_full_conditional(case):
    model, num_groups = case()
    joint = logprob(model, marginalize=False)
    value, states = joint.values["k"], states_of(joint, "k")
    terms = list(joint.terms.values())
    groups = find_groups(terms, value, states)
    assert len(groups) == num_groups
    assert sorted(np.concatenate(groups)) == list(range(value.type.shape[0] * int(np.prod(value.type.shape[1:]))))
    evaluate = interpret([value], joint.total)
    current = RNG.choice(states, size=value.type.shape)
    for group in groups:
        logits = interpret([value], logits_of_group(terms, value, value, states, group))(current)
        for column, place in enumerate(group):
            changed = [current.copy() for _ in states]
            for array, state in zip(changed, states, strict=True):
                array.ravel()[place] = state
            expected = log_softmax([float(evaluate(array)) for array in changed])
            # No Monte Carlo: both are sums of the same few terms.
            np.testing.assert_allclose(log_softmax(logits[:, column]), expected, rtol=1e-9, atol=1e-12)


def test_an_array_too_large_to_sum_is_drawn_in_two_groups():
    k = ppl.Bernoulli("k", 0.4, size=(30, 30))
    s = 2 * k - 1
    energy = 0.2 * ((s[1:] * s[:-1]).sum() + (s[:, 1:] * s[:, :-1]).sum())
    z = ppl.Bernoulli("z", 0.3, size=4)
    y = ppl.Normal("y", pt.constant(np.array([0.0, 1.0]))[z], 1.0)
    plan = ppl.plan(ppl.Model({y: RNG.normal(size=4)}, ppl.Potential("E", energy)))
    assert (plan.method_of("k"), plan.method_of("z")) == ("gibbs", "marginalize")
    assert "2 groups of elements in turn" in str(plan)


def test_counts_that_add_up_are_never_moved_one_by_one():
    votes = ppl.Multinomial("votes", 40, [0.1, 0.2, 0.3, 0.2, 0.1, 0.1])
    model = ppl.Model({ppl.Normal("y", votes[0] * 1.0, 1.0): 0.3})
    with pytest.raises(ppl.DerivationError, match=r"votes was not summed out.*Raise max_states.*Categorical"):
        ppl.plan(model)
