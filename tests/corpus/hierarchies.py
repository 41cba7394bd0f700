"""Hierarchies: groups, crossed effects, varying slopes, items and persons, ratings."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.special import expit

from tests.corpus.catalogue import Corpus, generator

MODELS = Corpus()
SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


@MODELS.add
def schools_non_centred():
    with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
        errors = pm.Data("errors", ERRORS, dims="school")
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        raw = pm.Normal("raw", 0, 1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * raw, dims="school")
        pm.Normal("y", theta, errors, observed=SCHOOLS, dims="school")
    return model


@MODELS.add
def schools_centred():
    with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
        mu = pm.Normal("mu", 0, 5)
        log_tau = pm.Normal("log_tau", 1, 1)
        theta = pm.Normal("theta", mu, pt.exp(log_tau), dims="school")
        pm.Normal("y", theta, ERRORS, observed=SCHOOLS, dims="school")
    return model


@MODELS.add
def radon():
    rng = generator(21)
    county = rng.integers(0, 6, 50)
    floor = rng.integers(0, 2, 50)
    uranium = rng.normal(size=6)
    y = 1 + 0.5 * uranium[county] - 0.6 * floor + rng.normal(0, 0.7, 50)
    with pm.Model(coords={"county": [f"c{i}" for i in range(6)], "home": np.arange(50)}) as model:
        index = pm.Data("index", county, dims="home")
        g = pm.Normal("g", 0, 1, shape=2)
        sigma_a = pm.Exponential("sigma_a", 1)
        a = pm.Normal("a", mu=g[0] + g[1] * uranium, sigma=sigma_a, dims="county")
        b = pm.Normal("b", 0, 1)
        sigma = pm.Exponential("sigma", 1)
        pm.Normal("y", a[index] + b * floor, sigma, observed=y, dims="home")
    return model


@MODELS.add
def varying_slopes():
    rng = generator(22)
    group = np.repeat(np.arange(8), 5)
    x = rng.normal(size=40)
    effects = rng.multivariate_normal([1, -0.5], [[0.5, 0.2], [0.2, 0.4]], 8)
    y = effects[group, 0] + effects[group, 1] * x + rng.normal(0, 0.5, 40)
    with pm.Model(coords={"effect": ["intercept", "slope"], "group": range(8)}) as model:
        chol, _corr, _sd = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0, shape=2))
        mean = pm.Normal("mean", 0, 1, dims="effect")
        z = pm.Normal("z", 0, 1, dims=("effect", "group"))
        effect = pm.Deterministic("effects", mean + pt.dot(chol, z).T, dims=("group", "effect"))
        sigma = pm.Exponential("sigma", 1)
        pm.Normal("y", effect[group, 0] + effect[group, 1] * x, sigma, observed=y)
    return model


@MODELS.add
def varying_slopes_centred():
    rng = generator(23)
    group = np.repeat(np.arange(5), 6)
    x = rng.normal(size=30)
    with pm.Model(coords={"effect": ["intercept", "slope"], "group": range(5)}) as model:
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=1.5, sd_dist=pm.Exponential.dist(1, shape=2))
        mean = pm.Normal("mean", [0.5, 0], [1, 2], dims="effect")
        effect = pm.MvNormal("effects", mean, chol=chol, dims=("group", "effect"))
        pm.Poisson("y", pt.exp(effect[group, 0] + effect[group, 1] * x), observed=rng.poisson(2, 30))
    return model


@MODELS.add
def zero_sum_effects():
    rng = generator(24)
    cell = np.array([(i, j) for i in range(3) for j in range(4) for _ in range(3)])
    y = 2 + rng.normal(size=3)[cell[:, 0]] + rng.normal(size=4)[cell[:, 1]] + rng.normal(0, 0.5, 36)
    with pm.Model(coords={"i": list("abc"), "j": list("wxyz")}) as model:
        mean = pm.Normal("mean", 0, 5)
        sigma_row = pm.HalfNormal("sigma_row", 2)
        row = pm.ZeroSumNormal("row", sigma_row, dims="i")
        column = pm.ZeroSumNormal("column", 1.5, dims="j")
        both = pm.ZeroSumNormal("both", 0.5, n_zerosum_axes=2, dims=("i", "j"))
        sigma = pm.Exponential("sigma", 2)
        mu = mean + row[cell[:, 0]] + column[cell[:, 1]] + both[cell[:, 0], cell[:, 1]]
        pm.Normal("y", mu, sigma, observed=y)
    return model


@MODELS.add
def rats():
    rng = generator(25)
    n = rng.integers(10, 30, 10)
    with pm.Model() as model:
        ab = pm.HalfFlat("ab", shape=2, initval=np.array([1.0, 5.0]))
        pm.Potential("prior", -5 / 2 * pt.log(pt.sum(ab)))
        p = pm.Beta("p", ab[0], ab[1], shape=10)
        pm.Binomial("y", n=n, p=p, observed=rng.binomial(n, 0.15))
        pm.BetaBinomial("again", ab[0], ab[1], 20, observed=[3, 5, 1])
    return model


@MODELS.add
def item_response():
    rng = generator(26)
    y = rng.uniform(size=(12, 5)) < expit(rng.normal(size=(12, 1)) - np.linspace(-1, 1, 5))
    with pm.Model(coords={"person": range(12), "item": list("abcde")}) as model:
        ability = pm.Normal("ability", 0, 1, dims="person")
        difficulty = pm.Normal("difficulty", 0, 1.5, dims="item")
        discrimination = pm.LogNormal("discrimination", 0, 0.5, dims="item")
        logit = discrimination * (ability[:, None] - difficulty)
        pm.Bernoulli("y", logit_p=logit, observed=y.astype("int64"), dims=("person", "item"))
    return model


@MODELS.add
def bradley_terry():
    pairs = np.array([[0, 1], [0, 2], [1, 2], [2, 3], [3, 0], [1, 3], [2, 0]])
    with pm.Model() as model:
        skill = pm.ZeroSumNormal("skill", 1, shape=4)
        pm.Bernoulli("win", logit_p=skill[pairs[:, 0]] - skill[pairs[:, 1]], observed=[1, 1, 0, 1, 0, 1, 1])
    return model


@MODELS.add
def factor_analysis():
    rng = generator(27)
    y = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 4)) + rng.normal(0, 0.4, (20, 4))
    with pm.Model() as model:
        low = pm.Normal("low", 0, 1, shape=5)
        diagonal = pm.HalfNormal("diagonal", 1, shape=2)
        loadings = pt.zeros((4, 2))
        loadings = pt.set_subtensor(loadings[np.arange(2), np.arange(2)], diagonal)
        rows, columns = np.tril_indices(4, -1, 2)
        loadings = pm.Deterministic("loadings", pt.set_subtensor(loadings[rows, columns], low))
        noise = pm.InverseGamma("noise", 3, 1, shape=4)
        cov = loadings @ loadings.T + pt.diag(noise)
        pm.MvNormal("y", np.zeros(4), cov, observed=y)
    return model


@MODELS.add
def submodels():
    rng = generator(28)
    with pm.Model(coords={"g": ["x", "y"]}) as model:
        top = pm.Normal("top", 0, 2)
        for i in range(2):
            with pm.Model(name=f"part{i}"):
                m = pm.Normal("m", top, 1)
                s = pm.HalfNormal("s", 1)
                pm.Normal("y", m, s, observed=rng.normal(i, 1, 7))
    return model
