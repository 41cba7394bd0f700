"""Terms are rewritten so that values and gradients are right where parts of them overflow or underflow.

Answers: logarithms by hand, and mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.variable import TensorVariable

import ppl
from graphs.joint.logprob import logprob
from graphs.limits.stable_logits import stabilized
from graphs.surgery.interpreting import INTERPRETED

WEIGHTS = np.array([0.3, 40.0, 900.0])
ROOTS: dict[str, Callable[[TensorVariable], TensorVariable]] = {
    "product": lambda x: pt.sqrt(2.0 * x * pt.exp(-WEIGHTS * x**2)),
    "nested product": lambda x: pt.sqrt((x * pt.exp(-0.5 * WEIGHTS * x**2)) * (2.0 * pt.exp(-0.5 * WEIGHTS * x**2))),
    "more axes": lambda x: pt.sqrt(2.0 * x * pt.exp(-WEIGHTS * x**2)[None, :])[0],
    "power": lambda x: (2.0 * x * pt.exp(-WEIGHTS * x**2)) ** 0.5,
    "exponential alone": lambda x: pt.sqrt(2.0 * x) * pt.sqrt(pt.exp(-WEIGHTS * x**2)),
}


@pytest.mark.parametrize("name", ROOTS)
def test_root_of_exponential(name: str) -> None:
    """Against the logarithm by hand: log f = log(2 x) / 2 - w x^2 / 2, and f' = f (1 / (2 x) - w x)."""
    x = pt.dscalar("x")
    [root] = stabilized([ROOTS[name](x)])
    jacobian = pt.stack([pytensor.grad(root[i], x) for i in range(WEIGHTS.size)])
    evaluate = pytensor.function([x], [root, jacobian])
    for point in (1e-3, 0.7, 1.3, 5.0, 40.0):
        value = np.exp(0.5 * np.log(2.0 * point) - 0.5 * WEIGHTS * point**2)
        slope = value * (0.5 / point - WEIGHTS * point)
        found = evaluate(point)
        np.testing.assert_allclose(found[0], value, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(found[1], slope, rtol=1e-10, atol=1e-300)


def test_what_has_no_exponential_stays() -> None:
    x = pt.dvector("x")
    root = pt.sqrt(x * pt.sin(x)[None, :])
    assert stabilized([root]) == [root]


def test_spectral_density_of_a_smooth_process() -> None:
    """A length scale at which its upper half underflows, as in basis functions of Gaussian processes (HSGP)."""
    frequencies = np.arange(1, 41)
    scale, raw = ppl.HalfNormal("scale", 1.0), ppl.Normal("raw", 0.0, 1.0, size=40)
    weights = pt.sqrt(scale * np.sqrt(2 * np.pi) * pt.exp(-0.5 * scale**2 * frequencies**2))
    y = ppl.Normal("y", np.cos(np.outer(np.linspace(0, 1, 9), frequencies)) @ (weights * raw), 1.0)
    trace = ppl.sample(ppl.Model({y: np.zeros(9)}), 200, 200, 2, seed=1, sampler="nuts", progress=False)
    assert np.isfinite(trace.sample_stats["lp"]).all()
    assert "num_without_gradient" not in trace.attrs


SATURATED: dict[str, Callable[[Any], Any]] = {
    "stack": lambda x: pt.stack([1 - pt.sigmoid(x), pt.sigmoid(x)]),
    "concatenation": lambda x: pt.concatenate([(1 - pt.sigmoid(x))[None], pt.sigmoid(x)[None]]),
    "stack of columns": lambda x: pt.stack([1 - pt.sigmoid(pt.stack([x])), pt.sigmoid(pt.stack([x]))], axis=1)[0],
    "transposed": lambda x: pt.stack([1 - pt.sigmoid(pt.stack([x, x])), pt.sigmoid(pt.stack([x, x]))]).T[1],
    "reshaped": lambda x: pt.sigmoid(pt.stack([-x, x])).reshape((2, 1)).reshape((2,)),
    "indexed": lambda x: pt.sigmoid(pt.stack([x, -x]))[np.array([1, 0])],
    "switch": lambda x: pt.switch(np.array([True, False]), pt.sigmoid(-x), pt.sigmoid(x)),
    "softmax": lambda x: pt.special.softmax(pt.stack([pt.zeros(()), x])),
}
"""Probabilities of 0 and 1 whose log-odds are x."""


@pytest.mark.parametrize("point", [0.7, 40.0, 100.0, 800.0])
@pytest.mark.parametrize("form", SATURATED)
def test_saturated_probabilities(form: str, point: float) -> None:
    """The logarithm of the chance of 0 is -log(1 + e^x), its slope minus the chance of 1."""
    mpmath = pytest.importorskip("mpmath")
    x = ppl.Normal("x", 0.0, 1.0)
    term = logprob(ppl.Model({ppl.Categorical("y", SATURATED[form](x)): 0}))
    graph = term.terms["y"].sum()
    value = term.values["x"]
    found = pytensor.function([value], [graph, pytensor.grad(graph, value)], mode=INTERPRETED)(point)
    with mpmath.workdps(400):
        expected = [float(-mpmath.log1p(mpmath.exp(point))), float(-1 / (1 + mpmath.exp(-point)))]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_saturated_weights_of_a_state_that_is_summed_out() -> None:
    x = ppl.Normal("x", 0.0, 1.0)
    z = ppl.Categorical("z", SATURATED["stack"](x))
    term = logprob(ppl.Model({ppl.Bernoulli("y", pt.constant([1.0, 0.0])[z]): 1}))
    [graph] = [t.sum() for name, t in term.terms.items() if name != "x"]
    value = term.values["x"]
    found = pytensor.function([value], [graph, pytensor.grad(graph, value)], mode=INTERPRETED)
    for point in (40.0, 100.0, 800.0):
        np.testing.assert_allclose(found(point), [-point, -1.0], rtol=1e-12)


@pytest.mark.parametrize("point", [0.7, 40.0, 800.0, -40.0, -800.0])
def test_category_beside_one_that_has_no_chance(point: float) -> None:
    """The chance of the last category is 1 / (1 + e^(x + 1)), whatever becomes of the one in the middle."""
    mpmath = pytest.importorskip("mpmath")
    x = ppl.Normal("x", 0.0, 1.0)
    chances = pt.stack([pt.sigmoid(x - 1), pt.sigmoid(x + 1) - pt.sigmoid(x - 1), 1 - pt.sigmoid(x + 1)])
    term = logprob(ppl.Model({ppl.Categorical("y", chances): 2}))
    graph, value = term.terms["y"].sum(), term.values["x"]
    found = pytensor.function([value], [graph, pytensor.grad(graph, value)], mode=INTERPRETED)(point)
    with mpmath.workdps(400):
        expected = [float(-mpmath.log1p(mpmath.exp(point + 1))), float(-1 / (1 + mpmath.exp(-point - 1)))]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("power", "value", "slopes"),
    [
        (lambda t, scale, shape: (t / scale) ** shape, lambda t, scale, shape: (t / scale) ** shape, 2),
        (
            lambda t, scale, shape: (2.0 * t[:, None] / scale) ** shape,
            lambda t, scale, shape: (2 * t / scale) ** shape,
            2,
        ),
        (lambda t, scale, shape: pt.sqrt(scale * t) + 0 * shape, lambda t, scale, shape: (scale * t) ** 0.5, 1),
        (lambda t, scale, shape: (t * scale) ** 0.3 + 0 * shape, lambda t, scale, shape: (scale * t) ** 0.3, 1),
        (lambda t, scale, shape: (t * (t + 1) * scale) ** 0.3, lambda t, scale, shape: (scale * t * (t + 1)) ** 0.3, 1),
    ],
)
def test_powers_of_zeros_among_data_have_no_slopes(power, value, slopes):
    """At zero the power is zero, whatever scale and shape: the slopes are those of the other elements."""
    times, at = np.array([0.0, 0.5, 2.0, 0.0]), (1.7, 0.6)
    scale, shape = pt.dscalars("scale", "shape")
    [total] = stabilized([power(pt.constant(times), scale, shape).sum()])
    gradient = pytensor.grad(total, [scale, shape], disconnected_inputs="ignore")
    found = [float(each.eval({scale: at[0], shape: at[1]}, on_unused_input="ignore")) for each in [total, *gradient]]
    assert found[0] == pytest.approx(float(value(times, *at).sum()), rel=1e-12)
    step = 1e-6
    for place in range(slopes):
        up, down = ([*at], [*at])
        up[place] += step
        down[place] -= step
        expected = (value(times[1:3], *up) - value(times[1:3], *down)).sum() / (2 * step)
        assert found[1 + place] == pytest.approx(expected, rel=1e-8)
