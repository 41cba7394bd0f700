"""Bounds are conservative, and only guards that the supports imply are removed.

Answers: values at random points, and densities with all their guards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.op import Op
from pytensor.graph.traversal import ancestors
from pytensor.raise_op import Assert, CheckAndRaise
from pytensor.scalar.basic import Clip, Sign, Switch
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.bounds.intervals import EITHER, FALSE, TRUE
from graphs.bounds.signs import Signs
from graphs.supports import POSITIVE, REAL, SIMPLEX, UNIT, Support, integers, interval
from tests.as_written import AS_WRITTEN

SUPPORTS = {
    "real": REAL,
    "positive": POSITIVE,
    "unit": UNIT,
    "interval": interval(-2.5, 1.5),
    "simplex": SIMPLEX,
    "count": integers(0, 4),
}
INPUTS = {name: pt.tensor(name, shape=(3,), dtype="int64" if name == "count" else "float64") for name in SUPPORTS}
DECLARED = {INPUTS[name]: support for name, support in SUPPORTS.items()}

UNARY: list[Callable[[TensorVariable], TensorVariable]] = [
    pt.exp, pt.log, pt.log1p, pt.expm1, pt.sqrt, pt.sqr, pt.abs, pt.neg, pt.reciprocal, pt.sigmoid, pt.softplus,
    pt.tanh, pt.sin, pt.cosh, pt.erf, pt.erfc, pt.sign, pt.floor, pt.ceil, pt.cumsum, pt.gammaln,
    pt.special.softmax, pt.special.log_softmax,
    lambda x: x**3, lambda x: (1.0 * x) ** -2, lambda x: x**0.5, lambda x: x**-0.5, lambda x: x * x, lambda x: 1 - x,
    lambda x: x[::-1], lambda x: x[pt.constant([2, 2, 0])], lambda x: pt.alloc(x.sum(), 3),
    lambda x: x.dimshuffle("x", 0).max(axis=0), lambda x: pt.clip(x, -0.5, 2), lambda x: pt.set_subtensor(x[0], 1.5),
    lambda x: pt.stack([x[0], pt.constant(2.0), x[2]]), lambda x: pt.cast(x, "float32"), lambda x: pt.prod(x) + x,
    lambda x: x * pt.constant([0.5, -2.0, 3.0]), lambda x: pt.maximum(x, 0.0), lambda x: pt.cast(x, "int64"),
    lambda x: pt.isnan(x) * 1.0, lambda x: 2.0**x,
]  # fmt: skip
BINARY: list[Callable[[TensorVariable, TensorVariable], TensorVariable]] = [
    pt.add, pt.sub, pt.mul, pt.true_div, pt.maximum, pt.minimum, pt.pow,
    lambda a, b: pt.switch(a > b, a, b), lambda a, b: 1.0 * (a > b), lambda a, b: 1.0 * (a <= b),
    lambda a, b: 1.0 * pt.eq(a, b), lambda a, b: 1.0 * ((a >= 0) & (b < 1)), lambda a, b: 1.0 * ((a > 0) | ~(b >= 0)),
    lambda a, b: pt.concatenate([a[:1], b[1:]]), lambda a, b: 1.0 * ((a > 0) ^ (b > 0)),
    lambda a, b: pt.dot(a, b) + a, lambda a, b: pt.stack([a, b, a - b]) @ b,
]  # fmt: skip

expressions = st.recursive(
    st.sampled_from(list(INPUTS.values())) | st.floats(-3, 3).map(lambda c: pt.constant(np.full(3, round(c, 2)))),
    lambda inner: st.one_of(
        st.builds(lambda f, a: f(a), st.sampled_from(UNARY), inner),
        st.builds(lambda f, a, b: f(a, b), st.sampled_from(BINARY), inner, inner),
    ),
    max_leaves=5,
)


def sample(rng: np.random.Generator) -> dict[TensorVariable, np.ndarray]:
    return {
        INPUTS["real"]: rng.normal(size=3) * 2,
        INPUTS["positive"]: rng.gamma(0.7, 1.5, size=3) + 1e-9,
        INPUTS["unit"]: rng.uniform(1e-6, 1 - 1e-6, size=3),
        INPUTS["interval"]: rng.uniform(-2.5, 1.5, size=3),
        INPUTS["simplex"]: rng.dirichlet([0.7, 1.0, 2.0]),
        INPUTS["count"]: rng.integers(0, 5, size=3),
    }


@given(expression=expressions, seed=st.integers(0, 2**16))
def test_values_lie_within_their_bounds(expression: TensorVariable, seed: int) -> None:
    bounds = Signs(DECLARED).of(expression)
    evaluate = pytensor.function(list(INPUTS.values()), expression, mode=AS_WRITTEN, on_unused_input="ignore")
    rng = np.random.default_rng(seed)
    for _ in range(5):
        with np.errstate(all="ignore"):
            values = np.asarray(evaluate(*[sample(rng)[v] for v in INPUTS.values()]), dtype="float64")
        if not bounds.may_be_nan:
            assert not np.isnan(values).any()
        values = values[~np.isnan(values)]
        # Ends are excluded in exact arithmetic; floating point may round to them.
        assert (values >= bounds.lower).all()
        assert (values <= bounds.upper).all()
        if np.isinf(values).any():
            assert not bounds.is_finite or np.abs(values[np.isfinite(values)]).max(initial=0) > 1e300


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        (lambda v: v["positive"] > 0, TRUE),
        (lambda v: v["positive"] >= 0, TRUE),
        (lambda v: v["positive"] > 1e-9, EITHER),
        (lambda v: v["positive"] < 0, FALSE),
        (lambda v: pytensor.gradient.disconnected_grad(pt.exp(v["real"])) > 0, TRUE),
        (lambda v: pt.sqrt(v["real"]) >= 0, EITHER),
        (lambda v: pt.cumsum(pt.exp(v["real"])) > 0, TRUE),
        (lambda v: pt.sum(pt.exp(v["real"])) > 0, TRUE),
        (lambda v: pt.special.softmax(v["real"]) <= 1, TRUE),
        (lambda v: pt.isclose(pt.sum(v["simplex"]), 1), TRUE),
        (lambda v: pt.isclose(pt.sum(v["unit"]), 1), EITHER),
        (lambda v: pt.isclose(pt.special.softmax(v["real"].reshape((1, 3)), axis=-1).sum(-1), 1), TRUE),
        (lambda v: pt.eq(pt.log(v["positive"]), -np.inf), FALSE),
        (lambda v: v["count"] <= 4, TRUE),
        (lambda v: v["count"] < 4, EITHER),
        (lambda v: (v["unit"] >= 0) & (v["unit"] <= 1), TRUE),
        (lambda v: (v["unit"] >= 0) & (v["real"] <= 1), EITHER),
        (lambda v: (v["unit"] < 0) | (v["unit"] > 1), FALSE),
        (lambda v: pt.constant(np.array([1.5, 0.3])) > 0, TRUE),
        (lambda v: pt.constant(np.array([1.5, np.nan])) > 0, EITHER),
        (lambda v: v["positive"] - v["unit"] > 0, EITHER),
        (lambda v: pt.isinf(v["real"]), FALSE),
    ],
)
def test_truth_of_conditions(condition: Callable[[dict], TensorVariable], truth: object) -> None:
    assert Signs(DECLARED).of(condition(INPUTS)).truth() == truth


SCALE, SHIFT = pt.dscalars("scale", "shift")
LATENT = {SCALE: POSITIVE}
DISTRIBUTIONS: dict[str, tuple[Callable[[], TensorVariable], Support]] = {
    "Uniform": (lambda: pm.Uniform.dist(-1.0, 2.0), interval(-1, 2)),
    "Normal": (lambda: pm.Normal.dist(SHIFT, SCALE), REAL),
    "NormalPrecision": (lambda: pm.Normal.dist(SHIFT, tau=SCALE), REAL),
    "TruncatedNormal": (lambda: pm.TruncatedNormal.dist(SHIFT, SCALE, lower=0.0, upper=3.0), interval(0, 3)),
    "HalfNormal": (lambda: pm.HalfNormal.dist(SCALE), POSITIVE),
    "Wald": (lambda: pm.Wald.dist(SCALE, 1.3), POSITIVE),
    "Beta": (lambda: pm.Beta.dist(SCALE, 1.7), UNIT),
    "Kumaraswamy": (lambda: pm.Kumaraswamy.dist(SCALE, 1.7), UNIT),
    "Exponential": (lambda: pm.Exponential.dist(SCALE), POSITIVE),
    "Laplace": (lambda: pm.Laplace.dist(SHIFT, SCALE), REAL),
    "AsymmetricLaplace": (lambda: pm.AsymmetricLaplace.dist(SCALE, SHIFT, 1.3), REAL),
    "LogNormal": (lambda: pm.LogNormal.dist(SHIFT, SCALE), POSITIVE),
    "StudentT": (lambda: pm.StudentT.dist(3.3, mu=SHIFT, sigma=SCALE), REAL),
    "SkewStudentT": (lambda: pm.SkewStudentT.dist(a=1.3, b=2.1, mu=SHIFT, sigma=SCALE), REAL),
    "Pareto": (lambda: pm.Pareto.dist(SCALE, 0.7), interval(0.7, np.inf)),
    "Cauchy": (lambda: pm.Cauchy.dist(SHIFT, SCALE), REAL),
    "HalfCauchy": (lambda: pm.HalfCauchy.dist(SCALE), POSITIVE),
    "Gamma": (lambda: pm.Gamma.dist(1.7, SCALE), POSITIVE),
    "GammaShape": (lambda: pm.Gamma.dist(SCALE, 1.4), POSITIVE),
    "InverseGamma": (lambda: pm.InverseGamma.dist(1.7, SCALE), POSITIVE),
    "ChiSquared": (lambda: pm.ChiSquared.dist(SCALE), POSITIVE),
    "Weibull": (lambda: pm.Weibull.dist(1.7, SCALE), POSITIVE),
    "HalfStudentT": (lambda: pm.HalfStudentT.dist(3.3, sigma=SCALE), POSITIVE),
    "ExGaussian": (lambda: pm.ExGaussian.dist(SHIFT, SCALE, nu=1.7), REAL),
    "VonMises": (lambda: pm.VonMises.dist(SHIFT, SCALE), interval(-np.pi, np.pi)),
    "SkewNormal": (lambda: pm.SkewNormal.dist(alpha=1.7, mu=SHIFT, sigma=SCALE), REAL),
    "Triangular": (lambda: pm.Triangular.dist(0.0, 1.0, c=0.3), UNIT),
    "Gumbel": (lambda: pm.Gumbel.dist(SHIFT, SCALE), REAL),
    "Rice": (lambda: pm.Rice.dist(nu=1.7, sigma=SCALE), POSITIVE),
    "Logistic": (lambda: pm.Logistic.dist(SHIFT, SCALE), REAL),
    "LogitNormal": (lambda: pm.LogitNormal.dist(SHIFT, SCALE), UNIT),
    "Moyal": (lambda: pm.Moyal.dist(SHIFT, SCALE), REAL),
    "Dirichlet": (lambda: pm.Dirichlet.dist(pt.stack([SCALE, 1.3 + SCALE, 2.1])), SIMPLEX),
    "Poisson": (lambda: pm.Poisson.dist(SCALE), integers(0)),
    "Binomial": (lambda: pm.Binomial.dist(4, pt.sigmoid(SHIFT)), integers(0, 4)),
    "Bernoulli": (lambda: pm.Bernoulli.dist(pt.sigmoid(SHIFT)), integers(0, 1)),
    "BernoulliOfProbit": (lambda: pm.Bernoulli.dist(pm.math.invprobit(SHIFT)), integers(0, 1)),
    "Categorical": (lambda: pm.Categorical.dist(pt.special.softmax(pt.stack([SHIFT, 0.3]))), integers(0, 1)),
    "DiscreteUniform": (lambda: pm.DiscreteUniform.dist(0, 4), integers(0, 4)),
    "NegativeBinomial": (lambda: pm.NegativeBinomial.dist(n=SCALE, p=0.3), integers(0)),
}


def draw(support: Support, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if support.kind == "simplex":
        return rng.dirichlet([1.0, 2.0, 3.0])
    if support.kind == "integers":
        return rng.integers(0, min(support.upper, 5) + 1, size=shape)
    return rng.uniform(max(support.lower, -3), min(support.upper, 4), size=shape)


@pytest.mark.parametrize("name", list(DISTRIBUTIONS))
def test_nothing_is_left_to_guard_inside_the_support(name: str) -> None:
    build, support = DISTRIBUTIONS[name]
    rv = build()
    value = rv.type("value")
    original = pm.logp(rv, value)
    stripped = strip_guards(original, {**LATENT, value: support})
    kept = {type(v.owner.op) for v in ancestors([stripped]) if v.owner is not None}
    assert not any(issubclass(kind, CheckAndRaise) for kind in kept)
    assert value in set(ancestors([stripped])) or name in {"Uniform", "DiscreteUniform"}
    guards = [
        v
        for v in ancestors([stripped])
        if v.owner is not None
        and isinstance(v.owner.op, Elemwise)
        and isinstance(v.owner.op.scalar_op, Switch)
        and any(np.all(np.isneginf(getattr(i, "data", 0.0))) for i in v.owner.inputs[1:])
    ]
    assert not guards, [pytensor.pp(g) for g in guards]
    evaluate = pytensor.function([SCALE, SHIFT, value], [original, stripped], on_unused_input="ignore")
    rng = np.random.default_rng(4)
    for _ in range(5):
        before, after = evaluate(rng.gamma(2.0) + 0.1, rng.normal(), draw(support, value.type.shape, rng))
        np.testing.assert_allclose(after, before, rtol=1e-12)


def test_checks_that_are_not_implied_become_switches() -> None:
    sigma, value = pt.dscalars("sigma", "value")
    stripped = strip_guards(pm.logp(pm.Normal.dist(0.0, sigma), value), {})
    evaluate = pytensor.function([sigma, value], stripped)
    assert evaluate(-1.0, 0.3) == -np.inf
    assert evaluate(1.0, 0.3) == pytest.approx(-0.5 * 0.09 - 0.5 * np.log(2 * np.pi))


def test_only_the_open_part_of_a_check_is_kept() -> None:
    alpha, beta, value = pt.dscalars("alpha", "beta", "value")
    supports = {alpha: POSITIVE, value: POSITIVE}
    stripped = strip_guards(pm.logp(pm.Weibull.dist(alpha, beta), value), supports)
    (check,) = [
        v for v in ancestors([stripped])
        if v.owner is not None and isinstance(v.owner.op, Elemwise) and isinstance(v.owner.op.scalar_op, Switch)
    ]  # fmt: skip
    inputs = set(ancestors([check.owner.inputs[0]]))
    assert beta in inputs
    assert alpha not in inputs


def test_guard_that_depends_on_another_variable_is_kept() -> None:
    m, value = pt.dscalars("m", "value")
    stripped = strip_guards(pm.logp(pm.Pareto.dist(1.7, m), value), {m: POSITIVE, value: POSITIVE})
    evaluate = pytensor.function([m, value], stripped)
    assert evaluate(2.0, 1.0) == -np.inf
    assert np.isfinite(evaluate(1.0, 2.0))


def test_both_orders_of_a_guard() -> None:
    x = pt.dvector("x", shape=(3,))
    for guarded in (
        pt.switch(x > 0, pt.log(x), -np.inf),
        pt.switch(x <= 0, -np.inf, pt.log(x)),
        pt.switch(pt.and_(x > 0, x < np.inf), pt.log(x), -np.inf),
        pt.switch(pt.or_(x < 0, pt.isnan(x)), -np.inf, pt.log(x)),
        CheckParameterValue("x > 0", True)(pt.log(x), pt.all(x > 0), pt.all(pt.stack([x[0] > 0, x[1] > -1]))),
    ):
        assert strip_guards(guarded, {x: POSITIVE}).owner.op == pt.log
        assert strip_guards([guarded, x], {})[0].owner.op != pt.log


def test_assertions_that_fail_give_no_number() -> None:
    x = pt.dscalar("x")
    asserted = Assert("x is small")(pt.sqr(x), x < 1)
    stripped = strip_guards(asserted, {})
    assert np.isnan(stripped.eval({x: 2.0}))
    assert stripped.eval({x: 0.5}) == 0.25
    assert strip_guards(asserted, {x: UNIT}).owner.op == pt.sqr


def test_signs_and_clips_of_known_range_are_removed() -> None:
    x, k = pt.dscalar("x"), pt.lscalar("k")
    graph = pt.sign(x) * pt.abs(x) + pt.clip(k, 0, 4)
    stripped = strip_guards(graph, {x: POSITIVE, k: integers(0, 4)})
    kinds = {
        type(v.owner.op.scalar_op)
        for v in ancestors([stripped])
        if v.owner is not None and isinstance(v.owner.op, Elemwise)
    }
    assert not kinds & {Sign, Clip}
    assert stripped.eval({x: 1.5, k: 3}) == 4.5


def test_small_integers_that_overflow_are_not_trusted() -> None:
    x = pt.bscalar("x")
    assert not Signs({x: integers(100, 120)}).of(x + x).is_positive


def test_the_given_graph_is_not_changed() -> None:
    sigma, value = pt.dscalars("sigma", "value")
    original = pm.logp(pm.Normal.dist(0.0, sigma), value)
    before = pytensor.dprint(original, file="str")
    strip_guards(original, {sigma: POSITIVE})
    assert pytensor.dprint(original, file="str") == before


class Unavailable(Op):
    """What needs a package that is not there, as the cumulative probability of PyMC's Polya-gamma does."""

    itypes: ClassVar = [pt.dscalar]
    otypes: ClassVar = [pt.dscalar]

    def perform(self, node, inputs, output_storage):
        raise RuntimeError("a package is not installed")


def test_what_cannot_be_evaluated_has_no_known_value():
    assert Signs({}).known(Unavailable()(pt.constant(np.float64(1.0)))) is None
