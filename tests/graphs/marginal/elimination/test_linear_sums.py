"""Sums of many discrete elements in any linear operation are taken apart.

Answers: a product in closed form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from graphs.joint.logprob import logprob

RNG = np.random.default_rng(3)
COUNT = 40
"""Elements: their joint states could never be enumerated."""
CHANCE = RNG.uniform(0.1, 0.9, COUNT)
WEIGHTS = RNG.normal(size=COUNT)
MATRIX = RNG.normal(size=(5, COUNT))
ROWS = RNG.normal(size=5)

CASES: dict[str, tuple[Any, np.ndarray, float]] = {
    # What is added to the log-density, what each element adds to it where it is one, and what is always there.
    "cumulative sum": (lambda z: (pt.cumsum(z * 0.3) * WEIGHTS).sum(), 0.3 * np.cumsum(WEIGHTS[::-1])[::-1], 0.0),
    "matrix times vector": (lambda z: (pt.dot(MATRIX, z * 1.0) * ROWS).sum(), MATRIX.T @ ROWS, 0.0),
    "vector times matrix": (lambda z: pt.dot(z * 1.0, MATRIX.T).sum(), MATRIX.sum(axis=0), 0.0),
    "twice": (lambda z: pt.cumsum(pt.dot(MATRIX, z * 0.4)).sum(), 0.4 * np.arange(5, 0, -1.0) @ MATRIX, 0.0),
    "a choice of sums": (
        lambda z: pt.switch(ppl.Normal("a", 0, 1) > 0, (z * WEIGHTS).sum(), pt.log(z + 1.0).sum()),
        WEIGHTS,
        0.0,
    ),
    "a sum that is not chosen": (
        # It is minus infinity for every state but one.
        lambda z: pt.switch(ppl.Normal("a", 0, 1) < 0, pt.log(1.0 - z).sum(), (z * WEIGHTS).sum()),
        WEIGHTS,
        0.0,
    ),
    "a sum beside a vector": (lambda z: ((z * WEIGHTS).sum() - ROWS).sum(), 5 * WEIGHTS, -ROWS.sum()),
}


@pytest.mark.parametrize("name", list(CASES))
def test_sum_is_the_product_of_its_elements(name: str) -> None:
    potential, weights, constant = CASES[name]
    z = ppl.Bernoulli("z", CHANCE)
    joint = logprob(ppl.Model(ppl.Potential("energy", potential(z))))
    assert "z" not in joint.values
    point = {v: np.asarray(0.7) for v in joint.values.values()}
    prior = sum(-0.5 * 0.7**2 - 0.5 * np.log(2 * np.pi) for _ in point)
    expected = constant + prior + np.log1p(CHANCE * np.expm1(weights)).sum()
    assert float(joint.total.eval(point)) == pytest.approx(float(expected), rel=1e-12)
