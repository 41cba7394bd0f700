"""Which priors tie many elements of a variable to each other: walks do, effects and their pairs do not.

Answers: written beside each prior.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest

import graphs
import ppl
from graphs.integral import is_tied_by_prior

COUNT = 60
START = pm.Normal.dist(0.0, 1.0)


@pytest.mark.parametrize(
    ("declare", "is_tied"),
    [
        (lambda q: ppl.GaussianRandomWalk("x", sigma=q, init_dist=START, steps=COUNT - 1), True),
        (lambda q: ppl.AR("x", [0.7], sigma=q, init_dist=START, steps=COUNT - 1), True),
        (lambda q: ppl.Normal("x", 0.3, q, size=COUNT), False),
        (lambda q: ppl.MvNormal("x", [0.0, 0.0], q * np.eye(2), size=COUNT // 2), False),
    ],
    ids=["walk", "autoregression", "effects", "pairs"],
)
def test_which_are_tied(declare: Any, is_tied: bool) -> None:
    x = declare(ppl.HalfNormal("q", 2.0))
    shape = (COUNT,) if x.type.ndim == 1 else (COUNT // 2, 2)
    joint = graphs.logprob(ppl.Model({ppl.Normal("y", x, 0.5): np.zeros(shape)}))
    assert is_tied_by_prior(joint, "x") is is_tied
    assert not is_tied_by_prior(joint, "q")
