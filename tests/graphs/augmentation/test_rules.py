"""The integral over auxiliary variables is the model; wrong ones are found out.

Answers: SciPy's quadrature, and closed forms.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import integrate, special

import ppl
from graphs.augmentation import find_augmentations, rules
from graphs.augmentation.chances import logit_of, probit_of
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret


def student_t(m, s):
    return {ppl.StudentT("y", nu=3.7, mu=m, sigma=s): 2.3}


def cauchy(m, s):
    return {ppl.Cauchy("y", m, s): -1.9}


def laplace(m, s):
    return {ppl.Laplace("y", m, s): 1.6}


def asymmetric_laplace(m, s):
    return {ppl.AsymmetricLaplace("y", kappa=0.6, mu=m, b=s): 1.6}


def half_cauchy(m, s):
    return {ppl.HalfCauchy("y", s): 1.3}


def half_student_t(m, s):
    return {ppl.HalfStudentT("y", nu=2.6, sigma=s): 0.8}


def probit(m, s):
    return {ppl.Bernoulli("y", p=pm.math.invprobit(m * s)): 0}


def censored_above(m, s):
    return {ppl.Censored("y", pm.Normal.dist(m, s), lower=None, upper=1.7): 1.7}


def censored_logarithm(m, s):
    return {ppl.Censored("y", pm.LogNormal.dist(m, s), lower=None, upper=1.7): 1.7}


def multivariate_student_t(m, s):
    scale = s * np.array([[1.3, 0.4], [0.4, 0.9]])
    return {ppl.MvStudentT("y", nu=3.7, mu=m * np.array([1.0, 2.0]), scale=scale): np.array([0.3, -1.1])}


CASES = [
    student_t,
    cauchy,
    laplace,
    asymmetric_laplace,
    half_cauchy,
    half_student_t,
    probit,
    censored_above,
    censored_logarithm,
    multivariate_student_t,
]


def of(case):
    m, s = ppl.Normal("m", 0, 1), ppl.Gamma("s", 2, 1)
    return logprob(ppl.Model({**case(m, s), ppl.Normal("z", m, s): 0.3}))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_the_integral_over_the_auxiliary_variable_is_the_term(case):
    lp = of(case)
    [auxiliary] = find_augmentations(lp, ["y"]).values()
    function = interpret([*lp.values.values(), auxiliary.variable], [lp.terms["y"].sum(), auxiliary.term.sum()])
    for m, s in ((0.4, 0.8), (-1.3, 2.1)):
        lower = auxiliary.support.lower
        assert auxiliary.support.upper == np.inf

        def density(a, m=m, s=s):
            value = np.full(auxiliary.variable.type.shape, a)
            return float(np.exp(function(np.asarray(m), np.asarray(s), value)[1]))

        # On a logarithmic scale: some densities are steep at zero.
        def at(t, lower=lower):
            return density(lower + np.exp(t)) * np.exp(t)

        mass = integrate.quad(at, -30, 45, limit=800, epsabs=1e-13, epsrel=1e-11, points=[-8, -2, 0, 3, 12])[0]
        anything = np.full(auxiliary.variable.type.shape, lower + 1.0)
        expected = np.exp(function(np.asarray(m), np.asarray(s), anything)[0])
        np.testing.assert_allclose(mass, expected, rtol=1e-7)


COUNTS = {
    "bernoulli": (lambda e, r: ppl.Bernoulli("y", logit_p=e), np.array([0, 1, 1])),
    "binomial": (lambda e, r: ppl.Binomial("y", np.array([3, 9, 4]), logit_p=e), np.array([0, 7, 4])),
    "negative binomial": (lambda e, r: ppl.NegativeBinomial("y", mu=pt.exp(e), alpha=r), np.array([0, 7, 2])),
    "logistic": (lambda e, r: ppl.Logistic("y", e, r), np.array([0.3, -2.2, 1.4])),
    "by probabilities": (lambda e, r: ppl.NegativeBinomial("y", n=r, p=1 / (1 + pt.exp(e) / r)), np.array([0, 7, 2])),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_mean_over_polya_gamma_variables_is_the_term(name):
    """The term is ``a - w psi^2 / 2``, and ``E exp(-w psi^2 / 2) = cosh(psi / 2)^-b`` for w of count b."""
    distribution, data = COUNTS[name]
    a, r = ppl.Normal("a", 0, 1), ppl.Gamma("r", 2, 1)
    x = np.array([0.4, -1.2, 2.0])
    lp = logprob(ppl.Model({distribution(0.3 + a * x, r): data, ppl.Normal("z", a, r): 0.3}))
    [auxiliary] = find_augmentations(lp, ["y"]).values()
    function = interpret([*lp.values.values(), auxiliary.variable], [lp.terms["y"], auxiliary.term])
    for at, size in ((0.7, 1.3), (-1.9, 4.2)):
        term, zero = function(np.asarray(at), np.asarray(size), np.zeros(3))
        one = function(np.asarray(at), np.asarray(size), np.ones(3))[1]
        count = {"bernoulli": np.ones(3), "binomial": np.array([3, 9, 4]), "logistic": 2.0}.get(name, data + size)
        psi = np.sqrt(-2 * (one - zero))
        np.testing.assert_allclose(zero - count * np.log(np.cosh(psi / 2)), term, rtol=1e-10)


@pytest.mark.parametrize("base", ["normal", "logarithm"])
def test_values_censored_at_bounds_of_their_own_on_both_sides(base):
    """Each hidden value integrates to the chance of its side, whatever the others are."""
    m, s = ppl.Normal("m", 0, 1), ppl.Gamma("s", 2, 1)
    lower, upper = np.array([0.3, 0.6, 0.2, 0.3]), np.array([1.0, 2.2, 3.1, 1.0])
    data = np.array([0.3, 2.2, 1.4, 1.0])
    inner = pm.Normal.dist(m, s) if base == "normal" else pm.LogNormal.dist(m, s)
    lp = logprob(ppl.Model({ppl.Censored("y", inner, lower=lower, upper=upper): data, ppl.Normal("z", m, s): 0.3}))
    [auxiliary] = find_augmentations(lp, ["y"]).values()
    function = interpret([*lp.values.values(), auxiliary.variable], [lp.terms["y"].sum(), auxiliary.term])
    at, size = np.asarray(0.4), np.asarray(0.8)

    def density(a, i):
        return float(np.exp(function(at, size, np.full(3, a))[1][i]))

    masses = [integrate.quad(density, 0, 40, args=(i,), limit=400, points=[1, 3])[0] for i in range(3)]
    total, terms = function(at, size, np.ones(3))
    np.testing.assert_allclose(np.log(masses).sum() + terms[3], total, rtol=1e-8)


def test_every_way_to_write_a_logistic_function():
    eta = pt.vector("eta", shape=(3,))
    mu, alpha = pt.exp(eta), pt.constant(2.6)
    written = {
        "sigmoid": (pt.sigmoid(eta), lambda e: e),
        "reciprocal": (1 / (1 + pt.exp(-eta)), lambda e: e),
        "quotient": (pt.exp(eta) / (1 + pt.exp(eta)), lambda e: e),
        "complement": (1 - pt.sigmoid(eta), lambda e: -e),
        "of rates": (alpha / (alpha + mu), lambda e: np.log(2.6) - e),
        "of logs": (pt.sigmoid(pt.log(3 * pt.exp(eta) / 2)), lambda e: np.log(1.5) + e),
    }
    value = np.array([-0.7, 0.3, 1.9])
    for name, (graph, expected) in written.items():
        found = logit_of(graph)
        assert found is not None, name
        np.testing.assert_allclose(interpret([eta], found)(value), expected(value), rtol=1e-6, err_msg=name)
    for graph in (pt.tanh(eta), pt.exp(-mu), mu / (2 + pt.exp(2 * eta)), pt.clip(pt.sigmoid(eta), 0.1, 0.9)):
        assert logit_of(graph) is None


def test_every_way_to_write_a_normal_distribution_function():
    eta = pt.vector("eta", shape=(3,))
    value = np.array([-0.7, 0.3, 1.9])
    root = np.sqrt(2)
    for graph in (
        pm.math.invprobit(eta),
        0.5 * (1 + pt.erf(eta / root)),
        (pt.erf(eta / root) + 1) / 2,
        1 - 0.5 * pt.erfc(eta / root),
        0.5 * (1 - pt.erf(-eta / root)),
    ):
        np.testing.assert_allclose(special.ndtr(interpret([eta], probit_of(graph))(value)), special.ndtr(value))
    assert probit_of(0.5 * (pt.erf(eta) - 1)) is None
    assert probit_of(pt.erf(eta)) is None


@pytest.mark.parametrize("case", [student_t, laplace, half_cauchy, probit], ids=lambda c: c.__name__)
@pytest.mark.parametrize("wrong", ["factor", "parameter", "auxiliary"])
def test_wrong_auxiliary_variables_are_rejected(case, wrong, monkeypatch):
    lp = of(case)
    rv = lp.graph.observed["y"][0]
    right = rules.RULES[type(rv.owner.op)]

    def mutated(name, value, parameters):
        auxiliary = right(name, value, parameters)
        extra = {
            "factor": 0.1,
            "parameter": 0.1 * parameters[-1],
            "auxiliary": 0.1 * pt.log(auxiliary.variable),
        }[wrong]
        return replace(auxiliary, term=auxiliary.term + extra)

    assert find_augmentations(lp, ["y"])
    monkeypatch.setitem(rules.RULES, type(rv.owner.op), mutated)
    assert not find_augmentations(lp, ["y"])


def test_a_wrong_law_is_rejected(monkeypatch):
    a = ppl.Normal("a", 0, 1)
    lp = logprob(ppl.Model({ppl.Bernoulli("y", logit_p=a * np.array([1.0, 0.4])): [1, 0]}))
    [rv, _] = lp.graph.observed["y"]
    right = rules.RULES[type(rv.owner.op)]

    def mutated(name, value, parameters):
        auxiliary = right(name, value, parameters)
        law = replace(
            auxiliary.law, parameters={**auxiliary.law.parameters, "tilt": 0.5 * auxiliary.law.parameters["tilt"]}
        )
        return replace(auxiliary, law=law)

    assert find_augmentations(lp, ["y"])
    monkeypatch.setitem(rules.RULES, type(rv.owner.op), mutated)
    assert not find_augmentations(lp, ["y"])


def test_what_has_no_auxiliary_variables():
    m, s = ppl.Normal("m", 0, 1), ppl.Gamma("s", 2, 1)
    k = ppl.Bernoulli("k", 0.3)
    model = {
        ppl.Normal("u", m, s): 0.3,
        ppl.StudentT("v", nu=3, mu=m + k, sigma=s): 0.2,
        ppl.Bernoulli("w", p=pt.exp(-s)): 1,
        ppl.Censored("x", pm.Poisson.dist(s), lower=None, upper=3): np.array([0, 2, 3]),
        ppl.Censored("r", pm.Weibull.dist(1.6, s), lower=None, upper=1.7): np.array([0.3, 1.7]),
    }
    lp = logprob(ppl.Model(model))
    assert "k" in lp.summed
    assert find_augmentations(lp, [*lp.terms, "nothing"]) == {}
