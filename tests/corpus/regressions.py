"""Regressions: generalised linear models, robust, censored, truncated, ordered, survival."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.interpolate import BSpline
from scipy.special import expit

from tests.corpus.catalogue import Corpus, generator

MODELS = Corpus()


@MODELS.add
def linear():
    rng = generator(1)
    x = rng.normal(size=(30, 2))
    y = 1 + x @ [0.7, -1.2] + rng.normal(0, 0.6, 30)
    with pm.Model(coords={"predictor": ["age", "height"], "person": range(30)}) as model:
        design = pm.Data("design", x, dims=("person", "predictor"))
        intercept = pm.Normal("intercept", 0, 10)
        beta = pm.Normal("beta", 0, 2.5, dims="predictor")
        sigma = pm.HalfStudentT("sigma", nu=3, sigma=36)
        mu = pm.Deterministic("mu", intercept + design @ beta, dims="person")
        pm.Normal("y", mu, sigma, observed=y, dims="person")
    return model


@MODELS.add
def logistic():
    rng = generator(2)
    x = rng.normal(size=(50, 3))
    y = rng.uniform(size=50) < expit(x @ [1.0, -0.5, 0.3])
    with pm.Model(coords={"predictor": ["a", "b", "c"]}) as model:
        beta = pm.StudentT("beta", nu=4, mu=0, sigma=2.5, dims="predictor")
        pm.Bernoulli("y", logit_p=pm.math.dot(x, beta), observed=y.astype(int))
    return model


@MODELS.add
def probit():
    rng = generator(3)
    x = rng.normal(size=40)
    y = (0.4 + 0.8 * x + rng.normal(size=40) > 0).astype(int)
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1.5)
        b = pm.Normal("b", 0, 1.5)
        pm.Bernoulli("y", p=pm.math.invprobit(a + b * x), observed=y)
    return model


@MODELS.add
def poisson():
    rng = generator(4)
    x, exposure = rng.normal(size=40), rng.uniform(1, 5, 40)
    y = rng.poisson(exposure * np.exp(0.2 + 0.5 * x))
    with pm.Model() as model:
        a = pm.Flat("a")
        b = pm.Laplace("b", 0, 1)
        pm.Poisson("y", mu=exposure * pm.math.exp(a + b * x), observed=y)
    return model


@MODELS.add
def negative_binomial():
    rng = generator(5)
    x = rng.normal(size=40)
    y = rng.poisson(np.exp(1 + 0.4 * x) * rng.gamma(2, 0.5, 40))
    with pm.Model() as model:
        b = pm.Normal("b", 0, 2, shape=2)
        alpha = pm.Gamma("alpha", 2, 0.5)
        pm.NegativeBinomial("y", mu=pt.exp(b[0] + b[1] * x), alpha=alpha, observed=y)
    return model


@MODELS.add
def binomial():
    rng = generator(6)
    dose, n = np.linspace(-2, 2, 12), np.full(12, 20)
    y = rng.binomial(n, expit(0.5 + 1.3 * dose))
    with pm.Model() as model:
        a = pm.Normal("a", 0, 5)
        b = pm.TruncatedNormal("b", 0, 5, lower=0)
        p = pm.Deterministic("p", pm.math.invlogit(a + b * dose))
        pm.Binomial("y", n=n, p=p, observed=y)
        pm.Deterministic("median_dose", -a / b)
    return model


@MODELS.add
def gamma_and_beta():
    rng = generator(7)
    x = rng.normal(size=30)
    mean = np.exp(0.3 + 0.4 * x)
    with pm.Model() as model:
        b = pm.Normal("b", 0, 1, size=2)
        shape = pm.Exponential("shape", 0.2)
        phi = pm.LogNormal("phi", 2, 1)
        pm.Gamma("y", alpha=shape, beta=shape / pt.exp(b[0] + b[1] * x), observed=rng.gamma(4, mean / 4))
        pm.Beta("z", mu=pm.math.sigmoid(b[0]), nu=phi, observed=rng.beta(3, 2, 20))
    return model


@MODELS.add
def robust():
    rng = generator(8)
    x = rng.normal(size=40)
    y = 1 - 2 * x + 0.5 * rng.standard_t(3, 40)
    with pm.Model() as model:
        a = pm.Normal("a", 0, 5)
        b = pm.Normal("b", 0, 5)
        sigma = pm.HalfCauchy("sigma", 2)
        nu = pm.Gamma("nu", 2, 0.1)
        pm.StudentT("y", nu=nu, mu=a + b * x, sigma=sigma, observed=y)
    return model


@MODELS.add
def quantile():
    rng = generator(9)
    x = rng.uniform(size=30)
    with pm.Model() as model:
        b = pm.Normal("b", 0, 3, shape=2)
        scale = pm.HalfNormal("scale", 2)
        pm.AsymmetricLaplace("y", mu=b[0] + b[1] * x, b=1 / scale, q=0.8, observed=2 * x + rng.normal(size=30))
    return model


@MODELS.add
def ordered():
    rng = generator(10)
    x = rng.normal(size=60)
    y = np.digitize(0.9 * x + rng.logistic(size=60), [-1, 0.5, 2])
    with pm.Model() as model:
        cutpoints = pm.Normal(
            "cutpoints", 0, 2, shape=3, transform=pm.distributions.transforms.ordered, initval=[-1, 0, 1]
        )
        b = pm.Normal("b", 0, 1)
        pm.OrderedLogistic("y", eta=b * x, cutpoints=cutpoints, observed=y)
    return model


@MODELS.add
def ordered_probit():
    rng = generator(11)
    y = np.digitize(rng.normal(0.3, 1, 40), [-0.5, 1.1])
    with pm.Model() as model:
        eta = pm.Normal("eta", 0, 1)
        gaps = pm.HalfNormal("gaps", 1)
        pm.OrderedProbit("y", eta=eta, cutpoints=pt.stack([-0.5, -0.5 + gaps]), observed=y)
        pm.OrderedMultinomial("m", eta=eta, cutpoints=np.array([-0.4, 1.3]), n=12, observed=[[3, 5, 4], [2, 8, 2]])
    return model


@MODELS.add
def categorical():
    rng = generator(12)
    x = rng.normal(size=(40, 2))
    y = rng.integers(0, 3, 40)
    with pm.Model(coords={"class": ["b", "c"], "predictor": ["x", "z"]}) as model:
        b = pm.Normal("b", 0, 1, dims=("predictor", "class"))
        score = pt.concatenate([pt.zeros((40, 1)), x @ b], axis=1)
        pm.Categorical("y", p=pm.math.softmax(score, axis=1), observed=y)
        pm.Categorical("again", logit_p=score[:5], observed=y[:5])
    return model


@MODELS.add
def weibull_survival():
    rng = generator(13)
    group = rng.integers(0, 2, 40)
    time = 3 * rng.weibull(1.5, 40)
    with pm.Model() as model:
        shape = pm.Gamma("shape", 4, 2)
        b = pm.Normal("b", 0, 2, shape=2)
        pm.Censored(
            "t", pm.Weibull.dist(shape, pt.exp(b[group])), lower=None, upper=4.0, observed=np.minimum(time, 4.0)
        )
    return model


@MODELS.add
def survival_by_potential():
    rng = generator(14)
    time = rng.exponential(2, 30)
    died = rng.uniform(size=30) < 0.7
    with pm.Model() as model:
        log_rate = pm.Normal("log_rate", 0, 2)
        shape = pm.LogNormal("shape", 0, 0.5)
        scale = pt.exp(-log_rate)
        pm.Weibull("t", shape, scale, observed=time[died])
        pm.Potential("alive", -((time[~died] / scale) ** shape))
    return model


@MODELS.add
def censored_and_truncated():
    rng = generator(15)
    x = rng.normal(size=30)
    y = 1 + 0.8 * x + rng.normal(size=30)
    with pm.Model() as model:
        b = pm.Normal("b", 0, 2, shape=2)
        sigma = pm.HalfNormal("sigma", 2)
        mu = b[0] + b[1] * x
        pm.Censored("c", pm.Normal.dist(mu, sigma), lower=-0.5, upper=2, observed=np.clip(y, -0.5, 2))
        kept = y > 0
        pm.Truncated("t", pm.Normal.dist(mu[kept], sigma), lower=0, upper=np.inf, observed=y[kept])
        pm.Truncated("u", pm.Gamma.dist(2, sigma), lower=0.3, upper=4.0, observed=[0.4, 1.2, 3.3])
    return model


@MODELS.add
def measurement_error():
    rng = generator(16)
    truth = rng.normal(1, 1, 20)
    with pm.Model(coords={"unit": [f"u{i}" for i in range(20)]}) as model:
        centre = pm.Normal("centre", 0, 2)
        spread = pm.HalfNormal("spread", 2)
        x = pm.Normal("x", centre, spread, dims="unit")
        pm.Normal("x_seen", x, 0.4, observed=truth + rng.normal(0, 0.4, 20), dims="unit")
        b = pm.Normal("b", 0, 2, shape=2)
        sigma = pm.Exponential("sigma", 1)
        pm.Normal("y", b[0] + b[1] * x, sigma, observed=2 - truth + rng.normal(0, 0.5, 20), dims="unit")
    return model


@MODELS.add
def horseshoe():
    rng = generator(17)
    x = rng.normal(size=(30, 6))
    y = x @ [2, 0, 0, -1.5, 0, 0] + rng.normal(size=30)
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 2)
        tau = pm.HalfStudentT("tau", 2, 0.25)
        lam = pm.HalfCauchy("lam", 1, shape=6)
        c2 = pm.InverseGamma("c2", 2, 4)
        z = pm.Normal("z", 0, 1, shape=6)
        beta = pm.Deterministic("beta", z * tau * lam * pt.sqrt(c2 / (c2 + tau**2 * lam**2)))
        pm.Normal("y", x @ beta, sigma, observed=y)
    return model


@MODELS.add
def spline():
    rng = generator(18)
    x = np.linspace(0, 1, 40)
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, 5), np.ones(3)])
    basis = BSpline.design_matrix(np.clip(x, 0, 1 - 1e-9), knots, 3).toarray()
    y = np.sin(6 * x) + rng.normal(0, 0.3, 40)
    with pm.Model(coords={"spline": range(basis.shape[1]), "obs": range(40)}) as model:
        b = pm.Data("basis", basis, dims=("obs", "spline"))
        tau = pm.HalfCauchy("tau", 1)
        w = pm.Normal("w", 0, tau, dims="spline")
        a = pm.Normal("a", 0, 1)
        sigma = pm.Exponential("sigma", 1)
        mu = pm.Deterministic("mu", a + pm.math.dot(b, w.T), dims="obs")
        pm.Normal("y", mu, sigma, observed=y, dims="obs")
    return model


@MODELS.add
def multivariate():
    rng = generator(19)
    x = rng.normal(size=(25, 2))
    y = x @ rng.normal(size=(2, 3)) + rng.multivariate_normal(np.zeros(3), 0.4 * np.eye(3) + 0.3, 25)
    with pm.Model(coords={"predictor": ["a", "b"], "outcome": ["u", "v", "w"]}) as model:
        b = pm.Normal("b", 0, 2, dims=("predictor", "outcome"))
        chol, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=2, sd_dist=pm.Exponential.dist(1))
        pm.MvNormal("y", x @ b, chol=chol, observed=y)
    return model
