"""Ordinary models in PyMC, written after the costs of operations were measured anew, to measure the choice once.

For some of the parameters of each there are full conditionals of known families. Looked at once, at the end; they are
seen now.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
from scipy.special import expit

from benchmarks.choice_models import adder

MODELS: dict[str, Callable[[], pm.Model]] = {}
_add = adder(MODELS, "fresh", 20261203)


@_add
def weights_of_30_rats(rng: np.random.Generator) -> None:
    day = np.array([-14.0, -7.0, 0.0, 7.0, 14.0])
    y = rng.normal(240, 14, size=(30, 1)) + rng.normal(6.2, 0.5, size=(30, 1)) * day + rng.normal(0, 6, size=(30, 5))
    level = pm.Normal("level", pm.Normal("mean_level", 0, 1000), tau=pm.Gamma("between", 0.1, 0.1), shape=(30, 1))
    growth = pm.Normal("growth", pm.Normal("mean_growth", 0, 100), tau=pm.Gamma("spread", 0.1, 0.1), shape=(30, 1))
    pm.Normal("y", level + growth * day, tau=pm.Gamma("precision", 0.1, 0.1), observed=y)


@_add
def strikes_of_8_pitchers_by_inning(rng: np.random.Generator) -> None:
    thrown = rng.integers(8, 25, size=(8, 9))
    y = rng.binomial(thrown, rng.beta(8, 5, size=(8, 1)), size=(8, 9))
    share = pm.Beta("share", pm.Gamma("hits", 3, 0.5), pm.Gamma("misses", 3, 0.5), shape=(8, 1))
    pm.Binomial("y", thrown, share, observed=y)


@_add
def temperatures_with_a_cycle(rng: np.random.Generator) -> None:
    month = np.arange(144)
    x = np.column_stack([np.ones(144), np.cos(month * np.pi / 6), np.sin(month * np.pi / 6), month / 120])
    y = x @ [10.0, -7.0, -3.0, 0.4] + rng.normal(0, 1.2, size=144)
    pm.Normal("y", x @ pm.Normal("beta", 0, 20, shape=4), pm.HalfNormal("sigma", 5), observed=y)


@_add
def calls_to_a_centre_by_hour_and_day(rng: np.random.Generator) -> None:
    hours, days = rng.gamma(6, 1 / 6, size=(12, 1)), rng.gamma(8, 1 / 8, size=(1, 20))
    y = rng.poisson(30 * hours * days)
    hour, day = pm.Gamma("hour", 4, 4, shape=(12, 1)), pm.Gamma("day", 4, 4, shape=(1, 20))
    pm.Poisson("y", pm.Gamma("level", 2, 0.1) * hour * day, observed=y)


@_add
def pressures_read_by_two_devices(rng: np.random.Generator) -> None:
    true = rng.normal(125, 15, size=60)
    y = true[:, None] + np.array([0.0, 2.5]) + rng.normal(0, [3.0, 5.0], size=(60, 2))
    mean, spread = pm.Normal("mean", 120, 50), pm.InverseGamma("spread", 2, 100)
    pressure = pm.Normal("pressure", mean, pm.math.sqrt(spread), shape=(60, 1))
    offset = pm.math.concatenate([np.zeros(1), pm.Normal("offset", 0, 10, shape=1)])
    pm.Normal("y", pressure + offset, tau=pm.Gamma("precision", 1, 5, shape=2), observed=y)


@_add
def waiting_times_in_10_clinics(rng: np.random.Generator) -> None:
    clinic = rng.integers(0, 10, size=250)
    y = rng.exponential(1 / rng.gamma(5, 0.02, size=10)[clinic])
    rate = pm.Gamma("rate", pm.Gamma("shape", 2, 0.5), pm.Gamma("inverse_scale", 2, 0.1), shape=10)
    pm.Exponential("y", rate[clinic], observed=y)


@_add
def yields_on_a_grid_of_plots(rng: np.random.Generator) -> None:
    row, column = np.divmod(np.arange(64), 8)
    variety = rng.permutation(np.repeat(np.arange(16), 4))
    y = 5 + rng.normal(0, 0.6, 16)[variety] + rng.normal(0, 0.3, 8).cumsum()[row] + rng.normal(0, 0.4, size=64)
    varieties = pm.Normal("varieties", 5, pm.HalfNormal("scale", 2), shape=16)
    rows = pm.GaussianRandomWalk("rows", sigma=pm.HalfNormal("step", 1), init_dist=pm.Normal.dist(0, 0.5), shape=8)
    columns = pm.Normal("columns", 0, pm.HalfNormal("scale_columns", 1), shape=8)
    pm.Normal("y", varieties[variety] + rows[row] + columns[column], pm.HalfNormal("sigma", 1), observed=y)


@_add
def expenses_with_a_t_distribution(rng: np.random.Generator) -> None:
    x = np.column_stack([np.ones(120), rng.normal(size=(120, 2))])
    y = x @ [3.0, 0.5, -0.8] + 0.7 * rng.standard_t(4, size=120)
    weight = pm.Gamma("weight", 2, 2, shape=120)
    precision = pm.Gamma("precision", 1, 1)
    pm.Normal("y", x @ pm.Normal("beta", 0, 5, shape=3), tau=precision * weight, observed=y)


@_add
def answers_of_50_people_to_6_questions(rng: np.random.Generator) -> None:
    y = rng.binomial(1, expit(rng.normal(0, 1.2, size=(50, 1)) - np.linspace(-1, 1, 6)), size=(50, 6))
    easy = pm.Normal("easy", pm.Normal("mean", 0, 2), tau=pm.Gamma("between", 2, 2), shape=6)
    person = pm.Normal("person", 0, tau=pm.Gamma("precision", 2, 2), shape=(50, 1))
    pm.Bernoulli("y", logit_p=person + easy, observed=y)


@_add
def prices_of_houses_in_25_streets(rng: np.random.Generator) -> None:
    street, area = rng.integers(0, 25, size=300), rng.normal(0, 1, size=300)
    y = 12 + rng.normal(0, 0.3, size=25)[street] + 0.4 * area + rng.normal(0, 0.2, size=300)
    between, within = pm.InverseGamma("between", 3, 0.2), pm.InverseGamma("within", 3, 0.1)
    level = pm.Normal("level", pm.Normal("mean", 10, 10), pm.math.sqrt(between), shape=25)
    mean = level[street] + pm.Normal("slope", 0, 2) * area
    pm.LogNormal("y", mean, pm.math.sqrt(within), observed=np.exp(y))
