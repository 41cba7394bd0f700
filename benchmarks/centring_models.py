"""Hierarchical models whose effects have no law, with few data for a group and with many, and hard small ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pymc.math import exp, sqrt

import ppl
from ppl import Model

GATES = Path(__file__).parents[1] / "shared" / "gates"
"""Data sets of posteriordb, where there are any."""
if not GATES.exists():
    GATES = Path(__file__).parents[2] / "shared" / "gates"


def _data(name: str) -> dict[str, NDArray]:
    return {key: np.asarray(value) for key, value in json.loads((GATES / f"{name}.json").read_text()).items()}


def eight_schools() -> Model:
    """Return eight schools, centred."""
    deviations = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5)
    theta = ppl.Normal("theta", mu, tau, shape=8)
    return Model({ppl.Normal("y", theta, deviations): np.array([28.0, 8, -3, 7, -1, 1, 18, 12])})


def funnel() -> Model:
    """Return Neal's funnel in ten dimensions, as it was written; its log-scale is that of a standard deviation."""
    omega = ppl.Normal("omega", 0, 3)
    x = ppl.Normal("x", 0, exp(omega / 2.0), shape=9)
    return Model(omega, x)


def poisson(sizes: NDArray[np.int64], seed: int = 1) -> Model:
    """Return counts in groups of given sizes, with effects of these."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    y = rng.poisson(np.exp(0.5 + rng.normal(0, 0.6, len(sizes)))[group])
    mu, tau = ppl.Normal("mu", 0, 3), ppl.HalfNormal("tau", 1)
    effect = ppl.Normal("effect", mu, tau, shape=len(sizes))
    return Model({ppl.Poisson("y", exp(effect[group])): y})


def logistic(sizes: NDArray[np.int64], seed: int = 2) -> Model:
    """Return successes in groups of given sizes, with effects of these and a slope."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=group.size)
    y = rng.binomial(1, 1 / (1 + np.exp(-(0.3 + rng.normal(0, 0.7, len(sizes))[group] + 0.5 * x))))
    mu, tau, beta = ppl.Normal("mu", 0, 3), ppl.HalfCauchy("tau", 1), ppl.Normal("beta", 0, 1)
    effect = ppl.Normal("effect", mu, tau, shape=len(sizes))
    return Model({ppl.Bernoulli("y", logit_p=effect[group] + beta * x): y})


def student() -> Model:
    """Return groups of Poisson counts whose effects have heavy tails."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(40), 5)
    y = rng.poisson(np.exp(0.5 + 0.4 * rng.standard_t(4, 40))[group])
    mu, tau = ppl.Normal("mu", 0, 3), ppl.HalfNormal("tau", 1)
    effect = ppl.StudentT("effect", nu=4, mu=mu, sigma=tau, shape=40)
    return Model({ppl.Poisson("y", exp(effect[group])): y})


def seeds() -> Model:
    """Return seeds_model of posteriordb."""
    data = _data("seeds_data")
    x1, x2 = data["x1"], data["x2"]
    alpha = {name: ppl.Normal(name, 0, 1000) for name in ("alpha0", "alpha1", "alpha2", "alpha12")}
    tau = ppl.Gamma("tau", 0.001, 0.001)
    b = ppl.Normal("b", 0, 1 / sqrt(tau), shape=len(x1))
    eta = alpha["alpha0"] + alpha["alpha1"] * x1 + alpha["alpha2"] * x2 + alpha["alpha12"] * x1 * x2 + b
    return Model({ppl.Binomial("n", data["N"], logit_p=eta): data["n"]})


def surgical() -> Model:
    """Return surgical_model of posteriordb."""
    data = _data("surgical_data")
    mu, variance = ppl.Normal("mu", 0, 1000), ppl.InverseGamma("sigmasq", 0.001, 0.001)
    b = ppl.Normal("b", mu, sqrt(variance), shape=int(data["N"]))
    return Model({ppl.Binomial("r", data["n"], logit_p=b): data["r"]})


def glmm_poisson() -> Model:
    """Return GLMM_Poisson_model of posteriordb."""
    data = _data("GLMM_Poisson_data")
    year = data["year"]
    alpha, sigma = ppl.Uniform("alpha", -20, 20), ppl.Uniform("sigma", 0, 5)
    beta1, beta2, beta3 = (ppl.Uniform(f"beta{i}", -10, 10) for i in (1, 2, 3))
    eps = ppl.Normal("eps", 0, sigma, shape=len(year))
    return Model({ppl.Poisson("C", exp(alpha + beta1 * year + beta2 * year**2 + beta3 * year**3 + eps)): data["C"]})


def radon() -> Model:
    """Return radon_hierarchical_intercept_centered of posteriordb, on the smaller data set."""
    data = _data("radon_mod")
    county = data["county"].astype(int) - 1
    mu, tau, sigma = ppl.Normal("mu", 0, 10), ppl.HalfNormal("tau", 1), ppl.HalfNormal("sigma", 1)
    beta, slope = ppl.Normal("beta", 0, 10), ppl.Normal("slope", 0, 10)
    alpha = ppl.Normal("alpha", mu, tau, shape=int(data["J"]))
    return Model({ppl.Normal("y", alpha[county] + slope * data["u"] + beta * data["x"], sigma): data["y"]})


def volatilities() -> Model:
    """Return 500 returns of heavy tails, whose log-volatilities walk at random."""
    rng = np.random.default_rng(5)
    walk = np.cumsum(rng.normal(0, 0.1, 500)) - 4
    returns = np.exp(walk / 2) * rng.standard_t(8, 500)
    step, nu = ppl.Exponential("step", 10), ppl.Exponential("nu", 0.1)
    h = ppl.GaussianRandomWalk("h", mu=0, sigma=step, init_dist=pm.Normal.dist(-4, 2), steps=499)
    return Model({ppl.StudentT("y", nu=nu, mu=0, sigma=exp(h / 2)): returns})


def stochastic_volatility() -> Model:
    """Return 500 returns whose log-volatilities follow an autoregression."""
    rng = np.random.default_rng(5)
    h = np.zeros(500)
    for t in range(1, 500):
        h[t] = 0.95 * h[t - 1] + rng.normal(0, 0.25)
    returns = np.exp((h - 1) / 2) * rng.normal(size=500)
    step, phi, mean = ppl.HalfCauchy("step", 1), ppl.Uniform("phi", -1, 1), ppl.Cauchy("mean", 0, 5)
    rv = ppl.AR("h", rho=[phi], sigma=step, init_dist=pm.Normal.dist(0, 1), steps=499)
    return Model({ppl.Normal("y", 0, exp((rv + mean) / 2)): returns})


MIXED = np.array([1] * 20 + [1000] * 5)
MODELS: dict[str, Callable[[], Model]] = {
    "eight schools": eight_schools,
    "funnel": funnel,
    "Poisson, 2 rows a group": lambda: poisson(np.full(50, 2)),
    "Poisson, 100 rows a group": lambda: poisson(np.full(50, 100)),
    "Poisson, 1 or 1000 rows": lambda: poisson(MIXED),
    "logistic, 3 rows a group": lambda: logistic(np.full(100, 3)),
    "logistic, 200 rows a group": lambda: logistic(np.full(20, 200)),
    "logistic, 1 or 1000 rows": lambda: logistic(MIXED),
    "Student-t effects": student,
    "seeds": seeds,
    "surgical": surgical,
    "GLMM_Poisson": glmm_poisson,
    "radon": radon,
    "random walk of volatilities": volatilities,
    "stochastic volatility": stochastic_volatility,
}
