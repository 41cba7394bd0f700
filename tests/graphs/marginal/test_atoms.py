"""Mixtures of mass and density: at an atom only what has mass there counts; closed forms by SciPy.

Answers: closed forms by SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.errors import DerivationError
from graphs.joint.logprob import logprob
from tests.laws.sums import evaluator

pytestmark = pytest.mark.filterwarnings("ignore::pymc.distributions.mixture.MixtureTransformWarning")

Y = np.array([0.0, 0.5, 0.0, 2.0, 1.0])
N = len(Y)
OFF = np.where(Y == 0, 0.5, Y)
"""The data, something else in place of zeros."""
Density = Callable[[Any, float], Any]

FAMILIES: dict[str, tuple[Callable[[Any], Any], Density]] = {
    "exponential": (lambda a: pm.Exponential.dist(a, size=N), lambda y, a: stats.expon.logpdf(y, scale=1 / a)),
    "normal": (lambda a: pm.Normal.dist(0.0, a, size=N), lambda y, a: stats.norm.logpdf(y, 0, a)),
    "gamma": (lambda a: pm.Gamma.dist(a, 2.0, size=N), lambda y, a: stats.gamma.logpdf(y, a, scale=0.5)),
    "weibull": (lambda a: pm.Weibull.dist(a, 2.0, size=N), lambda y, a: stats.weibull_min.logpdf(y, a, scale=2)),
    "inverse gamma": (lambda a: pm.InverseGamma.dist(a, 1.0, size=N), lambda y, a: stats.invgamma.logpdf(y, a)),
    "log-normal": (lambda a: pt.exp(pm.Normal.dist(0.0, a, size=N)), lambda y, a: stats.lognorm.logpdf(y, a)),
}


def unknowns() -> tuple[Any, Any]:
    return ppl.Beta("q", 1, 1), ppl.HalfNormal("a", 1.0)


def indicator(q: Any, name: str = "z") -> Any:
    return ppl.Bernoulli(name, q, size=N)


def assert_logprob(model: Any, expected: Callable[[float, float], Any]) -> None:
    """Compare value and gradient with a closed form and its central differences; the prior of a is added."""
    function = evaluator(logprob(model), with_gradient=True)
    q, a = 0.55, 1.3

    def total(q: float, a: float) -> float:
        return float(np.sum(expected(q, a)) + stats.halfnorm.logpdf(a))

    value, gradient = function({"q": q, "a": a})
    np.testing.assert_allclose(value, total(q, a), rtol=1e-12)
    h = 1e-6
    np.testing.assert_allclose(gradient["q"], (total(q + h, a) - total(q - h, a)) / (2 * h), rtol=1e-6)
    np.testing.assert_allclose(gradient["a"], (total(q, a + h) - total(q, a - h)) / (2 * h), rtol=1e-6)


def one_atom(log_density: Density) -> Callable[[float, float], Any]:
    return lambda q, a: np.where(Y == 0, np.log(1 - q), np.log(q) + log_density(OFF, a))


@pytest.mark.parametrize("name", FAMILIES)
def test_zero_or_a_draw(name: str) -> None:
    make, log_density = FAMILIES[name]
    q, a = unknowns()
    assert_logprob(ppl.Model({pt.switch(indicator(q), make(a), 0.0): Y}), one_atom(log_density))


@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "log-normal"])
def test_mixture_with_a_point(name: str) -> None:
    make, log_density = FAMILIES[name]
    q, a = unknowns()
    parts = [pm.DiracDelta.dist(0.0, size=N), make(a)]
    y = ppl.Mixture("y", w=pt.stack([1 - q, q]), comp_dists=parts)
    assert_logprob(ppl.Model({y: Y}), one_atom(log_density))


def exponential(y: Any, a: float) -> Any:
    return stats.expon.pdf(y, scale=1 / a)


def two_atoms(q: float, a: float) -> Any:
    return np.select([Y == 0, Y == 1], [np.log((1 - q) * 0.7), np.log((1 - q) * 0.3)], np.log(q * exponential(Y, a)))


def test_places_of_an_atom_that_depend_on_another_state() -> None:
    for place in (lambda w: pt.switch(w, 1.0, 0.0), lambda w: pt.as_tensor([0.0, 1.0])[w]):
        q, a = unknowns()
        w = ppl.Bernoulli("w", 0.3, size=N)
        y = pt.switch(indicator(q), pm.Exponential.dist(a, size=N), place(w))
        assert_logprob(ppl.Model({y: Y}), two_atoms)


def test_states_that_move_an_atom_are_not_summed_out() -> None:
    a = ppl.HalfNormal("a", 1.0)
    w, z = ppl.Bernoulli("w", 0.3), ppl.Bernoulli("z", 0.6)
    y = pt.switch(z, pm.Exponential.dist(a), pt.switch(w, 1.0, 0.0))
    call = evaluator(logprob(ppl.Model({y: 1.0}), marginalize=False))
    assert call({"a": 1.3, "w": 0, "z": 1})[0] == -np.inf
    assert np.isfinite(call({"a": 1.3, "w": 1, "z": 0})[0])


def test_nested_mixtures_share_their_atoms() -> None:
    q, a = unknowns()
    inner = pt.switch(indicator(q), pm.Exponential.dist(a, size=N), 0.0)
    other = pt.switch(indicator(0.5, "u"), pm.HalfNormal.dist(a, size=N), 1.0)
    y = pt.switch(indicator(0.3, "w"), inner, other)

    def expected(q: float, a: float) -> Any:
        density = 0.3 * q * exponential(Y, a) + 0.35 * stats.halfnorm.pdf(Y, scale=a)
        return np.select([Y == 0, Y == 1], [np.log(0.3 * (1 - q)), np.log(0.35)], np.log(density))

    assert_logprob(ppl.Model({y: Y}), expected)


def test_places_from_data() -> None:
    c = np.array([0.0, 0.5, 3.0, 3.0, 1.0])
    q, a = unknowns()
    model = ppl.Model({pt.switch(indicator(q), pm.Exponential.dist(a, size=N), c): Y})
    assert_logprob(model, lambda q, a: np.where(c == Y, np.log(1 - q), np.log(q * exponential(Y, a))))


@pytest.mark.parametrize("form", ["mixture", "switch"])
def test_censored_component(form: str) -> None:
    q, a = unknowns()
    if form == "mixture":
        parts = [pm.Censored.dist(pm.Normal.dist(0, a), 0.0, None, size=N), pm.Exponential.dist(a, size=N)]
        y = ppl.Mixture("y", w=pt.stack([1 - q, q]), comp_dists=parts)
    else:
        y = pt.switch(indicator(q), pm.Exponential.dist(a, size=N), pt.clip(pm.Normal.dist(0, a, size=N), 0.0, np.inf))

    def expected(q: float, a: float) -> Any:
        density = (1 - q) * stats.norm.pdf(Y, 0, a) + q * exponential(Y, a)
        return np.where(Y == 0, np.log((1 - q) * 0.5), np.log(density))

    assert_logprob(ppl.Model({y: Y}), expected)


def test_three_ways() -> None:
    q, a = unknowns()
    k = ppl.Categorical("k", pt.stack([0.8 * q, 1 - q, 0.2 * q]), size=N)
    y = pt.switch(
        pt.eq(k, 0), pm.Exponential.dist(a, size=N), pt.switch(pt.eq(k, 1), 0.0, pm.HalfNormal.dist(a, size=N))
    )

    def expected(q: float, a: float) -> Any:
        density = 0.8 * q * exponential(Y, a) + 0.2 * q * stats.halfnorm.pdf(Y, scale=a)
        return np.where(Y == 0, np.log(1 - q), np.log(density))

    assert_logprob(ppl.Model({y: Y}), expected)


ZERO_OR_EXPONENTIAL: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda q, x: indicator(q) * x,
    "complement": lambda q, x: (1 - indicator(1 - q)) * x,
    "comparison": lambda q, x: pt.eq(indicator(q), 1) * x,
    "stack": lambda q, x: pt.stack([pt.zeros(N), x])[indicator(q), np.arange(N)],
    "stack of columns": lambda q, x: pt.stack([pt.zeros(N), x], axis=1)[np.arange(N), indicator(q)],
    "shifted": lambda q, x: indicator(q) * x + 1.5 - 1.5,
}


@pytest.mark.parametrize("form", ZERO_OR_EXPONENTIAL)
def test_spellings_of_zero_or_a_draw(form: str) -> None:
    q, a = unknowns()
    y = ZERO_OR_EXPONENTIAL[form](q, pm.Exponential.dist(a, size=N))
    assert_logprob(ppl.Model({y: Y}), one_atom(FAMILIES["exponential"][1]))


def test_product_with_a_count() -> None:
    q, a = unknowns()
    y = ppl.Binomial("z", 2, q, size=N) * pm.Exponential.dist(a, size=N)

    def expected(q: float, a: float) -> Any:
        density = 2 * q * (1 - q) * exponential(Y, a) + q**2 * stats.expon.pdf(Y, scale=2 / a)
        return np.where(Y == 0, 2 * np.log(1 - q), np.log(density))

    assert_logprob(ppl.Model({y: Y}), expected)


def test_products_of_counts_are_zero_inflated() -> None:
    counts = np.array([0, 1, 0, 2, 3])
    q, a = unknowns()
    model = ppl.Model({indicator(q) * pm.Poisson.dist(a, size=N): counts})
    assert_logprob(model, lambda q, a: np.log(q * stats.poisson.pmf(counts, a) + (1 - q) * (counts == 0)))


def test_product_with_constants_that_are_zero() -> None:
    a = ppl.HalfNormal("a", 1.0)
    factors = np.array([0.0, 2.0, 0.0, 2.0, 3.0])
    call = evaluator(logprob(ppl.Model({factors * pm.Exponential.dist(a, size=N): Y})))
    expected = stats.expon.logpdf(Y[Y > 0], scale=factors[Y > 0] / 1.3).sum() + stats.halfnorm.logpdf(1.3)
    np.testing.assert_allclose(call({"a": 1.3})[0], expected, rtol=1e-12)


def test_values_near_an_atom_are_none() -> None:
    q, a = unknowns()
    near = np.array([0.0, 1e-9])
    y = pt.switch(ppl.Bernoulli("z", q, size=2), pm.Exponential.dist(a, size=2), 0.0)
    assert_logprob(ppl.Model({y: near}), lambda q, a: np.log(np.where(near == 0, 1 - q, q * exponential(near, a))))


def test_masses_add_up() -> None:
    counts = np.array([0, 1, 0, 2, 3])
    expected = lambda q, a: np.log(q * stats.poisson.pmf(counts, a) + (1 - q) * (counts == 0))  # noqa: E731
    q, a = unknowns()
    assert_logprob(ppl.Model({pt.switch(indicator(q), pm.Poisson.dist(a, size=N), 0): counts}), expected)
    q, a = unknowns()
    parts = [pm.DiracDelta.dist(0, size=N), pm.Poisson.dist(a, size=N)]
    assert_logprob(ppl.Model({ppl.Mixture("y", w=pt.stack([1 - q, q]), comp_dists=parts): counts}), expected)


def test_what_cannot_be_told_is_refused() -> None:
    q, a = unknowns()
    outcome = pt.exp(pm.Mixture.dist([q, 1 - q], [pm.DiracDelta.dist(0.0, size=N), pm.Normal.dist(0, a, size=N)]))
    outcome.name = "y"
    with pytest.raises(DerivationError, match=r"^y is a transform .* branches one by one"):
        logprob(ppl.Model({outcome: Y + 1}))
    q, a = unknowns()
    parts = [pm.DiracDelta.dist(a), pm.Exponential.dist(1.0)]
    with pytest.raises(DerivationError, match=r"depends on a.* Fix the place"):
        logprob(ppl.Model({ppl.Mixture("y", w=pt.stack([1 - q, q]), comp_dists=parts): 1.0}))
    x = ppl.Mixture("x", w=[0.5, 0.5], comp_dists=[pm.DiracDelta.dist(0.0), pm.Normal.dist(0, 1)])
    with pytest.raises(DerivationError, match="x has single values of positive probability"):
        ppl.plan(ppl.Model({ppl.Normal("o", x, 1.0): 1.0}))


def test_an_atom_says_where_it_comes_from() -> None:
    q, a = unknowns()
    model = ppl.Model({pt.switch(indicator(q), pm.Exponential.dist(a, size=N), 0.0): Y})
    trace = ppl.recover(model, ppl.sample(model, draws=20, tune=100, chains=1, seed=1, progress=False), seed=1)
    np.testing.assert_array_equal(trace["posterior"]["z"].values, np.broadcast_to(Y > 0, (1, 20, N)))
