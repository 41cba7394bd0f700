"""Logarithms of probabilities near zero and one, and their slopes, are mpmath's whatever the spelling."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import ppl
from graphs.joint.logprob import logprob
from graphs.limits.stable_logits import stabilized
from graphs.log_scale import Logarithms
from graphs.supports import UNIT
from graphs.surgery.interpreting import interpret, without_c

mp: Any = pytest.importorskip("mpmath")

POINTS = (-800.0, -100.0, -40.0, -1.0, 0.0, 1.0, 40.0, 100.0, 800.0)
S, S_EXACT = pt.sigmoid, lambda x: 1 / (1 + mp.exp(-x))


def three(x: Any) -> Any:
    return pt.stack([x, 0.3 * x, 1.0 - x])


def exact_share(x: Any, k: int) -> Any:
    parts = [mp.exp(x), mp.exp(mp.mpf("0.3") * x), mp.exp(1 - x)]
    return parts[k] / sum(parts)


def normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def weighted(f: Callable[[Any], Any], *weights: Any) -> Callable[[Any], Any]:
    """Return ``sum_k w_k f(x - k)``."""
    return lambda x: sum((w(x) if callable(w) else mp.mpf(w)) * f(x - k) for k, w in enumerate(weights))


def shifted(x: Any) -> Any:
    return S(pt.stack([x, x - 1]))


def opposite(x: Any) -> Any:
    return 1 - S_EXACT(x)


def both(x: Any) -> Any:
    """The chance of one of two, ``1 - s(x) s(x + 1)``."""
    return 1 - S_EXACT(x) * S_EXACT(x + 1)


def either(x: Any) -> Any:
    return 1 - S(x) * S(x + 1)


type Spelling = tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]

SPELLINGS: dict[str, Spelling] = {
    "one minus softmax": (
        lambda x: 1 - pt.special.softmax(three(x))[1],
        lambda x: exact_share(x, 0) + exact_share(x, 2),
        lambda x: exact_share(x, 1),
    ),
    "share of exponentials": (
        lambda x: (pt.exp(three(x)) / pt.exp(three(x)).sum())[0],
        lambda x: exact_share(x, 0),
        lambda x: exact_share(x, 1) + exact_share(x, 2),
    ),
    "exponential of a log share": (
        lambda x: pt.exp(three(x) - pt.log(pt.exp(three(x)).sum()))[0],
        lambda x: exact_share(x, 0),
        lambda x: exact_share(x, 1) + exact_share(x, 2),
    ),
    "ones times": (lambda x: (pt.ones(3) * S(x))[0], S_EXACT, lambda x: S_EXACT(-x)),
    "product": (lambda x: S(x) * S(x + 1), lambda x: S_EXACT(x) * S_EXACT(x + 1), both),
    "one minus a product": (either, both, lambda x: S_EXACT(x) * S_EXACT(x + 1)),
    "square": (lambda x: 1 - S(x) ** 2, lambda x: S_EXACT(-x) * (1 + S_EXACT(x)), lambda x: S_EXACT(x) ** 2),
    "root": (lambda x: pt.sqrt(S(x)), lambda x: mp.sqrt(S_EXACT(x)), lambda x: S_EXACT(-x) / (1 + mp.sqrt(S_EXACT(x)))),
    "noisy or": (
        lambda x: 1 - pt.prod(1 - S(pt.stack([x, x + 1]))),
        lambda x: S_EXACT(x) + S_EXACT(-x) * S_EXACT(x + 1),
        lambda x: S_EXACT(-x) * S_EXACT(-x - 1),
    ),
    "hyperbolic": (lambda x: 0.5 * (1 + pt.tanh(x / 2)), S_EXACT, lambda x: S_EXACT(-x)),
    "odds": (lambda x: pt.exp(x) / (1 + pt.exp(x)), S_EXACT, lambda x: S_EXACT(-x)),
    "reciprocal": (lambda x: 1 / (1 + pt.exp(-x)), S_EXACT, lambda x: S_EXACT(-x)),
    "probit by erf": (lambda x: 0.5 * (1 + pt.erf(x / sqrt(2))), normal, lambda x: normal(-x)),
    "probit by erfc": (lambda x: 0.5 * pt.erfc(-x / sqrt(2)), normal, lambda x: normal(-x)),
    "probit by name": (lambda x: 1 - pm.math.invprobit(x), lambda x: normal(-x), normal),
    "complementary log-log": (
        lambda x: 1 - pt.exp(-pt.exp(x)),
        lambda x: -mp.expm1(-mp.exp(x)),
        lambda x: mp.exp(-mp.exp(x)),
    ),
    "mixture": (
        lambda x: 0.3 * S(x) + 0.7 * S(x - 1),
        lambda x: mp.mpf("0.3") * S_EXACT(x) + mp.mpf("0.7") * S_EXACT(x - 1),
        lambda x: mp.mpf("0.3") * S_EXACT(-x) + mp.mpf("0.7") * S_EXACT(1 - x),
    ),
    "mixture with a weight": (
        lambda x: S(x + 3) * S(x) + (1 - S(x + 3)) * S(x - 1),
        lambda x: S_EXACT(x + 3) * S_EXACT(x) + S_EXACT(-x - 3) * S_EXACT(x - 1),
        lambda x: S_EXACT(x + 3) * S_EXACT(-x) + S_EXACT(-x - 3) * S_EXACT(1 - x),
    ),
    "guess": (
        lambda x: 0.2 + 0.8 * S(x),
        lambda x: mp.mpf("0.2") + mp.mpf("0.8") * S_EXACT(x),
        lambda x: mp.mpf("0.8") * S_EXACT(-x),
    ),
    "stick": (
        lambda x: (S(three(x)) * pt.concatenate([[1.0], pt.cumprod(1 - S(three(x)))[:-1]]))[1],
        lambda x: S_EXACT(-x) * S_EXACT(mp.mpf("0.3") * x),
        lambda x: S_EXACT(x) + S_EXACT(-x) * S_EXACT(mp.mpf("-0.3") * x),
    ),
    "difference": (
        lambda x: S(1.5 - x) - S(-1.0 - x),
        lambda x: S_EXACT(mp.mpf(1.5) - x) - S_EXACT(-1 - x),
        lambda x: S_EXACT(x - mp.mpf(1.5)) + S_EXACT(-1 - x),
    ),
    "dot": (
        lambda x: pt.dot(np.array([0.3, 0.7]), shifted(x)),
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "matrix product": (
        lambda x: (pt.as_tensor(np.array([[0.5, 0.5], [0.3, 0.7]])) @ shifted(x))[1],
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "dot with weights": (
        lambda x: pt.dot(shifted(x), pt.special.softmax(pt.stack([x, 0.0]))),
        weighted(S_EXACT, S_EXACT, opposite),
        weighted(opposite, S_EXACT, opposite),
    ),
    "dot with a weight and its complement": (
        lambda x: pt.stack([S(x), 1 - S(x)]) @ shifted(x),
        weighted(S_EXACT, S_EXACT, opposite),
        weighted(opposite, S_EXACT, opposite),
    ),
    "sum of weights": (
        lambda x: pt.sum(np.array([0.3, 0.7]) * shifted(x)),
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "weights below one": (
        lambda x: pt.dot(shifted(x), np.array([0.25, 0.5])),
        weighted(S_EXACT, "0.25", "0.5"),
        lambda x: mp.mpf("0.25") + weighted(opposite, "0.25", "0.5")(x),
    ),
    "mean": (lambda x: pt.mean(shifted(x)), weighted(S_EXACT, "0.5", "0.5"), weighted(opposite, "0.5", "0.5")),
    "two shares of three": (
        lambda x: pt.special.softmax(three(x))[0] + pt.special.softmax(three(x))[2],
        lambda x: exact_share(x, 0) + exact_share(x, 2),
        lambda x: exact_share(x, 1),
    ),
    "one minus two shares": (
        lambda x: 1 - (pt.special.softmax(three(x))[0] + pt.special.softmax(three(x))[1]),
        lambda x: exact_share(x, 2),
        lambda x: exact_share(x, 0) + exact_share(x, 1),
    ),
    "one minus one after the other": (
        lambda x: 1 - pt.special.softmax(three(x))[0] - pt.special.softmax(three(x))[2],
        lambda x: exact_share(x, 1),
        lambda x: exact_share(x, 0) + exact_share(x, 2),
    ),
    "first shares": (
        lambda x: pt.sum(pt.special.softmax(three(x))[:2]),
        lambda x: exact_share(x, 0) + exact_share(x, 1),
        lambda x: exact_share(x, 2),
    ),
    "cumulative shares": (
        lambda x: pt.cumsum(pt.special.softmax(three(x)))[1],
        lambda x: exact_share(x, 0) + exact_share(x, 1),
        lambda x: exact_share(x, 2),
    ),
    "shares as weights": (
        lambda x: (
            pt.special.softmax(pt.stack([x, 0.0]))[0] * S(x) + pt.special.softmax(pt.stack([x, 0.0]))[1] * S(x - 1)
        ),
        weighted(S_EXACT, S_EXACT, opposite),
        weighted(opposite, S_EXACT, opposite),
    ),
    "normalised exponentials as weights": (
        lambda x: pt.dot(pt.exp(three(x)) / pt.exp(three(x)).sum(), S(pt.stack([x, x - 1, x - 2]))),
        lambda x: sum(exact_share(x, k) * S_EXACT(x - k) for k in range(3)),
        lambda x: sum(exact_share(x, k) * S_EXACT(k - x) for k in range(3)),
    ),
    "shares of states": (
        lambda x: pt.dot(pt.special.softmax(three(x)), np.array([1.0, 0.0, 1.0])),
        lambda x: exact_share(x, 0) + exact_share(x, 2),
        lambda x: exact_share(x, 1),
    ),
    "mean of two scalar products": (
        lambda x: 0.5 * pt.dot(np.array([0.3, 0.7]), shifted(x)) + 0.5 * S(x),
        weighted(S_EXACT, "0.65", "0.35"),
        weighted(opposite, "0.65", "0.35"),
    ),
    "einsum": (
        lambda x: pt.einsum("i,i->", np.array([0.3, 0.7]), shifted(x)),
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "competing rates": (
        lambda x: pt.exp(x) / (pt.exp(x) + pt.exp(2 * x) + 1),
        lambda x: mp.exp(x) / (mp.exp(x) + mp.exp(2 * x) + 1),
        lambda x: (mp.exp(2 * x) + 1) / (mp.exp(x) + mp.exp(2 * x) + 1),
    ),
    "difference of an exponential": (
        lambda x: -pt.expm1(-pt.exp(x)),
        lambda x: -mp.expm1(-mp.exp(x)),
        lambda x: mp.exp(-mp.exp(x)),
    ),
    "any of a negative binomial": (
        lambda x: 1 - (1 + pt.exp(x) / 2.5) ** -2.5,
        lambda x: 1 - (1 + mp.exp(x) / 2.5) ** -2.5,
        lambda x: (1 + mp.exp(x) / 2.5) ** -2.5,
    ),
    "largest share": (
        lambda x: pt.max(pt.special.softmax(three(x))),
        lambda x: max(exact_share(x, k) for k in range(3)),
        lambda x: 1 - max(exact_share(x, k) for k in range(3)),
    ),
    "exponential of a logarithm": (lambda x: pt.exp(-pt.softplus(-x)), S_EXACT, lambda x: S_EXACT(-x)),
    "set": (lambda x: pt.set_subtensor(pt.ones(2)[0], either(x))[0], both, lambda x: 1 - both(x)),
    "stack": (lambda x: pt.stack([either(x), S(x)])[0], both, lambda x: 1 - both(x)),
    "reshaped": (lambda x: (pt.ones((2, 3)) * either(x)).reshape((6,))[4], both, lambda x: 1 - both(x)),
    "repeated": (lambda x: pt.repeat(pt.stack([either(x)]), 3)[0], both, lambda x: 1 - both(x)),
    "where": (lambda x: pt.where(np.array([True, False]), either(x), 0.5)[0], both, lambda x: 1 - both(x)),
}
"""Spellings, what their chances are, and one minus that, such that nothing cancels."""


def slope(function: Callable[[Any], Any], x: Any) -> float:
    step = mp.mpf(10) ** -40
    return rounded((mp.log(function(x + step)) - mp.log(function(x - step))) / (2 * step))


def rounded(x: Any) -> float:
    return float(x) if abs(x) < np.finfo(float).max else float(mp.sign(x)) * np.inf


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_both_logarithms_and_their_slopes(spelling: str) -> None:
    chance, exact, complement = SPELLINGS[spelling]
    x = ppl.Normal("x", 0.0, 1.0)
    p = chance(x)
    term = logprob(ppl.Model({ppl.Bernoulli("one", p): 1, ppl.Binomial("none", 1, p): 0}))
    graphs, value = [term.terms["one"].sum(), term.terms["none"].sum()], term.values["x"]
    with without_c():
        found = interpret([value], [*graphs, *(pytensor.grad(graph, value) for graph in graphs)])
    for point in POINTS:
        at = np.array(found(point))
        with mp.workdps(200 if abs(point) < 700 else 800):
            expected = [rounded(mp.log(f(mp.mpf(point)))) for f in (exact, complement)]
            expected += [slope(f, mp.mpf(point)) for f in (exact, complement)]
        np.testing.assert_allclose(at, expected, rtol=1e-9, atol=1e-14, err_msg=f"at {point}")


def test_a_weight_between_zero_and_one() -> None:
    """Against ``c + (1 - c) s`` and ``(1 - c) (1 - s)`` for a guessing parameter."""
    c, x = ppl.Beta("c", 2.0, 2.0), ppl.Normal("x", 0.0, 1.0)
    term = logprob(ppl.Model({ppl.Bernoulli("y", c + (1 - c) * S(x)): 0}))
    graph, value = term.terms["y"].sum(), [term.values["c"], term.values["x"]]
    found = interpret(value, [graph, *pytensor.grad(graph, value)])
    np.testing.assert_allclose(found(0.25, 800.0), [np.log(0.75) - 800.0, -1 / 0.75, -1.0], rtol=1e-12)


PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "no function that saturates": lambda x, w: w * 0.3 + (1 - w) * 0.2,
    "a product with a number": lambda x, w: 1 - 0.5 * w,
    "away from zero": lambda x, w: 0.2 + 0.8 * S(x),
    "far from one": lambda x, w: 1 - 0.5 * S(x) * S(x + 1),
    "of any sign": lambda x, w: 1 - x * S(x),
    "normal mean": lambda x, w: x + w * pt.sin(x),
}


def test_weights_that_are_a_variable() -> None:
    """Against ``log(w_0 + w_1 (1 - s))`` of weights of a Dirichlet variable, by name and by element."""
    w, x = ppl.Dirichlet("w", [1.0, 1.0]), ppl.Normal("x", 0.0, 1.0)
    p = pt.stack([0.0 * x, S(x)])
    spellings = {"dot": pt.dot(w, p), "sum": pt.sum(w * p), "elements": w[0] * p[0] + w[1] * p[1]}
    term = logprob(ppl.Model({ppl.Bernoulli(name, chance): 0 for name, chance in spellings.items()}))
    for name in spellings:
        graph, value = term.terms[name].sum(), [term.values["w"], term.values["x"]]
        found = interpret(value, [graph, pytensor.grad(graph, value[1])])
        np.testing.assert_allclose(found([1e-200, 1.0], 800.0), [np.log(1e-200), -np.exp(-800.0 + 460.5)], atol=1e-12)


@pytest.mark.parametrize("name", PLAIN)
def test_what_needs_no_other_form_stays(name: str) -> None:
    x, w = pt.dscalars("x", "w")
    graph = pt.log(PLAIN[name](x, w))
    assert stabilized([graph], {w: UNIT}) == [graph]


SIGNED: dict[str, Callable[[Any, Any], Any]] = {
    "two that are negative": lambda r, x: (r * pt.exp(x)) * ((r - 1) * S(x)),
    "ratio of two": lambda r, x: (r * pt.exp(x)) / ((r - 1) * S(x)),
    "sum": lambda r, x: pt.sum(pt.stack([r, 5.0]) * pt.exp(pt.stack([x, x]))),
    "product along an axis": lambda r, x: pt.prod(pt.stack([r, r - 1]) * pt.exp(pt.stack([x, x]))),
    "negative number": lambda r, x: -2.0 * r * S(x),
    "bounded": lambda r, x: pt.maximum(r * pt.exp(x), 1e-3),
    "square": lambda r, x: (r * pt.exp(x)) ** 2,
    "powers": lambda r, x: r**2 * S(x) + r**2 * pt.exp(x),
    "above one": lambda r, x: 1 - r * S(x) + pt.exp(x),
    "difference of two": lambda r, x: r * S(x) - 2 * r * S(x + 1),
}


@pytest.mark.parametrize("name", SIGNED)
def test_factors_below_zero_are_no_harm(name: str) -> None:
    r, x = pt.dscalars("r", "x")
    graph = SIGNED[name](r, x)
    [found] = stabilized([pt.log(graph)])
    function = interpret([r, x], [pt.exp(found), graph, *pytensor.grad(found, [r, x])])
    for at in ((-2.0, 0.7), (-0.5, -3.0)):
        value, plain, *slopes = function(*at)
        np.testing.assert_allclose(value, plain, rtol=1e-12)
        assert np.isfinite(slopes).all()


def test_many_factors_are_not_multiplied_out() -> None:
    x = pt.dscalar("x")
    p = 1.0
    for k in range(12):
        p = p * (1 - S(x + k))
    log_chance = Logarithms({}).complement(p)
    assert log_chance is not None
    with mp.workdps(60):
        exact = float(mp.log(1 - mp.fprod(1 - S_EXACT(mp.mpf(-50) + k) for k in range(12))))
    np.testing.assert_allclose(interpret([x], log_chance)(-50.0), exact, rtol=1e-12)


BETWEEN_BOUNDS: dict[str, tuple[Callable[[], Any], Callable[[float], float]]] = {
    "Beta": (lambda: ppl.Beta("u", 2, 3), lambda y: 2 - 5 * float(S_EXACT(y))),
    "Beta(1, 1)": (lambda: ppl.Beta("u", 1, 1), lambda y: 1 - 2 * float(S_EXACT(y))),
    "Uniform": (lambda: ppl.Uniform("u", -1, 3), lambda y: 1 - 2 * float(S_EXACT(y))),
    "LogitNormal": (lambda: ppl.LogitNormal("u", 0, 1), lambda y: -y),
    "first of two in order": (
        lambda: ppl.Beta("u", 2, 3, size=2, transform="ordered"),
        lambda y: 4 - 5 * float(S_EXACT(y)) - 5 * float(S_EXACT(y + 1)),
    ),
}


@pytest.mark.parametrize(("declare", "slope"), BETWEEN_BOUNDS.values(), ids=BETWEEN_BOUNDS)
def test_latent_variables_between_bounds_have_slopes_everywhere(declare: Any, slope: Any) -> None:
    """On the line on which they are moved, where they are rounded to a bound."""
    lp = logprob(ppl.Model(declare()), space="unconstrained")
    [value] = lp.values.values()
    gradient = interpret([value], [pytensor.grad(lp.total, value)])
    for y in POINTS:
        [found] = gradient(np.array([y, 0.0]) if value.type.ndim else np.array(y))
        np.testing.assert_allclose(np.ravel(found)[0], slope(y), atol=1e-8)
