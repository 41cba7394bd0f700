"""Ordinary models in PyMC, written without looking at what the planner does with them. They are seen now.

Their first results led to changes: the first trajectories are short, metrics that are learnt are counted, and pilot
runs are longer where a first does not tell. For each of them some parameters have full conditionals of known families,
so that there is a choice of a sampler.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
from scipy.special import expit
from scipy.stats import norm

from benchmarks.choice_models import adder

MODELS: dict[str, Callable[[], pm.Model]] = {}
_add = adder(MODELS, "unseen", 20261130)


@_add
def goals_of_18_teams(rng: np.random.Generator) -> None:
    home, away = (~np.eye(18, dtype=bool)).nonzero()
    strength, weakness = rng.gamma(10, 1 / 10, size=(2, 18))
    at_home, abroad = rng.poisson(1.6 * strength[home] * weakness[away]), rng.poisson(strength[away] * weakness[home])
    attack, defence = pm.Gamma("attack", 5, 5, shape=18), pm.Gamma("defence", 5, 5, shape=18)
    pm.Poisson("at_home", pm.Gamma("advantage", 2, 1) * attack[home] * defence[away], observed=at_home)
    pm.Poisson("abroad", pm.Gamma("level", 2, 1) * attack[away] * defence[home], observed=abroad)


@_add
def voles_caught_on_6_nights(rng: np.random.Generator) -> None:
    seen = rng.binomial(6, 0.25, size=80)
    y = np.concatenate([seen[seen > 0], np.zeros(160 - (seen > 0).sum(), dtype=int)])
    exists = pm.Bernoulli("exists", pm.Beta("share", 1, 1), shape=160, initval=np.ones(160, dtype=int))
    pm.Binomial("y", 6, exists * pm.Beta("capture", 1, 1), observed=y)


@_add
def warblers_in_120_woods(rng: np.random.Generator) -> None:
    cover = rng.normal(size=120)
    y = rng.binomial(4, 0.4, size=120) * rng.binomial(1, expit(0.3 + 0.9 * cover))
    share = pm.math.invlogit(pm.Normal("a", 0, 1.5) + pm.Normal("b", 0, 1.5) * cover)
    lives = pm.Bernoulli("lives", share, shape=120, initval=np.ones(120, dtype=int))
    pm.Binomial("y", 4, lives * pm.Beta("detection", 1, 1), observed=y)


@_add
def newts_counted_thrice_in_40_ponds(rng: np.random.Generator) -> None:
    y = rng.binomial(rng.poisson(8, size=40), 0.5, size=(3, 40))
    number = pm.Poisson("number", pm.Gamma("mean", 2, 0.2), shape=40, initval=y.max(axis=0) + 2)
    pm.Binomial("y", number, pm.Beta("detection", 2, 2), observed=y)


@_add
def diagnoses_of_90_patients_by_5_doctors(rng: np.random.Generator) -> None:
    truth = rng.choice(3, p=[0.5, 0.3, 0.2], size=90)
    y = np.where(rng.uniform(size=(5, 90)) < 0.75, truth, rng.integers(0, 3, size=(5, 90)))
    state = pm.Categorical("state", pm.Dirichlet("prevalence", np.full(3, 2.0)), shape=90)
    says = pm.Dirichlet("says", 1.0 + 4.0 * np.eye(3), shape=(5, 3, 3))
    pm.Categorical("y", says[np.arange(5)[:, None], state], observed=y)


@_add
def earthquakes_of_70_years_in_two_regimes(rng: np.random.Generator) -> None:
    state = np.cumsum(rng.uniform(size=70) < 0.1) % 2
    y = rng.poisson(np.array([13.0, 25.0])[state])
    stay = pm.Beta("stay", 9, 1, shape=2)
    rate = pm.Gamma("rate", np.array([14.0, 24.0]), 1.0)
    regime = pm.Bernoulli("regime0", 0.5)
    pm.Poisson("y0", rate[regime], observed=y[0])
    for year in range(1, 70):
        regime = pm.Bernoulli(f"regime{year}", pm.math.where(pm.math.eq(regime, 1), stay[1], 1 - stay[0]))
        pm.Poisson(f"y{year}", rate[regime], observed=y[year])


@_add
def infections_of_40_patients_with_frailties(rng: np.random.Generator) -> None:
    patient, x = np.repeat(np.arange(40), 3), np.repeat(rng.normal(size=(40, 2)), 3, axis=0)
    times = rng.exponential(10 / (rng.gamma(3, 1 / 3, size=40)[patient] * np.exp(x @ [0.5, -0.3])))
    shape = pm.Gamma("shape", 2, 0.5)
    frailty = pm.Gamma("frailty", shape, shape, shape=40)
    hazard = pm.Gamma("hazard", 1, 1) * frailty[patient] * pm.math.exp(x @ pm.Normal("beta", 0, 2, shape=2))
    pm.Exponential("times", hazard, observed=times)


@_add
def deaths_in_12_intervals_and_2_arms(rng: np.random.Generator) -> None:
    at_risk = rng.uniform(5, 40, size=(4, 12, 2)) * np.linspace(1.0, 0.2, 12)[:, None]
    treated = np.array([0.0, 1.0])
    y = rng.poisson(at_risk * rng.gamma(4, 0.02, size=12)[:, None] * np.exp(-0.5 * treated))
    hazard, centre = pm.Gamma("hazard", 2, pm.Gamma("rate", 2, 0.1), shape=12), pm.Gamma("centre", 5, 5, shape=4)
    mean = at_risk * centre[:, None, None] * hazard[:, None] * pm.math.exp(pm.Normal("effect", 0, 1) * treated)
    pm.Poisson("y", mean, observed=y)


@_add
def consumption_with_errors_that_persist(rng: np.random.Generator) -> None:
    income, error = rng.normal(5, 1, size=160), np.zeros(160)
    for t in range(1, 160):
        error[t] = 0.6 * error[t - 1] + rng.normal(0, 0.3)
    y = 1 + 0.8 * income + error
    fitted = pm.Normal("a", 0, 5) + pm.Normal("b", 0, 2) * income
    before = pm.Uniform("rho", -1, 1) * (y[:-1] - fitted[:-1])
    precision = pm.Gamma("precision", 1, 0.1)
    pm.Normal("y", fitted[1:] + before, tau=precision, observed=y[1:])


@_add
def sales_of_30_years_by_quarter(rng: np.random.Generator) -> None:
    quarter = np.arange(120) % 4
    slope = rng.normal(0, 0.1, size=120).cumsum()
    y = slope.cumsum() + np.array([1.0, -0.5, 0.3, -0.8])[quarter] + rng.normal(0, 0.5, size=120)
    drift = pm.HalfNormal("drift", 0.2)
    growth = pm.GaussianRandomWalk("growth", sigma=drift, init_dist=pm.Normal.dist(0, 1), steps=119)
    level = pm.Normal("start", 0, 5) + pm.math.cumsum(growth)
    season = pm.Normal("season", 0, 2, shape=3)
    pm.Normal("y", level + np.eye(4)[quarter, :3] @ season, pm.HalfNormal("sigma", 1), observed=y)


@_add
def share_whose_beta_moves_for_150_weeks(rng: np.random.Generator) -> None:
    market = rng.normal(0, 2, size=150)
    y = 0.1 + (1 + rng.normal(0, 0.08, size=150).cumsum()) * market + rng.normal(size=150)
    step, noise = pm.InverseGamma("step", 3, 0.05), pm.InverseGamma("noise", 2, 1)
    beta = pm.GaussianRandomWalk("beta", sigma=pm.math.sqrt(step), init_dist=pm.Normal.dist(1, 1), steps=149)
    pm.Normal("y", pm.Normal("alpha", 0, 1) + beta * market, pm.math.sqrt(noise), observed=y)


@_add
def hours_of_400_workers_or_none(rng: np.random.Generator) -> None:
    x = np.column_stack([np.ones(400), rng.normal(size=(400, 4))])
    y = np.maximum(x @ [0.5, 1.0, -0.5, 0.3, 0.0] + rng.normal(0, 1.5, size=400), 0.0)
    wish = pm.Normal.dist(x @ pm.Normal("beta", 0, 5, shape=5), pm.HalfNormal("sigma", 3))
    pm.Censored("y", wish, lower=0.0, upper=None, observed=y)


@_add
def investments_of_40_firms_for_10_years(rng: np.random.Generator) -> None:
    value, firm, y = rng.normal(size=(40, 10)), rng.normal(1, 0.7, size=40), np.zeros((40, 11))
    for t in range(10):
        y[:, t + 1] = firm + 0.5 * y[:, t] + 0.4 * value[:, t] + rng.normal(0, 0.5, size=40)
    own = pm.Normal("own", pm.Normal("mean", 0, 5), pm.HalfNormal("between", 2), shape=(40, 1))
    years = pm.Normal("years", 0, pm.HalfNormal("scale_years", 1), shape=10)
    mean = own + years + pm.Normal("lag", 0, 1) * y[:, :-1] + pm.Normal("b", 0, 2) * value
    pm.Normal("y", mean, pm.HalfNormal("within", 2), observed=y[:, 1:])


@_add
def flow_of_water_with_a_bend(rng: np.random.Generator) -> None:
    x = np.linspace(-1.4, 1.1, 29)
    y = 0.55 - 0.4 * (x - x[15]) - 0.6 * np.maximum(x - x[15], 0.0) + rng.normal(0, 0.03, size=29)
    bend = pm.DiscreteUniform("bend", 1, 27)
    from_bend = x - pm.math.constant(x)[bend]
    slope = pm.Normal("slope", 0, 2, shape=2)
    mean = pm.Normal("level", 0, 2) + slope[0] * from_bend + slope[1] * pm.math.maximum(from_bend, 0.0)
    pm.Normal("y", mean, tau=pm.Gamma("precision", 1, 0.01), observed=y)


@_add
def selection_among_10_predictors(rng: np.random.Generator) -> None:
    x = rng.normal(size=(100, 10))
    y = 2 + x[:, :3] @ [1.0, -0.7, 0.4] + rng.normal(size=100)
    included = pm.Bernoulli("included", pm.Beta("share", 1, 1), shape=10)
    beta = pm.Normal("beta", 0, 1, shape=10)
    pm.Normal("y", pm.Normal("a", 0, 5) + x @ (included * beta), pm.InverseGamma("sigma", 3, 2), observed=y)


@_add
def prices_paid_by_two_kinds_of_buyers(rng: np.random.Generator) -> None:
    kind, size = rng.binomial(1, 0.35, size=300), rng.uniform(-1, 1, size=300)
    y = np.array([1.0, 3.0])[kind] + np.array([0.5, 2.0])[kind] * size + rng.normal(0, 0.5, size=300)
    share, a = pm.Dirichlet("share", np.full(2, 2.0)), pm.Normal("a", np.array([0.0, 4.0]), 2)
    buyer, b = pm.Categorical("buyer", share, shape=300), pm.Normal("b", 0, 2, shape=2)
    precision = pm.Gamma("precision", 2, 1, shape=2)
    pm.Normal("y", a[buyer] + b[buyer] * size, tau=precision[buyer], observed=y)


@_add
def old_and_new_words_by_25_people(rng: np.random.Generator) -> None:
    distance, bias = rng.normal(1.5, 0.5, size=25), rng.normal(0, 0.3, size=25)
    hits, alarms = rng.binomial(40, norm.cdf(distance / 2 - bias)), rng.binomial(40, norm.cdf(-distance / 2 - bias))
    d = pm.Normal("d", pm.Normal("mean_d", 0, 2), pm.HalfNormal("scale_d", 1), shape=25)
    c = pm.Normal("c", pm.Normal("mean_c", 0, 1), pm.HalfNormal("scale_c", 1), shape=25)
    pm.Binomial("hits", 40, pm.math.invprobit(d / 2 - c), observed=hits)
    pm.Binomial("alarms", 40, pm.math.invprobit(-d / 2 - c), observed=alarms)


@_add
def reaction_times_of_30_people(rng: np.random.Generator) -> None:
    person, hard = np.repeat(np.arange(30), 40), np.tile([0.0, 1.0], 600)
    mean = rng.normal(-0.5, 0.2, size=30)[person] + rng.normal(0.15, 0.05, size=30)[person] * hard
    y = np.exp(mean + rng.gamma(20, 0.015, size=30)[person] * rng.normal(size=1200))
    speed = pm.Normal("speed", pm.Normal("mean_speed", 0, 1), pm.HalfNormal("scale_speed", 0.5), shape=30)
    effect = pm.Normal("effect", pm.Normal("mean_effect", 0, 1), pm.HalfNormal("scale_effect", 0.5), shape=30)
    precision = pm.Gamma("precision", 3, pm.Gamma("rate", 2, 5), shape=30)
    pm.LogNormal("y", speed[person] + effect[person] * hard, tau=precision[person], observed=y)


@_add
def oats_on_split_plots(rng: np.random.Generator) -> None:
    block, variety, nitrogen = np.indices((6, 3, 4)).reshape(3, 72)
    y = 80 + 17 * nitrogen - 2 * nitrogen**2 + rng.normal(0, 14, size=6)[block] + rng.normal(0, 12, size=72)
    y += rng.normal(0, 10, size=18)[3 * block + variety]
    blocks = pm.Normal("blocks", 0, pm.HalfCauchy("scale_blocks", 10), shape=6)
    plots = pm.Normal("plots", 0, pm.HalfCauchy("scale_plots", 10), shape=(6, 3))
    means = pm.Normal("means", 100, 50, shape=(3, 4))
    fitted = means[variety, nitrogen] + blocks[block] + plots[block, variety]
    pm.Normal("y", fitted, pm.HalfCauchy("sigma", 10), observed=y)


@_add
def four_treatments_in_24_trials(rng: np.random.Generator) -> None:
    arms = np.array([rng.choice(4, size=2, replace=False) for _ in range(24)])
    size, true = rng.integers(30, 200, size=(24, 2)), np.array([0.0, 0.4, 0.7, 0.9])
    y = rng.binomial(size, expit(rng.normal(-1.5, 0.5, size=(24, 1)) + true[arms] + rng.normal(0, 0.2, size=(24, 2))))
    trial = pm.Normal("trial", 0, 2, shape=(24, 1))
    treatment = pm.math.concatenate([np.zeros(1), pm.Normal("treatment", 0, 2, shape=3)])
    deviation = pm.Normal("deviation", 0, pm.HalfNormal("scale", 0.5), shape=(24, 2))
    pm.Binomial("y", size, logit_p=trial + treatment[arms] + deviation, observed=y)


@_add
def losses_of_a_plant_with_a_weight_for_each_day(rng: np.random.Generator) -> None:
    x = rng.normal(size=(42, 3))
    y = 17 + x @ [6.5, 3.0, -0.5] + 2.5 * rng.standard_t(4, size=42)
    beta, precision = pm.Normal("beta", 0, 10, shape=3), pm.Gamma("precision", 0.1, 0.1)
    weight = pm.Gamma("weight", 2, 2, shape=42)
    pm.Normal("y", pm.Normal("a", 0, 30) + x @ beta, tau=precision * weight, observed=y)


@_add
def large_losses_in_15_lines_of_business(rng: np.random.Generator) -> None:
    line = rng.integers(0, 15, size=500)
    y = (1 + rng.pareto(rng.gamma(10, 0.2, size=15)[line])) * 2.0
    index = pm.Gamma("index", pm.Exponential("shape", 0.2), pm.Gamma("rate", 2, 1), shape=15)
    pm.Pareto("y", index[line], 2.0, observed=y)
