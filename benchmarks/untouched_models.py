"""Ordinary models in PyMC, written after the last change of the choice of a sampler, to measure it.

Nobody had looked at what the planner does with them. All their parameters are continuous, and some have full
conditionals of known families, so that there is a choice of a sampler.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
from scipy.special import expit
from scipy.stats import norm

from benchmarks.choice_models import adder

MODELS: dict[str, Callable[[], pm.Model]] = {}
_add = adder(MODELS, "untouched", 20261202)


@_add
def crosses_of_9_lines_of_maize(rng: np.random.Generator) -> None:
    (first, second), block = np.triu_indices(9, 1), np.arange(3)[:, None]
    line = rng.normal(0, 4, size=9)
    y = 60 + line[first] + line[second] + rng.normal(0, 2, size=36) + rng.normal(0, 3, size=(3, 36))
    general = pm.Normal("general", 0, tau=pm.Gamma("precision_general", 0.5, 1), shape=9)
    specific = pm.Normal("specific", 0, tau=pm.Gamma("precision_specific", 0.5, 1), shape=36)
    mean = pm.Normal("mean", 50, 50, shape=3)[block] + general[first] + general[second] + specific
    pm.Normal("y", mean, tau=pm.Gamma("precision", 0.5, 1), observed=y)


@_add
def cancers_by_age_and_period(rng: np.random.Generator) -> None:
    years = rng.uniform(5, 20, size=(12, 10)) * 1e4
    y = rng.poisson(years * np.exp(-11 + np.linspace(0, 4, 12)[:, None] + rng.normal(0, 0.1, size=10).cumsum()))
    rough = pm.Gamma("rough", 1, 0.01, shape=2)
    ages = pm.GaussianRandomWalk("ages", sigma=rough[0] ** -0.5, init_dist=pm.Normal.dist(-10, 3), steps=11)
    change = pm.Normal("change", 0, tau=rough[1], shape=9)
    periods = pm.math.concatenate([np.zeros(1), pm.math.cumsum(change)])
    pm.Poisson("y", years * pm.math.exp(ages[:, None] + periods), observed=y)


@_add
def incomes_of_80_small_areas(rng: np.random.Generator) -> None:
    x = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    error = rng.uniform(0.5, 3, size=80)
    y = x @ [20.0, 2.0, -1.0] + rng.normal(0, 1.2, size=80) + error * rng.normal(size=80)
    between = pm.InverseGamma("between", 2, 2)
    income = pm.Normal("income", x @ pm.Normal("beta", 0, 100, shape=3), pm.math.sqrt(between), shape=80)
    pm.Normal("y", income, error, observed=y)


@_add
def matches_of_20_tennis_players(rng: np.random.Generator) -> None:
    one, other = np.array([rng.choice(20, size=2, replace=False) for _ in range(600)]).T
    clay = rng.integers(0, 2, size=600)
    true, better = rng.normal(size=20), rng.normal(0, 0.5, size=20)
    y = rng.binomial(1, expit(true[one] - true[other] + clay * (better[one] - better[other])))
    skill = pm.Normal("skill", 0, pm.HalfNormal("scale_skill", 1), shape=20)
    on_clay = pm.Normal("on_clay", 0, pm.HalfNormal("scale_clay", 1), shape=20)
    pm.Bernoulli("y", logit_p=skill[one] - skill[other] + clay * (on_clay[one] - on_clay[other]), observed=y)


@_add
def springs_under_6_stresses(rng: np.random.Generator) -> None:
    stress = np.repeat(np.arange(6), 10)
    lives = rng.weibull(2.5, size=60) * np.array([1.2, 1.6, 2.2, 3.0, 4.5, 7.0])[stress]
    shape, hazard = pm.Gamma("shape", 4, 2, shape=6), pm.Gamma("hazard", 1, pm.Gamma("rate", 2, 1), shape=6)
    pm.Weibull("lives", shape[stress], hazard[stress] ** (-1 / shape[stress]), observed=lives)


@_add
def theophylline_in_12_people(rng: np.random.Generator) -> None:
    hours = np.array([0.25, 0.5, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0, 12.0, 24.0])

    def log_concentration(absorbed, eliminated, volume, exp, log):
        curve = exp(-eliminated * hours) - exp(-absorbed * hours)
        return log(4.0 * absorbed * curve / (volume * (absorbed - eliminated)))

    true = np.exp(rng.normal([0.4, -2.5, -0.7], [0.5, 0.2, 0.15], size=(12, 3)))[:, :, None]
    y = np.exp(log_concentration(*true.swapaxes(0, 1), np.exp, np.log) + rng.normal(0, 0.1, size=(12, 10)))
    mean, precision = pm.Normal("mean", np.array([0.5, -2.5, -0.5]), 1, shape=3), pm.Gamma("precision", 2, 0.1, shape=3)
    own = pm.math.exp(pm.Normal("own", mean, tau=precision, shape=(12, 3)))
    fitted = log_concentration(own[:, :1], own[:, 1:2], own[:, 2:], pm.math.exp, pm.math.log)
    pm.LogNormal("y", fitted, pm.HalfNormal("sigma", 0.5), observed=y)


@_add
def polio_in_168_months(rng: np.random.Generator) -> None:
    month, latent = np.arange(168), np.zeros(168)
    x = np.column_stack([month / 100, np.cos(month * np.pi / 6), np.sin(month * np.pi / 6)])
    for t in range(1, 168):
        latent[t] = 0.6 * latent[t - 1] + rng.normal(0, 0.5)
    y = rng.poisson(np.exp(0.4 + x @ [-0.3, 0.2, -0.4] + latent))
    step = pm.InverseGamma("step", 3, 0.5)
    state = pm.AR(
        "state", pm.Uniform("rho", -1, 1), pm.math.sqrt(step), init_dist=pm.Normal.dist(0, 1), ar_order=1, shape=168
    )
    level = pm.Normal("level", 0, 2) + x @ pm.Normal("beta", 0, 1, shape=3)
    pm.Poisson("y", pm.math.exp(level + state), observed=y)


@_add
def investments_of_3_firms_with_correlated_errors(rng: np.random.Generator) -> None:
    value, capital = rng.normal(size=(2, 60, 3))
    errors = rng.multivariate_normal(np.zeros(3), [[1.0, 0.5, 0.3], [0.5, 1.5, 0.6], [0.3, 0.6, 0.8]], size=60)
    y = np.array([2.0, 1.0, 0.0]) + np.array([0.5, 1.0, 0.2]) * value + np.array([1.0, 0.4, 0.7]) * capital + errors
    chol, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=2, sd_dist=pm.HalfNormal.dist(2, shape=3))
    beta = pm.Normal("beta", 0, 5, shape=(3, 3))
    pm.MvNormal("y", beta[0] + beta[1] * value + beta[2] * capital, chol=chol, observed=y)


@_add
def harvests_of_110_farms_that_waste(rng: np.random.Generator) -> None:
    x = np.column_stack([np.ones(110), rng.normal(size=(110, 3))])
    y = x @ [3.0, 0.5, 0.3, 0.1] - rng.exponential(0.4, size=110) + rng.normal(0, 0.2, size=110)
    waste = pm.Exponential("waste", pm.Gamma("rate", 2, 1), shape=110)
    frontier = x @ pm.Normal("beta", 0, 5, shape=4)
    pm.Normal("y", frontier - waste, tau=pm.Gamma("precision", 2, 0.1), observed=y)


@_add
def wages_and_schooling_with_an_instrument(rng: np.random.Generator) -> None:
    near, age, ability = rng.integers(0, 2, size=400), rng.normal(size=400), rng.normal(size=400)
    schooling = 12 + near + 0.5 * age + ability + rng.normal(size=400)
    wages = 1 + 0.1 * schooling + 0.1 * age + 0.3 * ability + rng.normal(0, 0.3, size=400)
    first, second = pm.Normal("first", 0, 10, shape=3), pm.Normal("second", 0, 3, shape=3)
    expected = first[0] + first[1] * near + first[2] * age
    pm.Normal("schooling", expected, pm.HalfCauchy("scale_schooling", 2), observed=schooling)
    mean = second[0] + second[1] * schooling + second[2] * age + pm.Normal("bias", 0, 1) * (schooling - expected)
    pm.Normal("wages", mean, pm.HalfCauchy("scale_wages", 1), observed=wages)


@_add
def essays_of_40_pupils_marked_by_4_raters(rng: np.random.Generator) -> None:
    pupil, task, rater = np.indices((40, 3, 4)).reshape(3, 480)
    y = 10 + rng.normal(0, 2, size=40)[pupil] + rng.normal(0, 1, size=(40, 3))[pupil, task]
    y += rng.normal(0, 0.7, size=4)[rater] + rng.normal(0, 1.2, size=480)
    variance = pm.InverseGamma("variance", 2, 1, shape=3)
    pupils = pm.Normal("pupils", pm.Normal("mean", 10, 10), pm.math.sqrt(variance[0]), shape=40)
    answers = pm.Normal(
        "answers", pupils[:, None] + pm.Normal("tasks", 0, 2, shape=3), variance[1] ** 0.5, shape=(40, 3)
    )
    raters = pm.Normal("raters", 0, pm.math.sqrt(variance[2]), shape=4)
    pm.Normal("y", answers[pupil, task] + raters[rater], pm.math.sqrt(pm.InverseGamma("error", 2, 1)), observed=y)


@_add
def alleles_of_12_populations(rng: np.random.Generator) -> None:
    y = np.array([rng.multinomial(100, rng.dirichlet(20 * np.array([0.4, 0.3, 0.15, 0.1, 0.05]))) for _ in range(12)])
    ancestral, closeness = pm.Dirichlet("ancestral", np.ones(5)), pm.Gamma("closeness", 2, 0.1)
    pm.Multinomial("y", 100, pm.Dirichlet("frequency", closeness * ancestral, shape=(12, 5)), observed=y)


@_add
def diet_of_30_otters_from_two_isotopes(rng: np.random.Generator) -> None:
    food, true = np.repeat(np.arange(3), 15), np.array([[-20.0, 8.0], [-15.0, 11.0], [-25.0, 14.0]])
    prey = true[food] + rng.normal(size=(45, 2))
    otters = np.array([0.5, 0.3, 0.2]) @ true + [1.0, 3.0] + rng.normal(0, 0.7, size=(30, 2))
    source = pm.Normal("source", np.array([-20.0, 10.0]), 10, shape=(3, 2))
    pm.Normal("prey", source[food], tau=pm.Gamma("precision_prey", 2, 1, shape=2), observed=prey)
    mean = pm.Dirichlet("diet", np.ones(3)) @ source + pm.Normal("shift", np.array([1.0, 3.0]), 0.5, shape=2)
    pm.Normal("otters", mean, tau=pm.Gamma("precision_otters", 2, 1, shape=2), observed=otters)


@_add
def margins_of_16_teams_in_4_seasons(rng: np.random.Generator) -> None:
    season = np.repeat(np.arange(4), 120)
    home, away = np.array([rng.choice(16, size=2, replace=False) for _ in range(480)]).T
    true = rng.normal(0, 6, size=16) + rng.normal(0, 3, size=(4, 16)).cumsum(axis=0)
    y = 2.5 + true[season, home] - true[season, away] + rng.normal(0, 12, size=480)
    keep, step = pm.Normal("keep", 0.8, 0.3), pm.HalfNormal("step", 5)
    strengths = [pm.Normal("strength0", 0, pm.HalfNormal("start", 10), shape=16)]
    for k in range(1, 4):
        strengths.append(pm.Normal(f"strength{k}", keep * strengths[-1], step, shape=16))
    strength = pm.math.stack(strengths)
    mean = pm.Normal("advantage", 0, 5) + strength[season, home] - strength[season, away]
    pm.Normal("y", mean, pm.HalfNormal("sigma", 20), observed=y)


@_add
def milk_of_110_cows_and_bulls_by_pedigree(rng: np.random.Generator) -> None:
    sire, dam = rng.integers(0, 10, size=80), rng.integers(10, 30, size=80)
    cow, lactation = np.repeat(np.arange(10, 110), 3), np.tile(np.arange(3), 100)
    true = rng.normal(0, 3, size=110)
    true[30:] = (true[sire] + true[dam]) / 2 + true[30:] * np.sqrt(0.5)
    y = (
        np.array([28.0, 32.0, 33.0])[lactation]
        + true[cow]
        + rng.normal(0, 2, size=110)[cow]
        + rng.normal(0, 3, size=300)
    )
    precision = pm.Gamma("precision", 2, 5, shape=3)
    founders = pm.Normal("founders", 0, tau=precision[0], shape=30)
    calves = pm.Normal("calves", (founders[sire] + founders[dam]) / 2, tau=2 * precision[0], shape=80)
    stall = pm.Normal("stall", 0, tau=precision[1], shape=100)
    breeding = pm.math.concatenate([founders, calves])
    mean = pm.Normal("mean", 30, 10, shape=3)[lactation] + breeding[cow] + stall[cow - 10]
    pm.Normal("y", mean, tau=precision[2], observed=y)


@_add
def pupils_of_35_teachers_with_heavy_tails(rng: np.random.Generator) -> None:
    teacher, before = rng.integers(0, 35, size=800), rng.normal(size=800)
    y = 0.7 * before + 0.2 * rng.standard_t(4, size=35)[teacher] + rng.normal(0, 0.6, size=800)
    effect = pm.StudentT("effect", nu=4, mu=0, sigma=pm.HalfNormal("between", 1), shape=35)
    mean = pm.Normal("mean", 0, 2) + pm.Normal("slope", 0, 1) * before + effect[teacher]
    pm.Normal("y", mean, pm.HalfNormal("within", 1), observed=y)


@_add
def food_of_200_households_at_the_upper_decile(rng: np.random.Generator) -> None:
    income = rng.lognormal(0, 0.4, size=200)
    y = 1 + 0.6 * income + 0.3 * income * rng.normal(size=200)
    share, rate = 0.9, pm.Gamma("rate", 1, 0.1)
    excess = pm.Exponential("excess", rate, shape=200)
    mean = pm.Normal("a", 0, 5) + pm.Normal("b", 0, 5) * income + (1 - 2 * share) / (share * (1 - share)) * excess
    pm.Normal("y", mean, tau=rate * share * (1 - share) / (2 * excess), observed=y)


@_add
def sensitivity_and_specificity_in_22_studies(rng: np.random.Generator) -> None:
    sick, well = rng.integers(20, 120, size=(2, 22))
    true = rng.normal(1.5, 0.6, size=22)
    found = rng.binomial(sick, expit(true))
    cleared = rng.binomial(well, expit(2 - 0.5 * (true - 1.5) + rng.normal(0, 0.4, size=22)))
    mean, scale = pm.Normal("mean", 0, 3, shape=2), pm.HalfNormal("scale", 1, shape=2)
    sensitivity = pm.Normal("sensitivity", mean[0], scale[0], shape=22)
    given = mean[1] + pm.Normal("slope", 0, 1) * (sensitivity - mean[0])
    pm.Binomial("found", sick, logit_p=sensitivity, observed=found)
    pm.Binomial("cleared", well, logit_p=pm.Normal("specificity", given, scale[1], shape=22), observed=cleared)


@_add
def contraception_in_60_districts(rng: np.random.Generator) -> None:
    district, children, town = (
        rng.integers(0, 60, size=1900),
        rng.integers(0, 4, size=1900),
        rng.integers(0, 2, size=1900),
    )
    x = np.column_stack([rng.normal(size=1900), children == 1, children == 2, children == 3]).astype(float)
    centre = -1 + x @ [-0.15, 0.6, 0.8, 0.8] + rng.normal(0, 0.3, size=60)[district]
    y = rng.binomial(1, norm.cdf(centre + (0.4 + rng.normal(0, 0.3, size=60)[district]) * town))
    country = pm.Normal("country", pm.Normal("mean", 0, 1), pm.HalfCauchy("scale_country", 0.5), shape=60)
    towns = pm.Normal("towns", pm.Normal("mean_towns", 0, 1), pm.HalfCauchy("scale_towns", 0.5), shape=60)
    latent = country[district] + towns[district] * town + x @ pm.Normal("beta", 0, 1, shape=4)
    pm.Bernoulli("y", pm.math.invprobit(latent), observed=y)


@_add
def demand_for_juice_in_30_shops(rng: np.random.Generator) -> None:
    price, rival = rng.normal(0, 0.3, size=(2, 30, 52))
    x = np.stack([np.ones((30, 52)), price, rival, rng.binomial(1, 0.2, size=(30, 52))], axis=-1)
    true = rng.normal([9.0, -3.0, 0.8, 0.5], [0.5, 0.7, 0.3, 0.2], size=(30, 1, 4))
    y = (x * true).sum(axis=-1) + rng.normal(0, 0.5, size=(30, 52))
    mean, variance = pm.Normal("mean", 0, 10, shape=4), pm.InverseGamma("variance", 2, 0.5, shape=4)
    elasticity = pm.Normal("elasticity", mean, pm.math.sqrt(variance), shape=(30, 4))
    noise = pm.InverseGamma("noise", 2, 0.5)
    pm.Normal("y", (x * elasticity[:, None]).sum(axis=-1), pm.math.sqrt(noise), observed=y)


@_add
def wear_of_15_lasers(rng: np.random.Generator) -> None:
    hours = rng.choice([0.25, 0.5, 1.0], size=16)
    y = rng.gamma(8 * hours, 1 / rng.gamma(10, 0.4, size=(15, 1)), size=(15, 16))
    rate = pm.Gamma("rate", pm.Gamma("shape", 2, 0.2), pm.Gamma("scale", 2, 1), shape=(15, 1))
    pm.Gamma("y", pm.Gamma("speed", 2, 0.2) * hours, rate, observed=y)


@_add
def cycles_until_250_couples_conceive(rng: np.random.Generator) -> None:
    smoke = rng.integers(0, 2, size=250)
    cycles = rng.geometric(rng.beta(np.array([3.0, 2.0])[smoke], np.array([5.0, 6.0])[smoke]))
    mean, size = pm.Beta("mean", 2, 3, shape=2), pm.Gamma("size", 3, 0.4)
    chance = pm.Beta("chance", mean[smoke] * size, (1 - mean[smoke]) * size, shape=250)
    pm.Geometric("cycles", chance, observed=cycles)
