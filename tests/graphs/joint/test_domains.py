"""Parameters that a distribution does not admit are refused when the model is planned, by the name of the variable.

Answers: the domains of the parameters.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

import ppl
from graphs.errors import ModelError

NORMAL, HALF = pm.Normal.dist(0, 1), pm.HalfNormal.dist(1, shape=2)
ZERO, ONE = np.zeros(2), np.eye(2)
BAD = {
    "eta > 0; there is -1.0": lambda: ppl.LKJCorr("x", n=2, eta=-1.0),
    "eta > 0; that": lambda: ppl.LKJCholeskyCov("x", n=2, eta=0.0, sd_dist=HALF),
    "sigma > 0; that": lambda: ppl.ZeroSumNormal("x", -1, shape=3),
    "sigma > 0; there is -2.0": lambda: ppl.Truncated("x", pm.Normal.dist(0, -2.0), lower=0),
    "alpha > 0, beta > 0; there is -2": lambda: ppl.Truncated("x", pm.Gamma.dist(-2, 1), lower=1),
    "sigma > 0; there is -1.0": lambda: ppl.GaussianRandomWalk("x", 0, -1.0, init_dist=NORMAL, steps=3),
    "sigma > 0; there is 0.0": lambda: ppl.AR("x", [0.5], sigma=0.0, init_dist=NORMAL, steps=4),
    "0 <= psi <= 1": lambda: ppl.HurdlePoisson("x", psi=2, mu=1),
    "sum.weights. == 1; there is -0.5": lambda: ppl.ZeroInflatedPoisson("x", psi=-0.5, mu=1),
    "rowcov is positive definite": lambda: ppl.MatrixNormal("x", mu=np.zeros((2, 2)), rowcov=-ONE, colcov=ONE),
    "colcov is positive definite": lambda: ppl.MatrixNormal("x", mu=np.zeros((2, 2)), rowcov=ONE, colcov=1 - ONE),
    "lower <= c <= upper; there is 3": lambda: ppl.Triangular("x", lower=0, c=3, upper=1),
}


@pytest.mark.parametrize("condition", BAD)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_distribution_does_not_admit_is_refused(condition):
    x = BAD[condition]()
    model = ppl.Model({ppl.Normal("y", x.sum(), 1): 0.3})
    with pytest.raises(ModelError, match=f"parameters of x have to satisfy .*{condition}") as raised:
        ppl.plan(model)
    assert raised.value.variable == "x"


def test_of_an_observed_variable_in_a_loop():
    mu = ppl.Normal("mu", 0, 1)
    scales = [1.0, 2.0, -3.0, 1.0]
    model = ppl.Model({ppl.Normal(f"y{i}", mu, scale): 0.0 for i, scale in enumerate(scales)})
    with pytest.raises(ModelError, match=r"of y2 have to satisfy sigma > 0; there is -3.0"):
        ppl.plan(model)


def test_parameters_that_are_sampled_are_not_judged():
    """What a variable may be under its prior is none of this."""
    scale = ppl.Normal("scale", 1, 0.1)
    ppl.plan(ppl.Model({ppl.Normal("y", 0, scale): 0.3}))
    z = ppl.ZeroSumNormal("z", scale, shape=3)
    ppl.plan(ppl.Model({ppl.Normal("y", z.sum(), 1): 0.3}), sampler="nuts")
