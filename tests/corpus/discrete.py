"""Mixtures, discrete latent variables, counts with excess zeros, missing data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from tests.corpus.catalogue import Corpus, generator

MODELS = Corpus()
DISASTERS = [4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2]


@contextmanager
def imputing() -> Iterator[None]:
    """Let PyMC impute without saying so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Data in .* contains missing values")
        yield


@MODELS.add
def normal_mixture():
    rng = generator(51)
    y = np.where(rng.uniform(size=40) < 0.3, rng.normal(-2, 0.7, 40), rng.normal(1.5, 1, 40))
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(2))
        mu = pm.Normal("mu", [-1, 1], 2, transform=pm.distributions.transforms.ordered, initval=[-1, 1])
        sigma = pm.HalfNormal("sigma", 1, shape=2)
        pm.NormalMixture("y", w=w, mu=mu, sigma=sigma, observed=y)
    return model


@MODELS.add
def mixture_of_families():
    rng = generator(52)
    with pm.Model() as model:
        w = pm.Beta("w", 2, 2)
        rate = pm.Gamma("rate", 2, 1)
        parts = [pm.Exponential.dist(rate), pm.LogNormal.dist(0.7, 0.4)]
        pm.Mixture("y", w=pt.stack([w, 1 - w]), comp_dists=parts, observed=rng.exponential(1, 20))
        counts = pm.Poisson.dist(pt.stack([rate, 3 * rate]))
        pm.Mixture("n", w=[0.4, 0.6], comp_dists=counts, observed=rng.poisson(3, 12))
    return model


@MODELS.add
def stick_breaking():
    rng = generator(53)
    with pm.Model() as model:
        alpha = pm.Gamma("alpha", 2, 1)
        w = pm.StickBreakingWeights("w", alpha, K=4)
        mu = pm.Normal("mu", np.array([-3.0, -1, 0, 2, 4]), 1)
        pm.NormalMixture("y", w, mu, 0.8, observed=rng.normal(0, 2, 25))
    return model


@MODELS.add
def latent_index():
    rng = generator(54)
    y = np.concatenate([rng.normal(-2, 1, 10), rng.normal(2, 1, 15)])
    with pm.Model() as model:
        p = pm.Beta("p", 2, 3)
        mu = pm.Normal("mu", np.array([-2.0, 2.0]), 1)
        k = pm.Bernoulli("k", p, shape=25)
        pm.Normal("y", mu[k], 1.2, observed=y)
    return model


@MODELS.add
def latent_categories():
    rng = generator(55)
    with pm.Model(coords={"state": ["a", "b", "c"], "row": range(12)}) as model:
        w = pm.Dirichlet("w", np.array([2.0, 3.0, 4.0]), dims="state")
        mu = pm.Normal("mu", np.array([-2.0, 0, 2.0]), 0.5, dims="state")
        k = pm.Categorical("k", w, dims="row")
        pm.StudentT("y", nu=5, mu=mu[k], sigma=0.8, observed=rng.normal(0, 2, 12), dims="row")
    return model


@MODELS.add
def coal_mining():
    with pm.Model() as model:
        years = np.arange(len(DISASTERS))
        switch = pm.DiscreteUniform("switch", 0, len(DISASTERS) - 1)
        early = pm.Exponential("early", 1.0)
        late = pm.Exponential("late", 1.0)
        rate = pm.Deterministic("rate", pm.math.switch(switch >= years, early, late))
        pm.Poisson("disasters", rate, observed=DISASTERS)
    return model


@MODELS.add
def unseen_counts():
    with pm.Model() as model:
        rate = pm.Gamma("rate", 4, 0.5)
        n = pm.Poisson("n", rate, shape=3)
        p = pm.Beta("p", 4, 3)
        pm.Binomial("y", n=n + 8, p=p, observed=[6, 7, 9])
    return model


