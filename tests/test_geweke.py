"""Whole Gibbs sweeps against the prior: the successive-conditional simulator of Geweke (2004).

In a model without observations parameters and data are drawn in turn, each given the other, by the laws and auxiliary
variables that would serve if the data were known. Whatever is wrong in one of them, the parameters are then no longer
distributed like their prior, which is known in closed form (Geweke, Getting it right, JASA 99, theorem 2).

Each parameter is mapped to (0, 1) by its distribution function. The mean of that and its variance, and how often it is
below 0.1, must be those of a uniform variable within 4.5 Monte Carlo errors, estimated from effective sample sizes: one
false alarm in 150,000 cases, in about a hundred comparisons.

Answers: the prior, in closed form.
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
from tests.laws.plans import assert_is_uniform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
X = np.random.default_rng(4).normal(size=(6, 2))
NORMAL, SCALE = stats.norm(), np.array([[1.2, 0.4], [0.4, 0.7]])
Case = tuple[ppl.Model, dict[str, Any]]
"""A model, and the distribution of what is compared."""


def two_coefficients() -> Any:
    return ppl.Normal("b", 0, 1, size=2)


def logistic() -> Case:
    return ppl.Model(ppl.Bernoulli("y", logit_p=X @ two_coefficients(), size=6)), {"b": NORMAL}


def binomial() -> Case:
    return ppl.Model(ppl.Binomial("y", 3, logit_p=X @ two_coefficients(), size=6)), {"b": NORMAL}


def negative_binomial() -> Case:
    return ppl.Model(ppl.NegativeBinomial("y", mu=pt.exp(X @ two_coefficients()), alpha=2.3, size=6)), {"b": NORMAL}


def probit() -> Case:
    return ppl.Model(ppl.Bernoulli("y", p=pm.math.invprobit(X @ two_coefficients()), size=6)), {"b": NORMAL}


def student_t() -> Case:
    sigma = ppl.HalfCauchy("sigma", 0.7)
    y = ppl.StudentT("y", nu=4, mu=X @ two_coefficients(), sigma=sigma, size=6)
    return ppl.Model(y), {"b": NORMAL, "sigma": stats.halfcauchy(scale=0.7)}


def laplace() -> Case:
    y = ppl.Laplace("y", X @ two_coefficients(), 0.8, size=6)
    return ppl.Model(y), {"b": NORMAL}


def quantiles() -> Case:
    y = ppl.AsymmetricLaplace("y", b=1.3, kappa=0.7, mu=X @ two_coefficients(), size=6)
    return ppl.Model(y), {"b": NORMAL}


def hierarchy_with_half_t_scales() -> Case:
    tau = ppl.HalfStudentT("tau", nu=3, sigma=1.0)
    mu = ppl.Normal("mu", 0, 1)
    theta = ppl.Normal("theta", mu, tau, size=4)
    return ppl.Model(ppl.Normal("y", theta, 0.8, size=(3, 4))), {"mu": NORMAL, "tau": stats.t(3)}


def precisions_and_a_joint_block() -> Case:
    tau_a, tau_c = ppl.Gamma("tau_a", 2.2, 1.3), ppl.Gamma("tau_c", 3.1, 1.7)
    centre = ppl.Normal("centre", 0, 1)
    a = ppl.Normal("a", centre, tau=tau_a, size=5)
    y = ppl.Normal("y", a[:, None], tau=tau_c, size=(5, 3))
    priors = {"tau_a": stats.gamma(2.2, scale=1 / 1.3), "tau_c": stats.gamma(3.1, scale=1 / 1.7), "centre": NORMAL}
    return ppl.Model(y), priors


def random_walk() -> Case:
    drift, noise = ppl.InverseGamma("drift", 3.0, 1.2), ppl.InverseGamma("noise", 2.5, 0.9)
    start = pm.Normal.dist(0, 1)
    level = ppl.GaussianRandomWalk("level", sigma=pt.sqrt(drift), init_dist=start, steps=29)
    priors = {"drift": stats.invgamma(3.0, scale=1.2), "noise": stats.invgamma(2.5, scale=0.9)}
    return ppl.Model(ppl.Normal("y", level, pt.sqrt(noise))), priors


def standard_deviations() -> Case:
    sigma, bounded = ppl.HalfNormal("sigma", 1.1), ppl.Uniform("bounded", 0.2, 1.9)
    y = ppl.Normal("y", ppl.Normal("mu", 0, 1), sigma, size=4)
    z = ppl.Normal("z", 0, bounded, size=3)
    return ppl.Model(y, z), {"sigma": stats.halfnorm(scale=1.1), "bounded": stats.uniform(0.2, 1.7), "mu": NORMAL}


def precision_matrix() -> Case:
    tau, mu = ppl.Wishart("tau", 4, SCALE), ppl.Normal("mu", 0, 1, size=2)
    return ppl.Model(ppl.MvNormal("y", mu, tau=tau, size=3)), {"mu": NORMAL, "tau": stats.chi2(4)}


def covariance_matrix() -> Case:
    cov, mu = ppl.InverseWishart("cov", 5.5, SCALE), ppl.Normal("mu", 0, 1, size=2)
    return ppl.Model(ppl.MvNormal("y", mu, cov, size=3)), {"mu": NORMAL, "cov": stats.invgamma(2.25)}


def labels() -> Case:
    w, mu = ppl.Dirichlet("w", np.array([2.0, 3.0])), ppl.Normal("mu", 0, 1, size=2)
    k = ppl.Categorical("k", w, size=6)
    return ppl.Model(ppl.Normal("y", mu[k], 0.9)), {"mu": NORMAL, "w": stats.beta(2, 3)}


def rates_and_counts() -> Case:
    rate = ppl.Gamma("rate", 2.1, 1.4)
    n = ppl.Poisson("n", rate, size=3)
    return ppl.Model(ppl.Binomial("y", n, 0.4)), {"rate": stats.gamma(2.1, scale=1 / 1.4)}


CASES: list[Callable[[], Case]] = [
    logistic,
    binomial,
    negative_binomial,
    probit,
    student_t,
    laplace,
    quantiles,
    hierarchy_with_half_t_scales,
    precisions_and_a_joint_block,
    random_walk,
    standard_deviations,
    precision_matrix,
    covariance_matrix,
    labels,
    rates_and_counts,
]


def compared(name: str, draws: np.ndarray) -> np.ndarray:
    """Return what has the distribution named: of matrices a scaled diagonal element, of weights the first."""
    if name in ("tau", "cov") and draws.ndim == 4:
        return draws[..., :1, 0] / (SCALE[0, 0] if name == "tau" else 0.5 * SCALE[0, 0])
    if name == "w":
        return draws[..., :1]
    return draws.reshape(*draws.shape[:2], -1)


@pytest.mark.parametrize("case", CASES)
def test_parameters_keep_their_prior(case: Callable[[], Case]) -> None:
    model, priors = case()
    plan = ppl.plan(model, sampler="gibbs", marginalize=False)
    assert {a.method for a in plan.assignments} == {"gibbs"}, str(plan)
    trace = ppl.sample(
        model, sampler="gibbs", marginalize=False, draws=20_000, tune=500, chains=2, seed=9, thin=3, progress=False
    )
    for name, prior in priors.items():
        draws = compared(name, trace.posterior[name].to_numpy())
        if name == "tau" and case is hierarchy_with_half_t_scales:
            uniform = 2.0 * prior.cdf(draws) - 1.0
        else:
            uniform = prior.cdf(draws)
        assert_is_uniform(uniform, name)
