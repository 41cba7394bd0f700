"""Effects with normal priors of their own and a walk, which has none element by element, are integrated out together.

Answers: the density of the data as one normal vector, by SciPy.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy.stats import multivariate_normal

import graphs
import ppl
from graphs.integral import find_step, with_step

SIZE = 30


@pytest.mark.parametrize("names", [("b", "x"), ("x", "b")])
def test_a_walk_beside_effects(names: tuple[str, str]) -> None:
    rng = np.random.default_rng(0)
    design, data = rng.normal(size=(SIZE, 20)), rng.normal(size=SIZE)
    b, w = ppl.Normal("b", 0.0, 1.0, size=20), ppl.HalfNormal("w", 1.0)
    x = ppl.GaussianRandomWalk("x", 0.0, w, init_dist=pm.Normal.dist(0.0, 1.0), steps=SIZE - 1)
    y = ppl.Normal("y", design @ b + x, ppl.HalfNormal("s", 1.0), size=SIZE)
    joint = graphs.logprob(ppl.Model({y: data}), marginalize=False)
    left = with_step(joint, find_step(joint, names))
    at = {"w": 0.7, "s": 0.4}
    found = left.total.eval({left.values[n]: v for n, v in at.items()})
    steps = np.arange(SIZE)
    covariance = (
        design @ design.T + 1.0 + at["w"] ** 2 * np.minimum(steps[:, None], steps) + at["s"] ** 2 * np.eye(SIZE)
    )
    priors = sum(np.log(2.0 / np.sqrt(2.0 * np.pi)) - 0.5 * v**2 for v in at.values())
    assert found == pytest.approx(multivariate_normal(np.zeros(SIZE), covariance).logpdf(data) + priors, rel=1e-10)
