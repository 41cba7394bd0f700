"""Priors of every support, covariance matrices, distributions written by hand, data that change."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from tests.corpus.catalogue import Corpus, generator

MODELS = Corpus()


@MODELS.add
def covariance():
    rng = generator(61)
    y = rng.multivariate_normal([0.5, -0.5], [[1, 0.4], [0.4, 0.8]], 25)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2, shape=2)
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0, size=2))
        pm.MvNormal("y", mu, chol=chol, observed=y)
    return model


@MODELS.add
def correlation():
    rng = generator(62)
    y = rng.normal(size=(12, 3))
    with pm.Model() as model:
        corr = pm.LKJCorr("corr", n=3, eta=2)
        sd = pm.HalfNormal("sd", 1, shape=3)
        matrix = corr if corr.type.ndim == 2 else pt.eye(3)
        pm.MvNormal("y", np.zeros(3), pt.diag(sd) @ matrix @ pt.diag(sd), observed=y)
    return model


@MODELS.add
def heavy_vectors():
    rng = generator(63)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1, shape=2)
        nu = pm.Gamma("nu", 2, 0.1)
        pm.MvStudentT("y", nu=nu, mu=mu, scale=np.array([[1.3, 0.2], [0.2, 0.7]]), observed=rng.normal(size=(9, 2)))
        rows, columns = np.array([[0.9, 0], [0.3, 0.8]]), np.array([[1.2, 0, 0], [0.1, 0.7, 0], [0.3, 0.2, 0.9]])
        m = pm.MatrixNormal("m", mu=np.zeros((2, 3)), rowchol=rows, colchol=columns)
        pm.Normal("z", m, 0.5, observed=rng.normal(size=(2, 3)))
        pm.KroneckerNormal(
            "k", mu=np.zeros(4), covs=[np.array([[1.0, 0.2], [0.2, 0.7]]), np.eye(2) * 1.3], observed=rng.normal(size=4)
        )
    return model


@MODELS.add
def precision_matrix():
    rng = generator(64)
    y = rng.normal(size=(10, 2))
    with pm.Model() as model:
        low = pm.Normal("low", 0, 1)
        scales = pm.LogNormal("scales", 0, 0.5, shape=2)
        chol = pt.stack([pt.stack([scales[0], 0.0]), pt.stack([low, scales[1]])])
        pm.MvNormal("y", np.array([0.2, -0.1]), tau=chol @ chol.T, observed=y)
    return model


@MODELS.add
def priors_on_the_line():
    with pm.Model() as model:
        x = pm.SkewNormal("x", mu=0.5, sigma=2, alpha=3)
        y = pm.Gumbel("y", x, 1.5)
        z = pm.Logistic("z", 0.3, 2)
        u = pm.ExGaussian("u", mu=1, sigma=0.7, nu=1.4)
        v = pm.Moyal("v", mu=0.4, sigma=1.3)
        c = pm.Cauchy("c", 0, 2)
        pm.SkewStudentT("s", a=2, b=3, mu=0, sigma=1)
        pm.Normal("seen", x + y + z + u + v + c, 2, observed=[1.0, 3.2])
    return model


@MODELS.add
def priors_above_bounds():
    with pm.Model() as model:
        a = pm.ChiSquared("a", 3)
        b = pm.InverseGamma("b", 3, 2)
        c = pm.Weibull("c", 1.5, 2)
        d = pm.Pareto("d", 2.5, 1.3)
        e = pm.Wald("e", 2, 3)
        f = pm.Rice("f", nu=1.2, sigma=0.8)
        g = pm.LogNormal("g", 0.3, 0.6)
        h = pm.HalfStudentT("h", 4, 2)
        pm.Normal("seen", a + b + c + d + e + f + g + h, 2, observed=[9.0, 11.2])
    return model


@MODELS.add
def priors_between_bounds():
    with pm.Model() as model:
        low = pm.Normal("low", 0, 1)
        a = pm.Uniform("a", low, low + 2)
        b = pm.Beta("b", 2, 3)
        c = pm.Triangular("c", -1, 2, 0.5)
        d = pm.Kumaraswamy("d", 2, 3)
        e = pm.LogitNormal("e", 0.3, 1.2, transform=pm.distributions.transforms.logodds)
        f = pm.TruncatedNormal("f", 0.4, 1.5, lower=a - 1, upper=a + 2)
        g = pm.VonMises("g", 0.5, 2)
        h = pm.Truncated("h", pm.Normal.dist(a, 1), lower=-2, upper=3)
        i = pm.Interpolated("i", np.linspace(0, 3, 7), np.array([0.1, 0.4, 1, 0.7, 0.3, 0.2, 0.1]))
        pm.Normal("seen", a + b + c + d + e + f + g + h + i, 1, observed=[2.0, 1.2])
    return model


@MODELS.add
def custom_density():
    def log_density(value, location, scale):
        return -pt.log(pt.cosh((value - location) / scale)) - pt.log(scale * np.pi)

    with pm.Model() as model:
        scale = pm.HalfNormal("scale", 1)
        location = pm.CustomDist("location", 0.3, 1.7, logp=log_density, shape=2)
        pm.CustomDist("y", location[0], scale, logp=log_density, observed=[0.2, 1.4, -0.7])
    return model


@MODELS.add
def custom_graph():
    def shifted(shift, rate, size):
        return shift + pm.Exponential.dist(rate, size=size)

    with pm.Model() as model:
        rate = pm.Gamma("rate", 2, 1)
        pm.CustomDist("y", -1.5, rate, dist=shifted, observed=[0.2, 1.4, -0.7])
        log_size = pm.CustomDist("log_size", 2.0, 1.3, dist=lambda a, b, size: pt.log(pm.Gamma.dist(a, b, size=size)))
        pm.Normal("z", log_size, 0.5, observed=0.4)
    return model


@MODELS.add
def several_outcomes():
    rng = generator(65)
    with pm.Model(coords={"site": ["n", "s"], "visit": range(6)}) as model:
        mu = pm.Normal("mu", 0, 1, dims="site")
        sigma = pm.HalfNormal("sigma", 1)
        pm.Normal("y", mu[:, None], sigma, observed=rng.normal(size=(2, 6)), dims=("site", "visit"))
        pm.LogNormal("size", mu[0], sigma, observed=rng.lognormal(0, 1, 5))
        pm.Bernoulli("seen", logit_p=mu[1], observed=1)
        pm.Potential("soft", pt.switch(mu[0] > mu[1], -0.3, -1.2) * sigma)
        pm.Deterministic("gap", mu[0] - mu[1])
        pm.Deterministic("doubled", 2 * mu, dims="site")
    return model


@MODELS.add
def changed_data():
    rng = generator(66)
    with pm.Model(coords={"row": range(4)}) as model:
        x = pm.Data("x", np.zeros(4), dims="row")
        y = pm.Data("y_data", np.zeros(4), dims="row")
        b = pm.Normal("b", 0, 1)
        pm.Normal("y", b * x, 1, observed=y, dims="row")
        pm.set_data({"x": rng.normal(size=7), "y_data": rng.normal(size=7)}, coords={"row": range(7)})
    return model


@MODELS.add
def observed_afterwards():
    with pm.Model() as generative:
        m = pm.Normal("m", 0, 2)
        y = pm.Normal("y", m, 1, shape=3)
        z = pm.Normal("z", y.sum(), 1)
    return pm.observe(generative, {z: 2.2})


@MODELS.add
def multiplied_potentials():
    with pm.Model() as model:
        x = pm.Flat("x", shape=3)
        s = pm.HalfFlat("s")
        pm.Potential("quartic", -((x - np.array([0.3, -0.2, 1.1])) ** 4) / s)
        pm.Potential("scale", -3 * pt.log(s) - 1 / s)
    return model
