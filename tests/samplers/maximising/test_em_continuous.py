"""EM over continuous latent variables: against likelihoods in closed form, their gradients, and the steps by hand.

Answers: likelihoods in closed form, and the algorithms by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
import samplers
from graphs.conditional.quadratic.blocks import block_normal_law
from graphs.errors import DerivationError, ModelError
from graphs.expectation.continuous import average
from graphs.surgery.interpreting import interpret
from tests.laws.conditionals import assert_is_full_conditional
from tests.laws.operations import differences

RNG = np.random.default_rng(8)
FACTORS = RNG.normal(size=(4, 1))
WIDE = RNG.normal(size=(60, 1)) @ FACTORS.T + RNG.normal(size=(60, 4)) * np.array([0.5, 0.7, 0.9, 0.6]) + 1.0
X = np.column_stack([np.ones(50), RNG.normal(size=50)])
HEAVY = X @ [1.0, 2.0] + 0.5 * RNG.standard_t(4.0, 50)
GROUP = np.arange(48) % 8
GROUPED = 1.0 + RNG.normal(size=8)[GROUP] + 0.5 * RNG.normal(size=48)
COUNTS = RNG.poisson(RNG.gamma(2.0, 1.5, size=30))
SERIES = np.cumsum(0.4 * RNG.normal(size=12)) + 0.5 * RNG.normal(size=12)


class Case(NamedTuple):
    """A model, its latent variables, and the exact log-likelihood of its parameters."""

    model: Any
    latent: list[str]
    likelihood: Callable[..., float]


def factor_analysis() -> Case:
    w, mu, psi = ppl.Flat("w", size=(4, 1)), ppl.Flat("mu", size=4), ppl.HalfFlat("psi", size=4)
    z = ppl.Normal("z", 0, 1, size=(60, 1))
    model = ppl.Model({ppl.Normal("y", mu + pt.dot(z, w.T), pt.sqrt(psi)): WIDE})

    def likelihood(w: Any, mu: Any, psi: Any) -> float:
        return stats.multivariate_normal.logpdf(WIDE, mu, w @ w.T + np.diag(psi)).sum()

    return Case(model, ["z"], likelihood)


def robust_regression() -> Case:
    b, s2 = ppl.Normal("b", 0, 10, size=2), ppl.InverseGamma("s2", 2.0, 1.0)
    lam = ppl.Gamma("lam", 2.0, 2.0, size=50)
    model = ppl.Model({ppl.Normal("y", pt.dot(X, b), pt.sqrt(s2 / lam)): HEAVY})
    return Case(model, ["lam"], lambda b, s2: stats.t.logpdf(HEAVY, 4.0, X @ b, np.sqrt(s2)).sum())


def scales_instead_of_weights() -> Case:
    """The same with variances that are inverse gamma."""
    b, s2 = ppl.Normal("b", 0, 10, size=2), ppl.InverseGamma("s2", 2.0, 1.0)
    u = ppl.InverseGamma("u", 2.0, 2.0, size=50)
    model = ppl.Model({ppl.Normal("y", pt.dot(X, b), pt.sqrt(s2 * u)): HEAVY})
    return Case(model, ["u"], lambda b, s2: stats.t.logpdf(HEAVY, 4.0, X @ b, np.sqrt(s2)).sum())


def random_effects() -> Case:
    mu, t2, s2 = ppl.Normal("mu", 0, 10), ppl.InverseGamma("t2", 2.0, 1.0), ppl.InverseGamma("s2", 2.0, 1.0)
    a = ppl.Normal("a", 0, pt.sqrt(t2), size=8)
    model = ppl.Model({ppl.Normal("y", mu + a[GROUP], pt.sqrt(s2)): GROUPED})
    z = (GROUP[:, None] == np.arange(8)) * 1.0

    def likelihood(mu: Any, t2: Any, s2: Any) -> float:
        return stats.multivariate_normal.logpdf(GROUPED, np.full(48, mu), t2 * z @ z.T + s2 * np.eye(48))

    return Case(model, ["a"], likelihood)


def overdispersed_counts() -> Case:
    """A negative binomial: the rate of the mixing gamma has a gamma law."""
    rate = ppl.Gamma("rate", 1.5, 1.0)
    lam = ppl.Gamma("lam", 2.0, rate, size=30)
    model = ppl.Model({ppl.Poisson("y", lam): COUNTS})
    return Case(model, ["lam"], lambda rate: stats.nbinom.logpmf(COUNTS, 2.0, rate / (1 + rate)).sum())


def random_walk() -> Case:
    """All elements of the latent variable depend on each other."""
    q2, s2 = ppl.InverseGamma("q2", 2.0, 1.0), ppl.InverseGamma("s2", 2.0, 1.0)
    steps = ppl.Normal("steps", 0, pt.sqrt(q2), size=12)
    model = ppl.Model({ppl.Normal("y", pt.cumsum(steps), pt.sqrt(s2)): SERIES})
    lower = np.tril(np.ones((12, 12)))

    def likelihood(q2: Any, s2: Any) -> float:
        return stats.multivariate_normal.logpdf(SERIES, np.zeros(12), q2 * lower @ lower.T + s2 * np.eye(12))

    return Case(model, ["steps"], likelihood)


CASES = [
    factor_analysis,
    robust_regression,
    scales_instead_of_weights,
    random_effects,
    overdispersed_counts,
    random_walk,
]


# One is compiled to C; what Numba compiles are the steps by hand, below.
@pytest.mark.usefixtures("few_calls")
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_ends_at_a_stationary_point_of_the_exact_likelihood(case):
    model, latent, likelihood = case()
    backend = "c" if case is overdispersed_counts else "numba"
    options = {"restarts": 2, "tolerance": 1e-14, "max_iterations": 5000, "backend": backend}
    result = samplers.em(model, latent, objective="likelihood", seed=1, **options)
    assert result.is_converged
    assert (np.diff(result.trace) >= -1e-9).all()
    np.testing.assert_allclose(result.trace[-1], likelihood(**result.point), rtol=1e-10)
    for name in result.point:
        value = differences(likelihood, result.point, name, 1e-5)
        np.testing.assert_allclose(value, 0, atol=2e-3, err_msg=name)
    assert result.means[latent[0]].shape == model.graph.latent[latent[0]].type.shape
    assert not result.responsibilities


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_robust_regression_takes_the_steps_of_reweighted_least_squares(backend):
    case = robust_regression()
    start = {"b": np.array([0.5, 1.0]), "s2": np.asarray(1.5)}
    result = samplers.em(
        case.model, case.latent, init=start, max_iterations=4, tolerance=0, objective="likelihood", backend=backend
    )
    b, s2 = start["b"], start["s2"]
    trace = []
    for _ in range(5):
        trace.append(case.likelihood(b, s2))
        weights = 5.0 / (4.0 + (HEAVY - X @ b) ** 2 / s2)
        last = b, s2
        b = np.linalg.solve((weights * X.T) @ X, (weights * X.T) @ HEAVY)
        s2 = np.mean(weights * (HEAVY - X @ b) ** 2)
    np.testing.assert_allclose(result.trace, trace, rtol=1e-10)
    np.testing.assert_allclose(result.point["b"], last[0], rtol=1e-9)
    np.testing.assert_allclose(result.point["s2"], last[1], rtol=1e-9)
    np.testing.assert_allclose(result.means["lam"], weights, rtol=1e-9)


@pytest.mark.usefixtures("few_calls")
def test_posterior_mode_of_a_hierarchy():
    """The objective includes the priors of the parameters, and its gradient vanishes."""
    case = random_effects()
    result = samplers.em(case.model, case.latent, seed=1, tolerance=1e-15, max_iterations=5000)

    def posterior(mu: Any, t2: Any, s2: Any) -> float:
        priors = stats.norm.logpdf(mu, 0, 10) + stats.invgamma.logpdf([t2, s2], 2.0, scale=1.0).sum()
        return case.likelihood(mu, t2, s2) + priors

    np.testing.assert_allclose(result.trace[-1], posterior(**result.point), rtol=1e-10)
    for name in result.point:
        value = differences(posterior, result.point, name, 1e-5)
        np.testing.assert_allclose(value, 0, atol=2e-3)


@pytest.mark.parametrize("case", [factor_analysis, random_effects, overdispersed_counts, random_walk])
def test_expectation_is_linear_in_features(case):
    """At the features of known values the expected log-probability is the joint one."""
    model, latent, _ = case()
    lp = graphs.logprob(model)
    supports: Any = {v: lp.supports[n] for n, v in lp.values.items()}
    found = average(lp.total, {n: lp.values[n] for n in latent}, supports)
    rng = np.random.default_rng(2)
    values = {n: np.abs(rng.normal(size=v.type.shape)) + 0.5 for n, v in lp.values.items()}
    at = interpret(list(lp.values.values()), [lp.total, *found.at_points])(*values.values())
    names = [n for n in lp.values if n not in latent]
    inputs = [*(lp.values[n] for n in names), *found.features]
    [expected] = interpret(inputs, [found.expected])(*(values[n] for n in names), *at[1:])
    if case in (overdispersed_counts,):
        np.testing.assert_allclose(expected, at[0], rtol=1e-10)
        return
    # Normal variables are given a covariance of one: the expectation falls by half the trace of the precision.
    law = found.laws[latent[0]]
    [precision] = interpret([lp.values[n] for n in names], [law.parameters["precision"]])(*(values[n] for n in names))
    blocks = getattr(law, "num_blocks", 1) if len(precision) == 1 else 1
    trace = np.trace(precision, axis1=-2, axis2=-1).sum() * blocks
    np.testing.assert_allclose(expected, at[0] - 0.5 * trace, rtol=1e-10)


def test_block_normal_is_the_full_conditional():
    lp = graphs.logprob(factor_analysis().model)
    for name, count in (("z", 60), ("w", 4), ("mu", 4)):
        law = block_normal_law(lp.total, lp.values[name], {v: lp.supports[n] for n, v in lp.values.items()})
        assert law is not None
        assert (law.num_blocks, law.size) == (count, 1)
        assert_is_full_conditional(lp.logdensity, lp.values[name], law)


def logistic() -> Any:
    z = ppl.Normal("z", ppl.Normal("m", 0, 1), 1, size=5)
    return ppl.Model({ppl.Bernoulli("y", logit_p=z): np.array([0, 1, 1, 0, 1])})


def crossed() -> Any:
    a, c = ppl.Normal("a", 0, 1, size=3), ppl.Normal("c", 0, 1, size=2)
    mean = a[np.array([0, 1, 2, 0, 1])] + c[np.array([0, 1, 0, 1, 0])]
    return ppl.Model({ppl.Normal("y", mean, pt.sqrt(ppl.InverseGamma("s2", 2, 1))): np.arange(5.0)})


def contaminated() -> Any:
    k, lam = ppl.Bernoulli("k", 0.3, size=5), ppl.Gamma("lam", 2.0, 2.0, size=5)
    m = ppl.Normal("m", 0, 3, size=2)
    return ppl.Model({ppl.Normal("y", m[k], 1.0 / pt.sqrt(lam)): np.arange(5.0)})


@pytest.mark.parametrize(
    ("case", "latent", "error", "message"),
    [
        (logistic, ["z"], DerivationError, "The latent variable z has no law.*conjugate"),
        (crossed, ["a", "c"], DerivationError, "law of a given the parameters depends on c.*one variable"),
        (contaminated, ["k", "lam"], ModelError, "k and lam are discrete and continuous"),
        (logistic, ["x"], ModelError, "'x' is no latent variable of the model; these are"),
        (logistic, None, ModelError, "name continuous ones in `latent`"),
    ],
)
def test_bad_input(case, latent, error, message):
    with pytest.raises(error, match=message):
        samplers.em(case(), latent)
