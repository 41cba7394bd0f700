"""Ordinary models on which Gibbs sampling and NUTS compete, in PyMC."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
from scipy.special import expit

MODELS: dict[str, Callable[[], pm.Model]] = {}


type Make = Callable[[np.random.Generator], None]


def adder(models: dict[str, Callable[[], pm.Model]], prefix: str, seed: int) -> Callable[[Make], Make]:
    """Return a decorator that adds a model under its name to others."""

    def add(make: Make) -> Make:
        def model() -> pm.Model:
            with pm.Model() as made:
                make(np.random.default_rng(seed))
            return made

        models[f"{prefix}.{make.__name__}"] = model
        return make

    return add


_add = adder(MODELS, "choice", 20261130)


@_add
def failures_of_60_pumps(rng: np.random.Generator) -> None:
    times = rng.uniform(1, 100, size=60)
    failures = rng.poisson(rng.gamma(1.2, 1 / 2.0, size=60) * times)
    shape, rate = pm.Exponential("shape", 1), pm.Gamma("rate", 0.1, 1.0)
    pm.Poisson("failures", pm.Gamma("theta", shape, rate, shape=60) * times, observed=failures)


@_add
def one_way_layout_of_50_groups(rng: np.random.Generator) -> None:
    group = np.repeat(np.arange(50), 8)
    y = 3.0 + rng.normal(0, 1.5, size=50)[group] + rng.normal(0, 2.0, size=400)
    mean, between, within = pm.Normal("mean", 0, 100), pm.InverseGamma("between", 2, 2), pm.InverseGamma("within", 2, 2)
    effect = pm.Normal("effect", mean, pm.math.sqrt(between), shape=50)
    pm.Normal("y", effect[group], pm.math.sqrt(within), observed=y)


@_add
def two_way_layout_with_half_cauchy_scales(rng: np.random.Generator) -> None:
    row, column = np.divmod(np.arange(20 * 12), 12)
    y = 1.0 + rng.normal(0, 1, size=20)[row] + rng.normal(0, 0.5, size=12)[column] + rng.normal(size=240)
    a = pm.Normal("a", 0, pm.HalfCauchy("scale_a", 1), shape=20)
    b = pm.Normal("b", 0, pm.HalfCauchy("scale_b", 1), shape=12)
    pm.Normal("y", pm.Normal("mean", 0, 5) + a[row] + b[column], pm.HalfCauchy("sigma", 1), observed=y)


@_add
def rates_of_71_experiments(rng: np.random.Generator) -> None:
    sizes = rng.integers(10, 50, size=71)
    y = rng.binomial(sizes, rng.beta(2, 12, size=71))
    mean, size = pm.Beta("mean", 2, 8), pm.Gamma("size", 2, 0.1)
    theta = pm.Beta("theta", mean * size, (1 - mean) * size, shape=71)
    pm.Binomial("y", sizes, theta, observed=y)


@_add
def ridge_regression_on_30(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 30))
    y = x @ rng.normal(0, 0.3, size=30) + rng.normal(size=200)
    beta = pm.Normal("beta", 0, pm.HalfNormal("tau", 1), shape=30)
    pm.Normal("y", pm.Normal("intercept", 0, 5) + x @ beta, pm.HalfNormal("sigma", 2), observed=y)


@_add
def lasso_regression_on_20(rng: np.random.Generator) -> None:
    x = rng.normal(size=(150, 20))
    y = x @ np.concatenate([rng.normal(0, 1, size=5), np.zeros(15)]) + rng.normal(size=150)
    beta = pm.Laplace("beta", 0, pm.HalfNormal("scale", 1), shape=20)
    pm.Normal("y", x @ beta, pm.HalfNormal("sigma", 2), observed=y)


@_add
def probit_regression_of_400(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 6))
    y = (x @ rng.normal(0, 0.7, size=6) + rng.normal(size=400) > 0).astype(int)
    pm.Bernoulli("y", pm.math.invprobit(x @ pm.Normal("beta", 0, 2, shape=6)), observed=y)


@_add
def logistic_regression_of_2000(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2000, 10))
    y = rng.binomial(1, expit(x @ rng.normal(0, 0.7, size=10)))
    pm.Bernoulli("y", logit_p=pm.Normal("intercept", 0, 2) + x @ pm.Normal("beta", 0, 2, shape=10), observed=y)


@_add
def logistic_regression_of_40_groups(rng: np.random.Generator) -> None:
    group, x = np.repeat(np.arange(40), 25), rng.normal(size=1000)
    y = rng.binomial(1, expit(-0.5 + rng.normal(0, 1, size=40)[group] + 0.8 * x))
    a = pm.Normal("a", pm.Normal("mean", 0, 2), pm.HalfNormal("scale", 1), shape=40)
    pm.Bernoulli("y", logit_p=a[group] + pm.Normal("slope", 0, 2) * x, observed=y)


@_add
def counts_of_300_with_gamma_frailties(rng: np.random.Generator) -> None:
    x = rng.normal(size=300)
    y = rng.poisson(np.exp(0.5 + 0.6 * x) * rng.gamma(2, 1 / 2, size=300))
    shape = pm.Gamma("shape", 2, 1)
    frailty = pm.Gamma("frailty", shape, shape, shape=300)
    pm.Poisson("y", frailty * pm.math.exp(pm.Normal("a", 0, 2) + pm.Normal("b", 0, 2) * x), observed=y)


@_add
def local_level_of_200(rng: np.random.Generator) -> None:
    y = rng.normal(0, 0.4, size=200).cumsum() + rng.normal(size=200)
    level = pm.GaussianRandomWalk("level", sigma=pm.HalfNormal("drift", 1), init_dist=pm.Normal.dist(0, 5), steps=199)
    pm.Normal("y", level, pm.HalfNormal("noise", 1), observed=y)


@_add
def growth_curves_of_30(rng: np.random.Generator) -> None:
    time = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    y = (rng.normal(24, 1.5, size=30)[:, None] + rng.normal(6, 0.5, size=30)[:, None] * time) + rng.normal(size=(30, 5))
    level = pm.Normal("level", pm.Normal("mean_level", 20, 20), pm.HalfNormal("scale_level", 5), shape=30)
    slope = pm.Normal("slope", pm.Normal("mean_slope", 0, 10), pm.HalfNormal("scale_slope", 5), shape=30)
    pm.Normal("y", level[:, None] + slope[:, None] * time, pm.HalfNormal("sigma", 5), observed=y)


@_add
def rasch_60_by_20(rng: np.random.Generator) -> None:
    y = rng.binomial(1, expit(rng.normal(size=60)[:, None] - rng.normal(size=20)))
    ability = pm.Normal("ability", 0, pm.HalfNormal("spread", 1), shape=60)
    pm.Bernoulli("y", logit_p=ability[:, None] - pm.Normal("difficulty", 0, 2, shape=20), observed=y)


@_add
def meta_analysis_of_25(rng: np.random.Generator) -> None:
    error = rng.uniform(0.1, 0.6, size=25)
    y = rng.normal(0.3, 0.25, size=25) + rng.normal(size=25) * error
    z, tau = pm.Normal("z", 0, 1, shape=25), pm.HalfNormal("tau", 1)
    pm.Normal("y", pm.Normal("mean", 0, 2) + tau * z, error, observed=y)


@_add
def outliers_by_student_t(rng: np.random.Generator) -> None:
    x = rng.normal(size=(250, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + rng.standard_t(3, size=250)
    beta = pm.Normal("beta", 0, 5, shape=3)
    pm.StudentT("y", nu=pm.Gamma("nu", 2, 0.1), mu=x @ beta, sigma=pm.HalfNormal("sigma", 2), observed=y)


@_add
def mixture_of_three_normals(rng: np.random.Generator) -> None:
    y = rng.normal([-4.0, 0.0, 3.0], 1.0, size=(100, 3)).ravel()
    weights = pm.Dirichlet("weights", np.ones(3))
    means = pm.Normal("means", np.array([-3.0, 0.0, 3.0]), 2, shape=3)
    pm.NormalMixture("y", weights, means, pm.InverseGamma("sigma", 3, 2), observed=y)


@_add
def missing_responses_of_a_regression(rng: np.random.Generator) -> None:
    x = rng.normal(size=(120, 4))
    y = x @ rng.normal(size=4) + rng.normal(size=120)
    y = np.ma.masked_array(y, rng.uniform(size=120) < 0.2)
    pm.Normal("y", x @ pm.Normal("beta", 0, 2, shape=4), pm.HalfNormal("sigma", 1), observed=y)


@_add
def shares_of_12_tables(rng: np.random.Generator) -> None:
    y = np.array([rng.multinomial(80, rng.dirichlet(np.full(5, 3.0))) for _ in range(12)])
    concentration = pm.Gamma("concentration", 2, 0.5, shape=5)
    pm.Multinomial("y", 80, pm.Dirichlet("share", concentration, shape=(12, 5)), observed=y)


@_add
def vector_autoregression_of_3(rng: np.random.Generator) -> None:
    matrix = np.array([[0.5, 0.1, 0.0], [0.0, 0.4, 0.2], [0.1, 0.0, 0.3]])
    y = np.zeros((150, 3))
    for t in range(1, 150):
        y[t] = matrix @ y[t - 1] + rng.normal(size=3)
    lag = pm.Normal("lag", 0, 0.5, shape=(3, 3))
    pm.Normal("y", y[:-1] @ lag.T, pm.HalfNormal("sigma", 2, shape=3), observed=y[1:])
