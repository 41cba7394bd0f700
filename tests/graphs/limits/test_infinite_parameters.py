"""Densities whose parameters are infinite or no number for some state: SciPy's limits, and gradients without NaN.

Answers: SciPy's densities in the limit, and the enumeration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.scalar as ps
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from scipy import stats

import ppl
from graphs.joint.logprob import logprob
from graphs.log_scale.arithmetic import is_elementwise
from tests.laws.sums import evaluator

P, Z = 0.37, 0.3

type Case = tuple[Callable[[Any], Any], float, Callable[[float], float], float]

CASES: dict[str, Case] = {
    "exponential rate": (
        lambda q: pm.Exponential.dist(q),
        0.7,
        lambda q: stats.expon(scale=1 / q).logpdf(0.7),
        -np.inf,
    ),
    "exponential scale": (
        lambda q: pm.Exponential.dist(scale=1 / q),
        0.7,
        lambda q: stats.expon(scale=1 / q).logpdf(0.7),
        -np.inf,
    ),
    "gamma rate": (lambda q: pm.Gamma.dist(2.0, q), 0.7, lambda q: stats.gamma(2, scale=1 / q).logpdf(0.7), -np.inf),
    "gamma shape": (lambda q: pm.Gamma.dist(q, 1.0), 0.7, lambda q: stats.gamma(q).logpdf(0.7), -np.inf),
    "inverse gamma": (
        lambda q: pm.InverseGamma.dist(2.0, q),
        0.7,
        lambda q: stats.invgamma(2, scale=q).logpdf(0.7),
        -np.inf,
    ),
    "beta": (lambda q: pm.Beta.dist(q, 2.0), 0.7, lambda q: stats.beta(q, 2).logpdf(0.7), -np.inf),
    "weibull shape": (
        lambda q: pm.Weibull.dist(q, 1.5),
        0.7,
        lambda q: stats.weibull_min(q, scale=1.5).logpdf(0.7),
        -np.inf,
    ),
    "logistic mean": (lambda q: pm.Logistic.dist(q, 1.0), 0.7, lambda q: stats.logistic(q).logpdf(0.7), -np.inf),
    "gumbel mean": (lambda q: pm.Gumbel.dist(q, 1.0), 0.7, lambda q: stats.gumbel_r(q).logpdf(0.7), -np.inf),
    "half normal scale": (
        lambda q: pm.HalfNormal.dist(1 / q),
        0.7,
        lambda q: stats.halfnorm(scale=1 / q).logpdf(0.7),
        -np.inf,
    ),
    "poisson mean": (lambda q: pm.Poisson.dist(q), 3, lambda q: stats.poisson(q).logpmf(3), -np.inf),
    "zero-inflated poisson": (
        lambda q: pm.ZeroInflatedPoisson.dist(0.6, q),
        0,
        lambda q: np.log(0.4 + 0.6 * np.exp(-q)),
        np.log(0.4),
    ),
    "student": (
        lambda q: pm.StudentT.dist(nu=q, mu=0.1, sigma=1.2),
        0.7,
        lambda q: stats.t(q, 0.1, 1.2).logpdf(0.7),
        stats.norm(0.1, 1.2).logpdf(0.7),
    ),
    "negative binomial": (
        lambda q: pm.NegativeBinomial.dist(mu=1.5, alpha=q),
        3,
        lambda q: stats.nbinom(q, q / (1.5 + q)).logpmf(3),
        stats.poisson(1.5).logpmf(3),
    ),
    "truncated normal": (
        lambda q: pm.TruncatedNormal.dist(0.0, q, lower=-1.0, upper=1.5),
        0.7,
        lambda q: stats.truncnorm(-1 / q, 1.5 / q, scale=q).logpdf(0.7),
        -np.log(2.5),
    ),
    "function of one": (
        lambda q: pt.exp(pm.Exponential.dist(q)),
        np.e,
        lambda q: stats.expon(scale=1 / q).logpdf(1.0) - 1.0,
        -np.inf,
    ),
    "censored": (
        lambda q: pm.Censored.dist(pm.Exponential.dist(q), None, 2.0),
        0.7,
        lambda q: stats.expon(scale=1 / q).logpdf(0.7),
        -np.inf,
    ),
}
"""A distribution of q, a value, its log-density at q, and the limit for an infinite one."""


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore::pymc.distributions.mixture.MixtureTransformWarning")
@pytest.mark.parametrize("name", CASES)
def test_the_limit_counts_in_the_sum_over_states(name: str) -> None:
    distribution, value, exact, limit = CASES[name]
    p, z = ppl.Uniform("p", 0, 1), ppl.Bernoulli("z", Z)
    y = distribution(p / z)
    y.name = "y"
    found, gradient = evaluator(logprob(ppl.Model({y: value})), with_gradient=True)({"p": np.float64(P)})
    rest = np.log1p(-Z) + limit

    def total(at: float) -> float:
        return float(np.logaddexp(np.log(Z) + exact(at), rest))

    np.testing.assert_allclose(found, total(P), rtol=1e-10)
    slope = (total(P + 1e-5) - total(P - 1e-5)) / 2e-5
    np.testing.assert_allclose(gradient["p"], slope, rtol=1e-6)


def test_a_component_without_a_rate_for_a_number_in_data() -> None:
    """Against the other component alone where the first is infinitely fast."""
    p, times = ppl.Uniform("p", 0, 1), np.array([0.0, 2.0])
    components = [pm.Exponential.dist(p / times), pm.Gamma.dist(2.0, 1.0, shape=2)]
    model = ppl.Model({ppl.Mixture("y", w=[0.3, 0.7], comp_dists=components): np.array([0.4, 0.9])})
    found, gradient = evaluator(logprob(model), with_gradient=True)({"p": np.float64(P)})
    gamma = np.log(0.7) + stats.gamma(2).logpdf([0.4, 0.9])
    fast = np.log(0.3) + np.log(P / 2) - P / 2 * 0.9
    np.testing.assert_allclose(found, gamma[0] + np.logaddexp(fast, gamma[1]), rtol=1e-12)
    share = np.exp(fast - np.logaddexp(fast, gamma[1]))
    np.testing.assert_allclose(gradient["p"], share * (1 / P - 0.45), rtol=1e-10)


def test_zero_over_zero_in_a_state_without_weight() -> None:
    p, z = ppl.Uniform("p", 0, 1), ppl.Categorical("z", [0.0, 0.4, 0.6])
    rate = p * z / (z * (3 - z))
    found, gradient = evaluator(logprob(ppl.Model({ppl.Exponential("y", rate): 0.7})), True)({"p": np.float64(P)})
    parts = np.array([np.log(w) + np.log(P / d) - P / d * 0.7 for w, d in ((0.4, 2.0), (0.6, 1.0))])
    np.testing.assert_allclose(found, np.logaddexp(*parts), rtol=1e-12)
    weights = np.exp(parts - np.logaddexp(*parts))
    np.testing.assert_allclose(gradient["p"], weights @ [1 / P - 0.35, 1 / P - 0.7], rtol=1e-10)


def test_many_variables_of_the_same_form() -> None:
    p, z = ppl.Uniform("p", 0, 1), ppl.Bernoulli("z", Z, size=25)
    model = ppl.Model({ppl.Exponential(f"y{k}", p / z[k]): 0.7 for k in range(25)})
    found, gradient = evaluator(logprob(model), with_gradient=True)({"p": np.float64(P)})
    np.testing.assert_allclose(found, 25 * (np.log(Z) + np.log(P) - 0.7 * P), rtol=1e-12)
    np.testing.assert_allclose(gradient["p"], 25 * (1 / P - 0.7), rtol=1e-10)


def test_parameters_that_are_finite_leave_densities_as_they_are() -> None:
    z = ppl.Bernoulli("z", Z)
    rate = ppl.HalfNormal("rate", 1.0, size=2)
    model = ppl.Model({ppl.Gamma("y", 2.0, 1 / rate[z]): 0.7, ppl.Poisson("n", rate[0] * z): 0})
    assert not any(is_elementwise(v, ps.IsNan) for v in ancestors(logprob(model, marginalize=False).terms.values()))


@pytest.mark.parametrize(("animals", "steps"), [(5, 3), (3, 3)])
def test_chains_of_several_animals_that_die_for_good(animals: int, steps: int) -> None:
    """A zero among the transitions is a limit of every step; by enumeration of the states of each animal."""
    phi, p = ppl.Beta("phi", 2, 1), ppl.Beta("p", 1, 2)
    transitions = pt.stack([pt.stack([phi, 1 - phi]), pt.as_tensor([0.0, 1.0])])
    state = ppl.MarkovChain("state", transitions, np.tile([1.0, 0.0], (animals, 1)), steps=steps)
    data = (np.random.default_rng(animals).random((animals, steps)) < 0.4).astype(int)
    joint = logprob(ppl.Model({ppl.Bernoulli("seen", p * pt.eq(state, 0)): data}))
    stays, is_seen = 0.7, 0.4
    expected = stats.beta.logpdf(stays, 2, 1) + stats.beta.logpdf(is_seen, 1, 2)
    for row in data:
        total = 0.0
        # An animal is alive for so many steps, at least one.
        for alive in range(1, steps + 1):
            weight = stays ** (alive - 1) * (1.0 if alive == steps else 1 - stays)
            total += weight * np.prod(np.where(row[:alive], is_seen, 1 - is_seen)) * (not row[alive:].any())
        expected += np.log(total)
    found = joint.total.eval({joint.values["phi"]: np.asarray(stays), joint.values["p"]: np.asarray(is_seen)})
    assert found == pytest.approx(expected, rel=1e-12)
