"""Gradients of sums in which some state is impossible: those of the explicit enumeration, and never NaN.

Answers: the enumeration, and central differences of the log-density.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors

import ppl
from graphs.bounds.guards import strip_guards
from graphs.conditional import find_conditional
from graphs.joint.logprob import logprob
from graphs.limits.masked_slopes import has_masked_slopes
from graphs.surgery.interpreting import interpret
from tests.laws.operations import differences
from tests.laws.sums import assert_is_marginal, evaluator

pytestmark = pytest.mark.filterwarnings("ignore::pymc.distributions.mixture.MixtureTransformWarning")

CURVES: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda z, p: p * z / (1 + z),
    "complement": lambda z, p: 1 - (1 - p) ** z,
    "geometric": lambda z, p: 1 - 1 / (1 + p * z),
    "negative binomial": lambda z, p: 1 - (2.5 / (2.5 + p * z)) ** 2.5,
    "hyperbolic": lambda z, p: pt.tanh(p * z),
    "power": lambda z, p: (z / 2.0) ** p,
    "root": lambda z, p: pt.sqrt(p * z / 2.0),
    "exponential": lambda z, p: pt.exp(-p / z),
    "error function": lambda z, p: pt.erf(p * z),
    "saturated": lambda z, p: pt.switch(pt.eq(z, 1), 1.0, 1 - p * z / 2.0),
}


@pytest.mark.parametrize("name", CURVES)
def test_states_that_the_data_exclude(name: str) -> None:
    p, z = ppl.Uniform("p", 0, 1), ppl.DiscreteUniform("z", 0, 2, size=3)
    model = ppl.Model({ppl.Bernoulli("y", CURVES[name](z, p)): np.array([0, 1, 1])})
    assert_is_marginal(model, {"p": 0.37})


CLOSED = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]])
CUTS = np.array([[0.0, np.inf, np.inf], [-1.0, 0.5, 1.5]])


def scores(theta: Any) -> Any:
    return pt.switch(CLOSED, -np.inf, theta * np.array([[0.3, 1.0, 2.0]]))


def masked_softmax(data: Any) -> Any:
    return ppl.Model({ppl.Categorical("g", pt.special.softmax(scores(ppl.Normal("x", 0, 1)), axis=-1)): data})


def grades(data: Any) -> Any:
    above = pt.sigmoid(ppl.Normal("x", 0, 2) - CUTS)
    one, zero = pt.ones((2, 1)), pt.zeros((2, 1))
    return ppl.Model({ppl.Categorical("g", pt.concatenate([one, above], -1) - pt.concatenate([above, zero], -1)): data})


def counts() -> Any:
    p = pt.special.softmax(scores(ppl.Normal("x", 0, 1)), axis=-1)
    return ppl.Model({ppl.Multinomial("g", n=[3, 3, 3], p=p): np.array([[1, 2, 0], [1, 2, 0], [2, 0, 1]])})


def left_to_right(steps: int) -> Any:
    """A chain whose impossible transitions depend on a parameter, and with emissions that are impossible."""
    x = ppl.Beta("x", 2, 2)
    rows = [pt.stack([1 - x, x, 0 * x]), pt.stack([0 * x, 1 - x, x]), pt.as_tensor([0.0, 0.0, 1.0])]
    s = ppl.MarkovChain("s", pt.stack(rows), [1.0, 0, 0], steps=steps)
    y = np.r_[np.zeros(steps // 2), np.ones(steps - steps // 2)].astype(int)
    return ppl.Model({ppl.Bernoulli("y", 1 - 1 / (1 + s * x)): y})


def components_off_the_support() -> Any:
    x = ppl.HalfNormal("x", 1)
    parts = [pm.Gamma.dist(x, 1, shape=3), pm.Normal.dist(0, x, shape=3)]
    return ppl.Model({ppl.Mixture("y", w=[0.3, 0.7], comp_dists=parts): np.array([-1.0, 0.0, 2.0])})


MODELS = {
    "softmax": lambda: masked_softmax(np.array([1, 0, 2])),
    "softmax with missing": lambda: masked_softmax(np.array([1, np.nan, np.nan])),
    "grades": lambda: grades(np.array([0, 2])),
    "grades with missing": lambda: grades(np.array([np.nan, 2])),
    "counts": counts,
    "short chain": lambda: left_to_right(4),
    "long chain": lambda: left_to_right(30),
    "mixture": components_off_the_support,
}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_central_differences(name: str) -> None:
    function = evaluator(logprob(MODELS[name]()), with_gradient=True)
    value, gradient = function({"x": np.float64(0.37)})
    assert np.isfinite(value)
    expected = differences(lambda **at: function(at)[0], {"x": 0.37}, "x")
    np.testing.assert_allclose(gradient["x"], expected, rtol=1e-6)


def test_expectations_and_rows_have_no_nan() -> None:
    model = MODELS["softmax with missing"]()
    mode = ppl.sample(model, draws=60, tune=60, chains=1, seed=2, progress=False)
    rows = ppl.log_likelihood(model, mode)["log_likelihood"]
    assert all(np.isfinite(v.values).all() for v in rows.data_vars.values())


def test_jax_takes_the_same_gradient() -> None:
    jax = pytest.importorskip("jax")
    from graphs.backends.jax.lowering import jax_callable

    p, z = ppl.Uniform("p", 0, 1), ppl.DiscreteUniform("z", 0, 2, size=3)
    summed = logprob(ppl.Model({ppl.Bernoulli("y", CURVES["geometric"](z, p)): np.array([0, 1, 1])}))
    function = jax_callable(list(summed.values.values()), [summed.total])
    _, expected = evaluator(summed, with_gradient=True)({"p": 0.37})
    np.testing.assert_allclose(jax.grad(lambda x: function(x)[0])(0.37), expected["p"], rtol=1e-12)


def test_masks_are_gone_once_a_graph_is_rewritten() -> None:
    p, z = ppl.Uniform("p", 0, 1), ppl.Bernoulli("z", 0.3, size=3)
    summed = logprob(ppl.Model({ppl.Bernoulli("y", p * z): np.array([0, 1, 1])}))
    assert has_masked_slopes([summed.total])
    inputs = list(summed.values.values())
    compiled = interpret(inputs, pytensor.grad(summed.total, inputs))
    assert not has_masked_slopes(compiled.maker.fgraph.outputs)


def test_laws_of_models_without_impossible_values_hold_no_masks():
    scale = pm.HalfNormal.dist(1.0)
    scale.name = "scale"
    mean = pm.Normal.dist(0.0, 1.0, size=3)
    mean.name = "mean"
    found = logprob({pm.Normal.dist(mean[np.array([0, 1, 2, 0])], scale): np.arange(4.0)})
    law, why = find_conditional(found.logdensity, found.values["mean"])
    assert law is not None, why
    assert not has_masked_slopes(strip_guards([found.total], found.logdensity.supports))
    applied = [v.owner for v in ancestors([law.logprob(found.values["mean"])]) if v.owner]
    assert not [node for node in applied if isinstance(getattr(node.op, "scalar_op", None), ps.IsNan)]
