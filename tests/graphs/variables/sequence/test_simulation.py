"""Markov chains drawn forward by the recursion have the joint distribution of their definition.

Answers: sums over all paths, and SciPy's tests.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.backends import get_backend
from graphs.joint.drawing import with_draws

RNG = np.random.default_rng(5)


def table(*shape):
    weights = RNG.gamma(1.0, size=shape)
    return weights / weights.sum(axis=-1, keepdims=True)


TWO = table(2, 2, 2)
START = table(4).reshape(2, 2)
CASES = {
    "one lag": (table(3, 3), table(3), {"steps": 4}),
    "two lags": (TWO, START, {"steps": 5, "lags": 2}),
    "time varying": (table(3, 3, 3), table(3), {"steps": 4, "time_varying": True}),
    "time varying, two lags": (table(2, 2, 2, 2), START, {"steps": 4, "lags": 2, "time_varying": True}),
    "impossible transitions": (np.array([[0.0, 1, 0], [0.5, 0, 0.5], [0.2, 0.8, 0]]), table(3), {"steps": 4}),
    "batch of tables": (table(2, 3, 3), table(3), {"steps": 3}),
    "batch of starts": (table(3, 3), table(2, 3), {"steps": 3}),
}


def probability(path, transition, initial, lags=1, time_varying=False, **_):
    total = initial[tuple(path[:lags])]
    for t in range(lags, len(path)):
        now = transition[t - lags] if time_varying else transition
        total = total * now[tuple(path[t - lags : t + 1])]
    return total


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
@pytest.mark.parametrize("name", CASES)
def test_joint_distribution(name, backend):
    transition, initial, options = CASES[name]
    chain = ppl.MarkovChain("s", transition, initial, **options)
    count = 4000 if backend != "c" else 1500
    rng, number = pt.random.rng("rng"), pt.dscalar("number")
    function = get_backend(backend).map([number], with_draws([chain], rng), rng=rng)
    [paths] = function(np.random.default_rng(3), np.zeros(count))
    states, steps = transition.shape[-1], options["steps"]
    everything = list(itertools.product(range(states), repeat=steps))
    for series in range(2 if name.startswith("batch") else 1):
        own = paths[:, series] if name.startswith("batch") else paths
        p = transition[series] if name == "batch of tables" else transition
        start = initial[series] if name == "batch of starts" else initial
        expected = np.array([probability(path, p, start, **options) for path in everything])
        np.testing.assert_allclose(expected.sum(), 1)
        numbers = own @ (states ** np.arange(steps)[::-1])
        observed = np.bincount(numbers, minlength=len(everything))
        assert observed[expected == 0].sum() == 0
        # Rare paths are taken together.
        is_common = expected * count > 5
        seen = [*observed[is_common], observed[~is_common].sum()]
        due = [*expected[is_common], expected[~is_common].sum()]
        keep = np.array(due) * count > 1e-9
        result = stats.chisquare(np.array(seen)[keep], np.array(due)[keep] * count)
        assert result.pvalue > 1e-4
