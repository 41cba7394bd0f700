"""Logarithms of probabilities near zero and one, and their slopes, are mpmath's whatever the spelling.

Answers: mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import ppl
from graphs.joint.logprob import logprob
from graphs.limits.stable_logits import stabilized
from graphs.log_scale import Logarithms
from graphs.supports import UNIT
from graphs.surgery.interpreting import interpret, without_c
from tests.graphs.log_scale.spellings import S_EXACT, SPELLINGS, S

mp: Any = pytest.importorskip("mpmath")

POINTS = (-800.0, -100.0, -40.0, -1.0, 0.0, 1.0, 40.0, 100.0, 800.0)


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


@pytest.mark.parametrize("made", [lambda k: pt.eq(k, 1), lambda k: k, lambda k: 1 - pt.eq(k, 1)])
@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_factors_may_be_true_or_whole(made: Any, dtype: str) -> None:
    """A chance where a state is the one that is asked for; minus an unsigned 1 is no 255."""
    p, k = pt.dscalar("p"), pt.scalar("k", dtype=dtype)
    graph = p * made(k)
    function = interpret([p, k], [*stabilized([pt.log(graph), pt.log1p(-graph)]), graph])
    for state in (0, 1):
        log, complement, plain = function(0.3, np.array(state, dtype))
        np.testing.assert_allclose([np.exp(log), np.exp(complement)], [plain, 1 - plain], rtol=1e-12)


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