@MODELS.add
def zero_inflated_and_hurdle():
    rng = generator(56)
    x = rng.normal(size=25)
    counts = rng.poisson(np.exp(0.5 + 0.3 * x)) * (rng.uniform(size=25) < 0.7)
    amounts = rng.gamma(2, 1, 25) * (rng.uniform(size=25) < 0.6)
    with pm.Model() as model:
        psi = pm.Beta("psi", 2, 2)
        b = pm.Normal("b", 0, 1, shape=2)
        alpha = pm.Exponential("alpha", 0.5)
        mu = pt.exp(b[0] + b[1] * x)
        pm.ZeroInflatedPoisson("zip", psi, mu, observed=counts)
        pm.ZeroInflatedNegativeBinomial("zinb", psi, mu=mu, alpha=alpha, observed=counts)
        pm.ZeroInflatedBinomial("zib", psi, 12, 0.3, observed=np.minimum(counts, 12))
        pm.HurdlePoisson("hp", psi, mu, observed=counts)
        pm.HurdleGamma("hg", psi, alpha, 1.5, observed=amounts)
        pm.HurdleLogNormal("hl", psi, b[0], alpha, observed=amounts)
        pm.HurdleNegativeBinomial("hn", psi, mu, alpha, observed=counts)
    return model


@MODELS.add
def dirichlet_multinomial():
    rng = generator(57)
    counts = rng.multinomial(30, [0.5, 0.3, 0.2], size=6)
    with pm.Model(coords={"tree": ["pine", "oak", "ash"], "forest": range(6)}) as model:
        frac = pm.Dirichlet("frac", np.ones(3), dims="tree")
        conc = pm.LogNormal("conc", 1, 1)
        pm.DirichletMultinomial("counts", n=30, a=frac * conc, observed=counts, dims=("forest", "tree"))
        pm.Multinomial("total", n=180, p=frac, observed=counts.sum(axis=0), dims="tree")
    return model


@MODELS.add
def simplexes():
    rng = generator(58)
    with pm.Model() as model:
        a = pm.HalfNormal("a", 2, shape=3)
        p = pm.Dirichlet("p", a + 0.5, shape=(4, 3))
        pm.Categorical("y", p[np.arange(20) % 4], observed=rng.integers(0, 3, 20))
    return model


@MODELS.add
def missing_outcomes():
    y = np.array([0.3, np.nan, 1.1, -0.4, np.nan, 0.9, 0.2])
    with imputing(), pm.Model() as model:
        m = pm.Normal("m", 0, 2)
        s = pm.HalfNormal("s", 1)
        pm.Normal("y", m, s, observed=y)
        pm.Gamma("g", 2, 1 / s, observed=np.ma.masked_less([0.4, -1, 2.5], 0))
    return model


@MODELS.add
def missing_covariates():
    rng = generator(59)
    x = rng.normal(0.5, 1, 15)
    y = 1 + 2 * x + rng.normal(0, 0.5, 15)
    x[[2, 7, 11]] = np.nan
    with imputing(), pm.Model(coords={"row": range(15)}) as model:
        centre = pm.Normal("centre", 0, 1)
        spread = pm.HalfNormal("spread", 1)
        covariate = pm.Normal("x", centre, spread, observed=x, dims="row")
        b = pm.Normal("b", 0, 2, shape=2)
        pm.Normal("y", b[0] + b[1] * covariate, 0.5, observed=y, dims="row")
    return model


@MODELS.add
def missing_counts():
    counts = np.ma.masked_values([3, 1, -1, 4, 0, -1], -1)
    with imputing(), pm.Model() as model:
        rate = pm.Gamma("rate", 2, 1)
        pm.Poisson("n", rate, observed=counts)
        p = pm.Uniform("p", 0, 1)
        pm.Bernoulli("b", p, observed=np.ma.masked_values([1, 0, -1, 1], -1))
    return model


@MODELS.add
def other_counts():
    with pm.Model() as model:
        q = pm.Beta("q", 2, 3)
        r = pm.Gamma("r", 3, 1)
        pm.Geometric("geometric", q, observed=[1, 3, 2])
        pm.DiscreteWeibull("weibull", q, 0.3 + r / 8, observed=[0, 1, 4])
        pm.HyperGeometric("hyper", N=30, k=12, n=8, observed=[3, 4])
        pm.NegativeBinomial("failures", n=r, p=q, observed=[5, 2, 9])
        pm.Truncated("positive", pm.Poisson.dist(r), lower=1, observed=[1, 2, 5])
        pm.Censored("few", pm.Poisson.dist(r), lower=None, upper=3, observed=[1, 3, 3])
    return model
