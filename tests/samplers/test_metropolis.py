"""Proposals are accepted as often as their ratio says, by the binomial distribution.

Answers: the binomial distribution, by SciPy.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from scipy import stats

from graphs.surgery.interpreting import interpret
from samplers.metropolis import decide

COUNT = 100_000
FALSE_ALARM = 1e-4


def test_proposals_are_accepted_as_often_as_their_ratio_says() -> None:
    rng, ratios = pt.random.rng("rng"), pt.tensor("ratios", dtype="float64", shape=(6, COUNT))
    decision = decide(rng, ratios)
    given = np.array([-np.inf, np.nan, np.log(0.02), np.log(0.7), 0.0, 3.0])
    evaluate = interpret([rng, ratios], [decision.is_accepted, decision.acceptance_rate])
    is_accepted, rate = evaluate(np.random.default_rng(1), np.repeat(given[:, None], COUNT, axis=1))
    expected = np.array([0.0, 0.0, 0.02, 0.7, 1.0, 1.0])
    np.testing.assert_allclose(rate, np.repeat(expected[:, None], COUNT, axis=1), rtol=1e-14)
    low, high = stats.binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], COUNT, expected[:, None]).T
    accepted = is_accepted.sum(axis=1)
    assert (low <= accepted).all()
    assert (accepted <= high).all()


def test_one_decision_is_for_all_axes_after_its_own() -> None:
    rng = pt.random.rng("rng")
    decision = decide(rng, pt.constant(np.array([-np.inf, 1.0])))
    new, old = pt.ones((2, 3)), pt.zeros((2, 3))
    [chosen] = interpret([rng], [decision.choose(new, old)])(np.random.default_rng(1))
    np.testing.assert_array_equal(chosen, [[0.0] * 3, [1.0] * 3])
