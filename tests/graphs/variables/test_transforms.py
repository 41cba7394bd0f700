"""The law of transforms: forward undoes backward, and the log-Jacobian is the one that autodiff gives.

Answers: the law of transforms (tests/laws), and SciPy's distributions.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from pymc.logprob.transforms import Transform

import ppl
from graphs.errors import DerivationError
from graphs.joint.logprob import logprob, unconstrain
from graphs.supports import UNIT
from graphs.surgery.interpreting import interpret
from graphs.variables.transforms import default_transform, transforms_of
from tests.laws.transforms import assert_is_transform

VARIABLES = {
    "log": lambda: ppl.HalfNormal("x", 1.5, size=3),
    "logodds": lambda: ppl.Beta("x", 2.0, 3.0, size=3),
    "interval": lambda: ppl.Uniform("x", -1.5, 2.5, size=3),
    "lower bound": lambda: ppl.Pareto("x", 2.0, 1.5, size=3),
    "simplex": lambda: ppl.Dirichlet("x", np.array([2.0, 3.0, 1.5, 2.5])),
    "ordered": lambda: ppl.Normal("x", 0, 1, size=4, transform="ordered"),
    "ordered and positive": lambda: ppl.HalfNormal("x", 1, size=4, transform="ordered"),
    "circular": lambda: ppl.VonMises("x", 0.3, 2.0, size=3),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_forward_undoes_backward_and_the_jacobian_is_that_of_autodiff(name):
    rv = VARIABLES[name]()
    declared = rv.tag.declaration.transform
    chosen = {} if isinstance(declared, str) else {"x": declared}
    transform = transforms_of({"x": rv}, chosen)["x"]
    size = 3 if name != "ordered" and "positive" not in name else 4
    assert_is_transform(rv, transform, np.array([0.3, -0.8, 0.5, 0.9])[:size])


def test_unconstrained_density_integrates_to_the_same_probability():
    """P(x < 0.4) of a beta variable, computed on the real line by quadrature."""
    from scipy import integrate, stats

    density = logprob(ppl.Model(ppl.Beta("x", 2.5, 1.5)), space="unconstrained")
    [value] = density.values.values()
    function = interpret([value], density.total)
    found, _ = integrate.quad(lambda v: np.exp(function(np.asarray(v))), -40, np.log(0.4 / 0.6))
    np.testing.assert_allclose(found, stats.beta.cdf(0.4, 2.5, 1.5), rtol=1e-8)
    assert density.logdensity.supports[value].lower == -np.inf
    assert logprob(ppl.Model(ppl.Beta("x", 2.5, 1.5))).supports["x"] == UNIT


def test_bounds_may_be_random():
    scale = ppl.HalfNormal("scale", 2.0)
    x = ppl.Uniform("x", 0.0, scale)
    natural = logprob(ppl.Model(x))
    moved = unconstrain(natural)
    function = interpret([moved.values["scale"], moved.values["x"]], [*moved.natural.values(), moved.total])
    *natural_values, total = function(0.3, -0.4)
    there = dict(zip(moved.natural, natural_values, strict=True))
    assert 0 < there["x"] < there["scale"]
    s, u = np.exp(0.3), 1 / (1 + np.exp(0.4))
    np.testing.assert_allclose(there["x"], s * u)
    from scipy import stats

    expected = stats.halfnorm.logpdf(s, scale=2) + 0.3 - np.log(s) + np.log(s * u * (1 - u))
    np.testing.assert_allclose(total, expected, rtol=1e-10)


def test_only_some_variables_can_be_moved():
    model = ppl.Model({ppl.Normal("y", ppl.HalfNormal("a", 1) + ppl.HalfNormal("b", 1), 1.0): 0.3})
    moved = unconstrain(logprob(model), ["a"])
    assert moved.values["b"].name == "b"
    assert moved.natural["b"] is moved.values["b"]
    assert moved.values["a"].name == "a_log__"


class Doubled(Transform):
    name = "doubled"

    def forward(self, value, *inputs):
        return 2 * value

    def backward(self, value, *inputs):
        return value / 2

    def log_jac_det(self, value, *inputs):
        return pt.full_like(value, -np.log(2))


def test_elementwise_transform_of_a_multivariate_variable_is_refused():
    x = ppl.MvNormal("x", np.zeros(2), np.eye(2), transform=Doubled())
    with pytest.raises(DerivationError, match="works element by element"):
        logprob(ppl.Model(x), space="unconstrained")


@pytest.mark.parametrize(
    "declare", [lambda: ppl.HurdleGamma("v", 0.6, 2.0, 1.0), lambda: ppl.HurdleLogNormal("v", 0.6)]
)
def test_a_hurdle_has_no_transform_and_nobody_is_warned(declare):
    assert default_transform(declare()) is None
