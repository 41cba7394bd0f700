"""Draws of laws as numbers: closed forms, and errors that say what to give.

Answers: closed forms by conjugacy, by SciPy.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
from graphs.errors import ModelError


@pytest.fixture
def gamma():
    """Gamma(2 + 4, 3 + 4) by conjugacy: four counts that sum to four."""
    joint = graphs.logprob(ppl.Model({ppl.Poisson("y", ppl.Gamma("a", 2, 3), size=4): [1, 0, 2, 1]}))
    return graphs.conditional(joint.logdensity, joint.values["a"])


@pytest.fixture
def normal():
    """Given the scale s: precision 1 + 2 / s^2, mean 3 / s^2 over that."""
    s = ppl.HalfNormal("s", 1)
    joint = graphs.logprob(ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), s, size=2): [1.0, 2.0]}))
    return graphs.conditional(joint.logdensity, joint.values["m"])


def test_draws_follow_the_closed_form(gamma):
    rng = np.random.default_rng(1)
    draws = [float(gamma.draw(rng)) for _ in range(200)]
    assert len(set(draws)) == 200
    # One false alarm in a thousand.
    assert stats.kstest(draws, stats.gamma(6, scale=1 / 7).cdf).pvalue > 1e-3
    np.testing.assert_allclose(gamma.logprob(1.0).eval(), stats.gamma(6, scale=1 / 7).logpdf(1.0))


def test_equal_generators_give_equal_draws(gamma):
    assert gamma.draw(np.random.default_rng(2)) == gamma.draw(np.random.default_rng(2))


def test_draws_depend_on_the_values_given(normal):
    rng = np.random.default_rng(3)
    draws = [float(normal.draw(rng, {"s": 0.5})) for _ in range(200)]
    assert stats.kstest(draws, stats.norm(12 / 9, 1 / 3).cdf).pvalue > 1e-3


def test_what_is_missing_is_named(normal, gamma):
    rng = np.random.default_rng(4)
    for values in (None, {"t": 1.0}, {"s": 1.0, "t": 1.0}):
        with pytest.raises(ModelError, match=r'The law of m depends on s; .*law.draw\(rng, \{"s": ...\}\)'):
            normal.draw(rng, values)
    with pytest.raises(ModelError, match=r"The value of s has shape \(2,\); its shape is \(\)"):
        normal.draw(rng, {"s": [1.0, 2.0]})
    with pytest.raises(ModelError, match="The value of s is 'x'; numbers are needed"):
        normal.draw(rng, {"s": "x"})
    with pytest.raises(ModelError, match="depends on no other variable; values were given of s"):
        gamma.draw(rng, {"s": 1.0})
    for wrong in (1, None, np.random.RandomState(1), pt.scalar("x")):
        with pytest.raises(ModelError, match=r"draws numbers with a numpy.random.Generator"):
            gamma.draw(wrong)


def test_a_generator_in_a_graph_gives_a_graph(gamma):
    next_rng, draw = gamma.draw(pt.random.rng())
    assert next_rng.type == pt.random.rng().type
    assert draw.type.shape == ()
