"""Ordinary models on which planning has taken long, in PyMC, so that other tools can take them too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit

MODELS: dict[str, Callable[[], pm.Model]] = {}


def _add(make: Callable[[], None]) -> Callable[[], None]:
    def model() -> pm.Model:
        with pm.Model() as made:
            make()
        return made

    MODELS[f"planning.{make.__name__}"] = model
    return make


def _rng() -> np.random.Generator:
    return np.random.default_rng(20261129)


@_add
def rasch_40000_rows() -> None:
    rng = _rng()
    ability, difficulty = rng.normal(size=200), rng.normal(size=200)
    answers = rng.binomial(1, expit(ability[:, None] - difficulty))
    a = pm.Normal("ability", 0, 1, shape=200)
    d = pm.Normal("difficulty", pm.Normal("mean", 0, 2), pm.HalfNormal("scale", 2), shape=200)
    pm.Bernoulli("answers", logit_p=a[:, None] - d, observed=answers)


@_add
def irt_150_by_30() -> None:
    rng = _rng()
    discrimination, difficulty = rng.lognormal(0, 0.3, 30), rng.normal(size=30)
    answers = rng.binomial(1, expit(discrimination * (rng.normal(size=(150, 1)) - difficulty)))
    ability = pm.Normal("ability", 0, 1, shape=150)
    a = pm.LogNormal("discrimination", 0, 0.5, shape=30)
    b = pm.Normal("difficulty", 0, pm.HalfNormal("scale", 2), shape=30)
    pm.Bernoulli("answers", logit_p=a * (ability[:, None] - b), observed=answers)


@_add
def lsat_1000_by_5() -> None:
    rng = _rng()
    answers = rng.binomial(1, expit(rng.normal(size=(1000, 1)) - np.linspace(-2.5, 0, 5)))
    ability = pm.Normal("ability", 0, 1, shape=1000)
    b = pm.Normal("difficulty", 0, 10, shape=5)
    slope = pm.HalfNormal("slope", 2)
    pm.Bernoulli("answers", logit_p=slope * ability[:, None] - b, observed=answers)


@_add
def hierarchical_logistic_500_groups() -> None:
    rng = _rng()
    group, x = rng.integers(0, 500, 5000), rng.normal(size=5000)
    y = rng.binomial(1, expit(rng.normal(0, 0.7, 500)[group] + 0.5 * x))
    effect = pm.Normal("effect", pm.Normal("mean", 0, 2), pm.HalfNormal("scale", 1), shape=500)
    pm.Bernoulli("y", logit_p=effect[group] + pm.Normal("slope", 0, 1) * x, observed=y)


@_add
def crossed_effects_60_by_40() -> None:
    rng = _rng()
    row, column = rng.integers(0, 60, 2000), rng.integers(0, 40, 2000)
    y = 1 + rng.normal(size=60)[row] + 0.5 * rng.normal(size=40)[column] + rng.normal(size=2000)
    a = pm.Normal("a", 0, pm.HalfNormal("scale_a", 2), shape=60)
    b = pm.Normal("b", 0, pm.HalfNormal("scale_b", 2), shape=40)
    mean = pm.Normal("mean", 0, 5)
    pm.Normal("y", mean + a[row] + b[column], pm.HalfNormal("sigma", 2), observed=y)


@_add
def regularised_horseshoe_100_by_100() -> None:
    rng = _rng()
    x = rng.normal(size=(100, 100))
    y = x[:, :3] @ [2.0, -2.0, 1.0] + rng.normal(size=100)
    sigma = pm.HalfNormal("sigma", 2)
    tau, slab = pm.HalfStudentT("tau", 3, 0.1), pm.InverseGamma("slab", 2, 8)
    local = pm.HalfStudentT("local", 3, 1, shape=100)
    width = tau * local * pt.sqrt(slab / (slab + (tau * local) ** 2))
    pm.Normal("y", x @ (width * pm.Normal("z", 0, 1, shape=100)), sigma, observed=y)


@_add
def softmax_regression_1000_by_6_by_4() -> None:
    rng = _rng()
    x = rng.normal(size=(1000, 6))
    y = (x @ rng.normal(size=(6, 4)) + rng.gumbel(size=(1000, 4))).argmax(axis=1)
    pm.Categorical("y", logit_p=x @ pm.Normal("slopes", 0, 1, shape=(6, 4)), observed=y)


@_add
def negative_binomial_glmm() -> None:
    rng = _rng()
    group, x = rng.integers(0, 50, 1000), rng.normal(size=1000)
    y = rng.negative_binomial(2, 2 / (2 + np.exp(1 + 0.5 * rng.normal(size=50)[group] + 0.3 * x)))
    effect = pm.Normal("effect", 0, 1, shape=50) * pm.HalfNormal("scale", 1)
    mu = pt.exp(pm.Normal("mean", 0, 2) + effect[group] + pm.Normal("slope", 0, 1) * x)
    pm.NegativeBinomial("y", mu=mu, alpha=pm.Exponential("alpha", 1), observed=y)


@_add
def missing_data_in_three_chained_normals() -> None:
    rng = _rng()
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    z = y - x + rng.normal(size=200)
    x, y, z = (np.ma.masked_array(v, rng.random(200) < 0.15) for v in (x, y, z))
    filled = pm.Normal("x", pm.Normal("mean", 0, 5), pm.HalfNormal("scale_x", 2), observed=x)
    middle = pm.Normal("y", pm.Normal("slope", 0, 2) * filled, pm.HalfNormal("scale_y", 2), observed=y)
    pm.Normal("z", pm.Normal("own", 0, 2) * middle + filled, pm.HalfNormal("scale_z", 2), observed=z)


@_add
def conditional_autoregression() -> None:
    rng = _rng()
    side = 12
    places = np.arange(side * side).reshape(side, side)
    adjacency = np.zeros((side * side, side * side))
    for a, b in ((places[1:], places[:-1]), (places[:, 1:], places[:, :-1])):
        adjacency[a, b] = adjacency[b, a] = 1
    field = pm.CAR("field", np.zeros(side * side), adjacency, pm.Beta("alpha", 5, 1), pm.Gamma("tau", 2, 2))
    pm.Poisson("y", pt.exp(pm.Normal("mean", 0, 2) + field), observed=rng.poisson(2, side * side))


@_add
def plate_of_100000() -> None:
    rng = _rng()
    x = pm.Normal("x", pm.Normal("mean", 0, 1), pm.HalfNormal("scale", 1), shape=100_000)
    pm.StudentT("y", nu=4, mu=x, sigma=1, observed=rng.normal(size=100_000))


def _walk(steps: int) -> None:
    data = _rng().normal(size=steps).cumsum()
    scale, x = pm.HalfNormal("scale", 1), pm.Normal("x0", 0, 5)
    for step in range(steps):
        x = pm.Normal(f"x{step + 1}", x, scale)
        pm.Normal(f"y{step}", x, 1, observed=data[step])


@_add
def walk_of_200_steps_in_a_loop() -> None:
    _walk(200)


@_add
def hundred_named_scalars() -> None:
    data = _rng().normal(size=100)
    mean = pm.Normal("mean", 0, 1)
    for place in range(100):
        pm.Normal(f"y{place}", pm.Normal(f"x{place}", mean, 1), 1, observed=data[place])


@_add
def cormack_jolly_seber_in_a_loop() -> None:
    rng = _rng()
    alive, seen = np.ones(60, int), []
    for _ in range(7):
        alive = rng.binomial(1, 0.8 * alive)
        seen.append(rng.binomial(1, 0.6 * alive))
    survival, capture = pm.Beta("survival", 1, 1), pm.Beta("capture", 1, 1)
    state: object = 1
    for occasion, data in enumerate(seen):
        state = pm.Bernoulli(f"alive{occasion}", state * survival, shape=60)
        pm.Bernoulli(f"seen{occasion}", state * capture, observed=data)


@_add
def walk_of_2000_steps_in_a_loop() -> None:
    _walk(2000)


@_add
def regression_on_100_named_coefficients() -> None:
    rng = _rng()
    x = rng.normal(size=(300, 100))
    mean = 0.0
    for column in range(100):
        mean = mean + pm.Normal(f"b{column}", 0, 1) * x[:, column]
    pm.Normal("y", mean, pm.HalfNormal("sigma", 1), observed=rng.normal(size=300))


@_add
def survival_by_loops_over_animals_and_years() -> None:
    rng = _rng()
    survival, capture = pm.Beta("survival", 1, 1), pm.Beta("capture", 1, 1)
    for animal in range(40):
        state: object = 1
        is_alive = 1
        for year in range(7):
            is_alive *= rng.binomial(1, 0.8)
            state = pm.Bernoulli(f"alive{animal}_{year}", state * survival)
            pm.Bernoulli(f"seen{animal}_{year}", state * capture, observed=is_alive * rng.binomial(1, 0.6))


@_add
def exponential_smoothing_in_a_loop() -> None:
    data = _rng().normal(size=100).cumsum()
    weight, scale, level = pm.Beta("weight", 2, 2), pm.HalfNormal("scale", 1), 0.0
    for step, value in enumerate(data):
        pm.Normal(f"y{step}", level, scale, observed=value)
        level = weight * value + (1 - weight) * level


@_add
def plate_of_1000000() -> None:
    x = pm.Normal("x", pm.Normal("mean", 0, 1), pm.HalfNormal("scale", 1), shape=1_000_000)
    pm.Normal("y", x, 1, observed=_rng().normal(size=1_000_000))


@_add
def logistic_regression_1000000_rows() -> None:
    rng = _rng()
    x = rng.normal(size=(1_000_000, 4))
    pm.Bernoulli("y", logit_p=x @ pm.Normal("b", 0, 1, shape=4), observed=rng.binomial(1, expit(x.sum(axis=1))))


@_add
def poisson_regression_1000000_rows() -> None:
    rng = _rng()
    x = rng.normal(size=(1_000_000, 3))
    y = rng.poisson(np.exp(x @ [0.1, 0.2, 0.3]))
    pm.Poisson("y", pt.exp(x @ pm.Normal("b", 0, 1, shape=3)), observed=y)


@_add
def hierarchical_normal_1000000_rows_in_1000_groups() -> None:
    rng = _rng()
    effect = pm.Normal("effect", pm.Normal("mean", 0, 2), pm.HalfNormal("scale", 1), shape=1000)
    group = rng.integers(0, 1000, 1_000_000)
    pm.Normal("y", effect[group], pm.HalfNormal("sigma", 1), observed=rng.normal(size=1_000_000))


@_add
def independent_2000_named_scalars() -> None:
    for place, value in enumerate(_rng().normal(size=2000)):
        pm.Normal(f"y{place}", pm.Normal(f"x{place}", 0, 1), 1, observed=value)


@_add
def hierarchy_of_2000_named_scalars() -> None:
    mean, scale = pm.Normal("mean", 0, 1), pm.HalfNormal("scale", 1)
    for place, value in enumerate(_rng().normal(size=2000)):
        pm.Normal(f"y{place}", pm.Normal(f"x{place}", mean, scale), 1, observed=value)


@_add
def regression_on_2000_stacked_scalars() -> None:
    rng = _rng()
    slopes = pt.stack([pm.Normal(f"b{place}", 0, 1) for place in range(2000)])
    pm.Normal("y", rng.normal(size=(300, 2000)) @ slopes, pm.HalfNormal("sigma", 1), observed=rng.normal(size=300))


@_add
def walk_of_10000_steps_in_a_loop() -> None:
    _walk(10_000)


@_add
def exponential_smoothing_of_10000_stacked_steps() -> None:
    data = _rng().normal(size=10_000).cumsum()
    weight, level, levels = pm.Beta("weight", 2, 2), 0.0, []
    for value in data:
        levels.append(level)
        level = weight * value + (1 - weight) * level
    pm.Normal("y", pt.stack(levels), pm.HalfNormal("scale", 1), observed=data)


@_add
def exponential_smoothing_of_10000_named_steps() -> None:
    data = _rng().normal(size=10_000).cumsum()
    weight, scale, level = pm.Beta("weight", 2, 2), pm.HalfNormal("scale", 1), 0.0
    for step, value in enumerate(data):
        pm.Normal(f"y{step}", level, scale, observed=value)
        level = weight * value + (1 - weight) * level


@_add
def trend_of_10000_stacked_steps() -> None:
    data = _rng().normal(size=10_000).cumsum()
    a, b, level, slope, means = pm.Beta("a", 2, 2), pm.Beta("b", 2, 2), 0.0, 0.0, []
    for value in data:
        means.append(level + slope)
        new = a * value + (1 - a) * (level + slope)
        level, slope = new, b * (new - level) + (1 - b) * slope
    pm.Normal("y", pt.stack(means), pm.HalfNormal("scale", 1), observed=data)
