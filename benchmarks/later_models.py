"""Ordinary models in PyMC, written when the constants of the choice of a sampler had been set.

Their first results led to others: a run's own time is counted, and pilot runs are longer. They are seen now.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
from scipy.special import expit

from benchmarks.choice_models import adder

MODELS: dict[str, Callable[[], pm.Model]] = {}
_add = adder(MODELS, "later", 20261201)


@_add
def radon_of_60_counties(rng: np.random.Generator) -> None:
    county, floor = rng.integers(0, 60, size=700), rng.integers(0, 2, size=700)
    y = rng.normal(1.3, 0.4, size=60)[county] - 0.6 * floor + rng.normal(0, 0.7, size=700)
    level = pm.Normal("level", pm.Normal("mean", 0, 10), pm.HalfNormal("between", 1), shape=60)
    pm.Normal("y", level[county] + pm.Normal("slope", 0, 10) * floor, pm.HalfNormal("within", 1), observed=y)


@_add
def accidents_at_40_junctions(rng: np.random.Generator) -> None:
    junction, traffic = np.repeat(np.arange(40), 6), rng.uniform(0.5, 3.0, size=240)
    y = rng.poisson(traffic * np.exp(0.5 + rng.normal(0, 0.5, size=40)[junction]))
    effect = pm.Normal("effect", 0, pm.HalfNormal("scale", 1), shape=40)
    pm.Poisson("y", traffic * pm.math.exp(pm.Normal("mean", 0, 2) + effect[junction]), observed=y)


@_add
def lengths_of_27_dugongs(rng: np.random.Generator) -> None:
    age = np.sort(rng.uniform(1, 32, size=27))
    y = 2.7 - 0.97 * 0.87**age + rng.normal(0, 0.1, size=27)
    alpha, beta = pm.Normal("alpha", 2, 2), pm.HalfNormal("beta", 2)
    pm.Normal("y", alpha - beta * pm.Uniform("gamma", 0.5, 1.0) ** age, pm.HalfNormal("sigma", 1), observed=y)


@_add
def second_order_autoregression(rng: np.random.Generator) -> None:
    y = np.zeros(300)
    for t in range(2, 300):
        y[t] = 0.2 + 0.6 * y[t - 1] - 0.3 * y[t - 2] + rng.normal(0, 0.5)
    phi = pm.Normal("phi", 0, 1, shape=2)
    mean = pm.Normal("mean", 0, 1) + phi[0] * y[1:-1] + phi[1] * y[:-2]
    pm.Normal("y", mean, pm.HalfNormal("sigma", 1), observed=y[2:])


@_add
def volatility_of_250_days(rng: np.random.Generator) -> None:
    returns = np.exp(-1 + np.cumsum(rng.normal(0, 0.1, size=250)) / 2) * rng.normal(size=250)
    log_variance = pm.GaussianRandomWalk(
        "log_variance", sigma=pm.HalfNormal("step", 0.3), init_dist=pm.Normal.dist(-2, 2), shape=250
    )
    pm.Normal("returns", 0, pm.math.exp(log_variance / 2), observed=returns)


@_add
def opinions_on_a_scale_of_five(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 2))
    y = np.digitize(x @ [0.8, -0.5] + rng.logistic(size=400), [-2.0, -0.5, 0.5, 2.0])
    cuts = pm.Normal(
        "cuts", 0, 3, shape=4, transform=pm.distributions.transforms.ordered, initval=np.array([-2.0, -1.0, 1.0, 2.0])
    )
    pm.OrderedLogistic("y", x @ pm.Normal("beta", 0, 2, shape=2), cuts, observed=y)


@_add
def catches_with_many_zeros(rng: np.random.Generator) -> None:
    x = rng.normal(size=250)
    y = rng.poisson(np.exp(0.8 + 0.5 * x)) * (rng.uniform(size=250) < 0.7)
    rate = pm.math.exp(pm.Normal("a", 0, 2) + pm.Normal("b", 0, 2) * x)
    pm.ZeroInflatedPoisson("y", pm.Beta("present", 1, 1), rate, observed=y)


@_add
def pupils_in_classes_in_schools(rng: np.random.Generator) -> None:
    school, room = np.repeat(np.arange(15), 4), np.repeat(np.arange(60), 12)
    y = 50 + rng.normal(0, 4, size=15)[school][room] + rng.normal(0, 3, size=60)[room] + rng.normal(0, 8, size=720)
    schools = pm.Normal("schools", pm.Normal("mean", 50, 50), pm.HalfNormal("scale_schools", 10), shape=15)
    rooms = pm.Normal("rooms", schools[school], pm.HalfNormal("scale_rooms", 10), shape=60)
    pm.Normal("y", rooms[room], pm.HalfNormal("sigma", 20), observed=y)


@_add
def claims_with_a_gamma_distribution(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 3))
    y = rng.gamma(2.5, np.exp(1 + x @ [0.3, -0.2, 0.1]) / 2.5)
    mean = pm.math.exp(pm.Normal("a", 0, 5) + x @ pm.Normal("b", 0, 1, shape=3))
    pm.Gamma("y", mu=mean, sigma=mean * pm.HalfNormal("variation", 1), observed=y)


@_add
def one_factor_behind_8_tests(rng: np.random.Generator) -> None:
    y = rng.normal(size=(120, 1)) * rng.uniform(0.5, 1.5, size=8) + rng.normal(0, 0.6, size=(120, 8))
    loading = pm.HalfNormal("loading", 1, shape=8)
    factor = pm.Normal("factor", 0, 1, shape=(120, 1))
    pm.Normal("y", factor * loading, pm.HalfNormal("noise", 1, shape=8), observed=y)


@_add
def survival_of_150_patients(rng: np.random.Generator) -> None:
    x = rng.integers(0, 2, size=150)
    time = rng.weibull(1.3, size=150) * np.exp(1.0 + 0.4 * x)
    scale = pm.math.exp(pm.Normal("a", 0, 3) + pm.Normal("b", 0, 1) * x)
    life = pm.Weibull.dist(pm.HalfNormal("shape", 2), scale)
    pm.Censored("time", life, lower=None, upper=4.0, observed=np.minimum(time, 4.0))


@_add
def yields_with_a_variance_for_each_of_6_sites(rng: np.random.Generator) -> None:
    site = np.repeat(np.arange(6), 30)
    y = rng.normal(10, 2, size=6)[site] + rng.uniform(0.5, 3, size=6)[site] * rng.normal(size=180)
    mean = pm.Normal("mean", pm.Normal("overall", 0, 20), pm.HalfNormal("between", 5), shape=6)
    variance = pm.InverseGamma("variance", 3, pm.Gamma("rate", 2, 1), shape=6)
    pm.Normal("y", mean[site], pm.math.sqrt(variance[site]), observed=y)


@_add
def seeds_on_21_plates(rng: np.random.Generator) -> None:
    x, size = rng.integers(0, 2, size=(2, 21)), rng.integers(10, 60, size=21)
    germinated = rng.binomial(size, expit(-0.5 + 0.8 * x[1] + rng.normal(0, 0.3, size=21)))
    effect = pm.Normal("effect", 0, pm.HalfNormal("scale", 1), shape=21)
    beta = pm.Normal("beta", 0, 2, shape=3)
    pm.Binomial("y", size, logit_p=beta[0] + beta[1] * x[0] + beta[2] * x[1] + effect, observed=germinated)


@_add
def a_curve_through_80_points(rng: np.random.Generator) -> None:
    x = np.linspace(0, 1, 80)
    y = np.sin(6 * x) + rng.normal(0, 0.3, size=80)
    basis = np.maximum(x[:, None] - np.linspace(0, 0.95, 20), 0.0)
    weight = pm.Normal("weight", 0, pm.HalfNormal("scale", 10), shape=20)
    pm.Normal("y", pm.Normal("level", 0, 3) + basis @ weight, pm.HalfNormal("sigma", 1), observed=y)


@_add
def two_measurements_with_errors(rng: np.random.Generator) -> None:
    truth = rng.normal(2, 1, size=100)
    mean, spread = pm.Normal("mean", 0, 5), pm.HalfNormal("spread", 3)
    x = pm.Normal("x", mean, spread, shape=100)
    pm.Normal("seen", x, 0.5, observed=truth + rng.normal(0, 0.5, size=100))
    line = pm.Normal("a", 0, 5) + pm.Normal("b", 0, 5) * x
    pm.Normal("y", line, pm.HalfNormal("sigma", 2), observed=1 + 0.7 * truth + rng.normal(0, 0.4, size=100))


@_add
def votes_of_30_states(rng: np.random.Generator) -> None:
    state, x = rng.integers(0, 30, size=900), rng.normal(size=900)
    y = rng.binomial(
        1, expit(0.2 + rng.normal(0, 0.6, size=30)[state] + (0.5 + rng.normal(0, 0.3, size=30)[state]) * x)
    )
    level = pm.Normal("level", pm.Normal("mean_level", 0, 2), pm.HalfNormal("scale_level", 1), shape=30)
    slope = pm.Normal("slope", pm.Normal("mean_slope", 0, 2), pm.HalfNormal("scale_slope", 1), shape=30)
    pm.Bernoulli("y", logit_p=level[state] + slope[state] * x, observed=y)
