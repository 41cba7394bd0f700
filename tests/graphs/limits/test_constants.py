"""Constant parts of log-densities are those of the same numbers as inputs, or of parameters that are latent.

Answers: SciPy's densities, and the same graphs with inputs in the place of constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import toposort
from scipy import stats

import graphs
import ppl
from graphs.backends import get_backend
from graphs.limits.constants import folded
from graphs.surgery.interpreting import INTERPRETED

FAR = np.array([-3.0, -9.0, -30.0])
LOGITS = np.array([40.0, 800.0])

OBSERVED: dict[str, tuple[Callable[[], Any], Any, float]] = {
    "skew normal": (
        lambda: ppl.SkewNormal("y", mu=0.0, sigma=1.0, alpha=5.0),
        FAR,
        float(np.sum(np.log(2) + stats.norm.logpdf(FAR) + stats.norm.logcdf(5 * FAR))),
    ),
    "skew normal scalar": (
        lambda: ppl.SkewNormal("y", mu=0.0, sigma=1.0, alpha=5.0),
        -9.0,
        float(np.log(2) + stats.norm.logpdf(-9.0) + stats.norm.logcdf(-45.0)),
    ),
    "logits": (lambda: ppl.Bernoulli("y", p=pt.sigmoid(LOGITS)), [0, 0], -840.0),
    "one logit": (lambda: ppl.Bernoulli("y", p=pt.sigmoid(40.0)), 0, -40.0),
    "probits": (
        lambda: ppl.Bernoulli("y", p=0.5 * pt.erfc(LOGITS / np.sqrt(2.0))),
        [1, 1],
        float(stats.norm.logcdf(-LOGITS).sum()),
    ),
    "complementary log-log": (lambda: ppl.Bernoulli("y", p=1 - pt.exp(-pt.exp(-LOGITS))), [1, 1], -840.0),
    "shares": (lambda: ppl.Categorical("y", p=pt.special.softmax([0.0, -800.0])), 1, -800.0),
    "trials": (lambda: ppl.Geometric("y", p=pt.sigmoid(-LOGITS)), [2, 2], -840.0),
    "products": (lambda: ppl.Poisson("y", mu=pt.exp(-LOGITS)), [1, 1], -840.0 - float(np.exp(-40.0))),
}


@pytest.mark.parametrize("name", OBSERVED)
def test_known_parameters(name: str) -> None:
    declare, data, truth = OBSERVED[name]
    total = graphs.logprob(ppl.Model({declare(): np.asarray(data)})).total
    [found] = get_backend("c").function([], [total])()
    np.testing.assert_allclose(found, truth, rtol=1e-12)


def test_states_are_constants_too() -> None:
    """The sum over z of a skew-normal density of which every parameter is known but z."""
    z = ppl.Bernoulli("z", 0.5)
    model = ppl.Model({ppl.SkewNormal("y", mu=z, sigma=1.0, alpha=5.0): FAR})
    truth = np.logaddexp.reduce(
        [
            np.log(0.5) + np.sum(np.log(2) + stats.norm.logpdf(FAR - m) + stats.norm.logcdf(5 * (FAR - m)))
            for m in (0, 1)
        ]
    )
    [found] = get_backend("c").function([], [graphs.logprob(model).total])()
    np.testing.assert_allclose(found, truth, rtol=1e-12)


GRAPHS: dict[str, tuple[Callable[[Any], Any], Any, Callable[[Any], Any]]] = {
    "one plus erf": (lambda x: pt.log(1 + pt.erf(x)), FAR, lambda x: np.log(2) + stats.norm.logcdf(np.sqrt(2) * x)),
    "erfc": (lambda x: pt.log(pt.erfc(x)), -FAR, lambda x: np.log(2) + stats.norm.logcdf(-np.sqrt(2) * x)),
    "difference of exponentials": (lambda x: pt.log(1 - pt.exp(-pt.exp(-x))), LOGITS, lambda x: -x),
    "softplus": (lambda x: pt.log(pt.log1p(pt.exp(-x))), LOGITS[:1], lambda x: -x),
    "upper gamma": (
        lambda x: pt.log(pt.gammaincc(1.0, x)),
        LOGITS,
        lambda x: -x,
    ),
    "sum of exponentials": (lambda x: pt.log(pt.sum(pt.exp(-x))), LOGITS + 800.0, lambda x: -840.0),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_parts_beside_inputs(name: str) -> None:
    """Times an input: the part is constant, the whole is not."""
    make, numbers, exact = GRAPHS[name]
    scale = pt.dscalar("scale")
    [whole] = folded([pt.sum(make(pt.constant(numbers)) * scale)])
    found = pytensor.function([scale], [whole], mode=INTERPRETED)(2.0)
    np.testing.assert_allclose(found, [2.0 * np.sum(exact(numbers))], rtol=1e-9)


def smoothed(data: np.ndarray) -> ppl.Model:
    """Exponential smoothing, every outcome by itself."""
    weight, scale, level = ppl.Beta("weight", 2, 2), ppl.HalfNormal("scale", 1), 0.0
    outcomes = {}
    for step, value in enumerate(data):
        outcomes[ppl.Normal(f"y{step}", level, scale)] = value
        level = weight * value + (1 - weight) * level
    return ppl.Model(outcomes)


def test_steps_of_a_recursion_are_copied_for_no_outcome() -> None:
    """The graph grows by as much from 20 steps to 40 as twice from 10 to 20; copies grow with the square."""
    data = np.random.default_rng(1).normal(size=40).cumsum()
    logprobs = {count: graphs.logprob(smoothed(data[:count]), space="unconstrained") for count in (10, 20, 40)}
    sizes = {count: sum(1 for _ in toposort([found.total])) for count, found in logprobs.items()}
    assert sizes[40] - sizes[20] == 2 * (sizes[20] - sizes[10])
    found = logprobs[40]
    density = get_backend("numba").function(list(found.values.values()), [found.total])
    weight, scale = 0.3, 0.8
    value = density(np.log(weight / (1 - weight)), np.log(scale))[0]
    levels = [0.0]
    for outcome in data[:-1]:
        levels.append(weight * outcome + (1 - weight) * levels[-1])
    expected = stats.norm.logpdf(data, levels, scale).sum()
    expected += stats.beta.logpdf(weight, 2, 2) + np.log(weight * (1 - weight))
    expected += stats.halfnorm.logpdf(scale) + np.log(scale)
    assert value == pytest.approx(expected, rel=1e-10)
