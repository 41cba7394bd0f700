"""Full conditionals of conjugate models, built from PyMC's distributions, under the law test.

Answers: the joint log-density (tests/laws).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from graphs.conditional import find_conditional
from graphs.density import LogDensity
from graphs.supports import POSITIVE, REAL, SIMPLEX, UNIT, integers
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import assert_is_full_conditional

rng = np.random.default_rng(20)
DATA = rng.normal(1.3, 2.2, size=7)
COUNTS = rng.poisson(3.0, size=7)
GROUP = np.array([0, 2, 1, 1, 0, 2, 2])


def normal_normal() -> LogDensity:
    mu = pm.Normal.dist(0.7, 2.5)
    return joint({"mu": (mu, REAL)}, {pm.Normal.dist(mu, 1.4, shape=7): DATA})


def normal_precision() -> LogDensity:
    mu, tau = pm.Normal.dist(0.7, 2.5), pm.Gamma.dist(1.7, 2.3)
    return joint({"mu": (mu, REAL), "tau": (tau, POSITIVE)}, {pm.Normal.dist(mu, tau=tau, shape=7): DATA})


def normal_variance() -> LogDensity:
    mu, v = pm.Normal.dist(0.7, 2.5), pm.InverseGamma.dist(1.7, 2.3)
    return joint({"mu": (mu, REAL), "v": (v, POSITIVE)}, {pm.Normal.dist(mu, pt.sqrt(v), shape=7): DATA})


def normal_gamma() -> LogDensity:
    tau = pm.Gamma.dist(1.7, 2.3)
    mu = pm.Normal.dist(0.7, tau=3.2 * tau)
    return joint({"tau": (tau, POSITIVE), "mu": (mu, REAL)}, {pm.Normal.dist(mu, tau=tau, shape=7): DATA})


def gamma_poisson() -> LogDensity:
    exposure = np.array([0.4, 2.0, 3.1, 0.7, 1.9, 5.5, 2.2])
    rate = pm.Gamma.dist(1.7, 2.3)
    return joint({"rate": (rate, POSITIVE)}, {pm.Poisson.dist(rate * exposure): COUNTS})


def gamma_exponential() -> LogDensity:
    rate = pm.Exponential.dist(2.3)
    return joint({"rate": (rate, POSITIVE)}, {pm.Exponential.dist(rate, shape=7): np.abs(DATA)})


def gamma_of_gamma_rate() -> LogDensity:
    b = pm.Gamma.dist(2.2, 0.6)
    a = pm.Gamma.dist(1.7, b, shape=3)
    return joint({"b": (b, POSITIVE), "a": (a, POSITIVE)}, {pm.Gamma.dist(2.9, a[GROUP]): np.abs(DATA)})


def weibull_scale() -> LogDensity:
    beta = pm.InverseGamma.dist(2.2, 0.6)
    return joint({"beta": (beta, POSITIVE)}, {pm.Weibull.dist(1.0, beta, shape=7): np.abs(DATA)})


def pareto_shape() -> LogDensity:
    alpha = pm.Gamma.dist(2.2, 0.6)
    return joint({"alpha": (alpha, POSITIVE)}, {pm.Pareto.dist(alpha, 0.5, shape=7): 0.6 + np.abs(DATA)})


def beta_bernoulli() -> LogDensity:
    p = pm.Beta.dist(1.7, 2.3)
    return joint({"p": (p, UNIT)}, {pm.Bernoulli.dist(p, shape=7): COUNTS % 2})


def beta_binomial() -> LogDensity:
    p = pm.Beta.dist(1.7, 2.3, shape=3)
    return joint({"p": (p, UNIT)}, {pm.Binomial.dist(12, p[GROUP]): COUNTS})


def uniform_binomial() -> LogDensity:
    p = pm.Uniform.dist(0, 1)
    return joint({"p": (p, UNIT)}, {pm.Binomial.dist(12, p, shape=7): COUNTS})


def beta_geometric() -> LogDensity:
    p = pm.Beta.dist(1.7, 2.3)
    return joint({"p": (p, UNIT)}, {pm.Geometric.dist(p, shape=7): COUNTS + 1})


def dirichlet_categorical() -> LogDensity:
    p = pm.Dirichlet.dist(np.array([1.7, 2.3, 0.8]))
    return joint({"p": (p, SIMPLEX)}, {pm.Categorical.dist(p, shape=7): GROUP})


def dirichlet_multinomial() -> LogDensity:
    p = pm.Dirichlet.dist(np.array([1.7, 2.3, 0.8]))
    return joint({"p": (p, SIMPLEX)}, {pm.Multinomial.dist(9, p, shape=(2, 3)): np.array([[2, 3, 4], [1, 0, 8]])})


def dirichlet_rows() -> LogDensity:
    p = pm.Dirichlet.dist(np.array([1.7, 2.3, 0.8]), shape=(2, 3))
    return joint({"p": (p, SIMPLEX)}, {pm.Categorical.dist(p[GROUP % 2]): GROUP})


def children_of_different_kinds() -> LogDensity:
    tau = pm.Gamma.dist(1.7, 2.3)
    children = {
        pm.Normal.dist(0.4, tau=tau, shape=7): DATA,
        pm.Poisson.dist(2.7 * tau, shape=7): COUNTS,
        pm.Exponential.dist(tau): 0.83,
        pm.Gamma.dist(2.6, tau): 1.31,
        pm.Laplace.dist(0.2, 1 / tau, shape=7): DATA,
    }
    return joint({"tau": (tau, POSITIVE)}, children)


def group_effects() -> LogDensity:
    mean, v = pm.Normal.dist(0.7, 2.5), pm.InverseGamma.dist(1.7, 2.3)
    a = pm.Normal.dist(mean, pt.sqrt(v), shape=3)
    slope = pm.Normal.dist(0.3, 1.6)
    predictor = 0.6 + a[GROUP] + slope * np.linspace(-1.2, 1.9, 7)
    w = pm.Gamma.dist(2.2, 0.6)
    latent = {"mean": (mean, REAL), "v": (v, POSITIVE), "a": (a, REAL), "slope": (slope, REAL), "w": (w, POSITIVE)}
    return joint(latent, {pm.Normal.dist(predictor, 1 / pt.sqrt(w)): DATA})


def mixture() -> LogDensity:
    p = pm.Dirichlet.dist(np.array([1.7, 2.3, 0.8]))
    k = pm.Categorical.dist(p, shape=7)
    mu = pm.Normal.dist(0.7, 2.5, shape=3)
    v = pm.InverseGamma.dist(1.7, 2.3, shape=3)
    latent = {"p": (p, SIMPLEX), "k": (k, integers(0, 2)), "mu": (mu, REAL), "v": (v, POSITIVE)}
    return joint(latent, {pm.Normal.dist(mu[k], pt.sqrt(v[k])): DATA})


def mixture_of_scales() -> LogDensity:
    k = pm.Categorical.dist(np.array([0.2, 0.5, 0.3]), shape=(2, 4))
    tau = pm.Gamma.dist(1.7, 2.3, shape=3)
    latent = {"k": (k, integers(0, 2)), "tau": (tau, POSITIVE)}
    return joint(latent, {pm.Normal.dist(0.3, tau=tau[k], shape=(2, 4)): rng.normal(size=(2, 4))})


def parents_of_parents() -> LogDensity:
    a = pm.Normal.dist(0.7, 2.5)
    b = pm.Normal.dist(2.2 * a - 0.3, 1.3)
    c = pm.Normal.dist(b / 1.7, 0.6)
    return joint({"a": (a, REAL), "b": (b, REAL), "c": (c, REAL)}, {pm.Normal.dist(c + a, 1.2, shape=7): DATA})


def deterministic_algebra() -> LogDensity:
    tau = pm.Gamma.dist(1.7, 2.3)
    mu = pm.Normal.dist(0.7, 2.5)
    shifted = -(1.4 - 3.0 * mu) / 2.0
    scale = 1.0 / pt.sqrt(4.0 * tau)
    return joint({"tau": (tau, POSITIVE), "mu": (mu, REAL)}, {pm.Normal.dist(shifted, scale, shape=7): DATA})


def hierarchical_scale() -> LogDensity:
    sigma = pm.HalfNormal.dist(1.9)
    theta = pm.Normal.dist(0.4, 1.7, shape=3)
    return joint({"theta": (theta, REAL), "sigma": (sigma, POSITIVE)}, {pm.Normal.dist(theta[GROUP], 1.1): DATA})


def bernoulli_switch() -> LogDensity:
    z = pm.Bernoulli.dist(0.35, shape=7)
    a, b = pm.Normal.dist(0.7, 2.5), pm.Normal.dist(-0.4, 1.5)
    latent = {"z": (z, integers(0, 1)), "a": (a, REAL), "b": (b, REAL)}
    return joint(latent, {pm.Normal.dist(pt.switch(z, a, b), 1.2): DATA})


def scalar_bernoulli_switch() -> LogDensity:
    p = pm.Beta.dist(1.7, 2.3)
    z = pm.Bernoulli.dist(p)
    a, b = pm.Normal.dist(0.7, 2.5), pm.Normal.dist(-0.4, 1.5)
    latent = {"p": (p, UNIT), "z": (z, integers(0, 1)), "a": (a, REAL), "b": (b, REAL)}
    return joint(latent, {pm.Normal.dist(pt.switch(z, a, b), 1.2, shape=7): DATA})


def stacked_coefficients() -> LogDensity:
    b0, b1 = pm.Normal.dist(0.7, 2.5), pm.Normal.dist(-0.4, 1.5)
    design = rng.normal(size=(7, 2))
    return joint({"b0": (b0, REAL), "b1": (b1, REAL)}, {pm.Normal.dist(pt.dot(design, pt.stack([b0, b1])), 1.2): DATA})


def log_normal() -> LogDensity:
    m = pm.LogNormal.dist(0.4, 0.7)
    return joint({"m": (m, POSITIVE)}, {pm.LogNormal.dist(pt.log(m) + 0.3, 0.9, shape=7): np.abs(DATA)})


def student_t_by_hand() -> LogDensity:
    nu = 4.6
    v = pm.InverseGamma.dist(nu / 2, nu / 2, shape=7)
    mu = pm.Normal.dist(0.7, 2.5)
    return joint({"v": (v, POSITIVE), "mu": (mu, REAL)}, {pm.Normal.dist(mu, 1.9 * pt.sqrt(v)): DATA})


def random_walk_end() -> LogDensity:
    first = pm.Normal.dist(0.7, 2.5)
    steps = pm.Normal.dist(0.0, 0.8, shape=3)
    return joint({"first": (first, REAL), "steps": (steps, REAL)}, {pm.Normal.dist(first + steps[GROUP], 1.1): DATA})


EXPECTED: dict[Callable[[], LogDensity], dict[str, str]] = {
    normal_normal: {"mu": "Normal"},
    normal_precision: {"mu": "Normal", "tau": "Gamma"},
    normal_variance: {"mu": "Normal", "v": "InverseGamma"},
    normal_gamma: {"mu": "Normal", "tau": "Gamma"},
    gamma_poisson: {"rate": "Gamma"},
    gamma_exponential: {"rate": "Gamma"},
    gamma_of_gamma_rate: {"a": "Gamma", "b": "Gamma"},
    weibull_scale: {"beta": "InverseGamma"},
    pareto_shape: {"alpha": "Gamma"},
    beta_bernoulli: {"p": "Beta"},
    beta_binomial: {"p": "Beta"},
    uniform_binomial: {"p": "Beta"},
    beta_geometric: {"p": "Beta"},
    dirichlet_categorical: {"p": "Dirichlet"},
    dirichlet_multinomial: {"p": "Dirichlet"},
    dirichlet_rows: {"p": "Dirichlet"},
    children_of_different_kinds: {"tau": "Gamma"},
    group_effects: {"mean": "Normal", "v": "InverseGamma", "a": "Normal", "slope": "Normal", "w": "Gamma"},
    mixture: {"p": "Dirichlet", "k": "Finite[0..2]", "mu": "Normal", "v": "InverseGamma"},
    mixture_of_scales: {"k": "Finite[0..2]", "tau": "Gamma"},
    parents_of_parents: {"a": "Normal", "b": "Normal", "c": "Normal"},
    deterministic_algebra: {"tau": "Gamma", "mu": "Normal"},
    hierarchical_scale: {"theta": "Normal", "sigma": "Gamma^(1/2)"},
    bernoulli_switch: {"z": "Finite[0..1]", "a": "Normal", "b": "Normal"},
    scalar_bernoulli_switch: {"p": "Beta", "z": "Finite[0..1]", "a": "Normal", "b": "Normal"},
    stacked_coefficients: {"b0": "Normal", "b1": "Normal"},
    log_normal: {"m": "LogNormal"},
    student_t_by_hand: {"v": "InverseGamma", "mu": "Normal"},
    random_walk_end: {"first": "Normal", "steps": "Normal"},
}
CASES = [(model, name, family) for model, laws in EXPECTED.items() for name, family in laws.items()]


@pytest.mark.parametrize(("model", "name", "family"), CASES, ids=[f"{m.__name__}-{n}" for m, n, _ in CASES])
def test_law_is_the_full_conditional(model: Callable[[], LogDensity], name: str, family: str) -> None:
    logdensity = model()
    x = with_values(logdensity)[name]
    law, reason = find_conditional(logdensity, x)
    assert law is not None, reason
    assert law.family == family
    assert_is_full_conditional(logdensity, x, law)
