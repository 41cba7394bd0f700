"""Time series, Gaussian processes and lattices."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from tests.corpus.catalogue import Corpus, generator

MODELS = Corpus()


@MODELS.add
def autoregression():
    rng = generator(31)
    with pm.Model() as model:
        rho = pm.Normal("rho", 0, 0.5, shape=2)
        sigma = pm.HalfNormal("sigma", 2)
        pm.AR("y", rho=rho, sigma=sigma, init_dist=pm.Normal.dist(0, 2, shape=2), observed=rng.normal(size=20))
        latent = pm.AR("latent", rho=[0.2, 0.7], constant=True, sigma=0.5, init_dist=pm.Normal.dist(0, 1), steps=9)
        pm.Normal("z", latent, 0.5, observed=rng.normal(size=10))
    return model


@MODELS.add
def autoregression_by_lags():
    rng = generator(32)
    y = np.zeros(40)
    for t in range(2, 40):
        y[t] = 0.5 + 0.6 * y[t - 1] - 0.3 * y[t - 2] + rng.normal(0, 0.4)
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        rho = pm.Uniform("rho", -1, 1, shape=2)
        sigma = pm.HalfCauchy("sigma", 1)
        pm.Normal("y", a + rho[0] * y[1:-1] + rho[1] * y[:-2], sigma, observed=y[2:])
    return model


@MODELS.add
def stochastic_volatility():
    rng = generator(33)
    returns = rng.standard_t(5, 25) * 0.6
    with pm.Model(coords={"day": np.arange(25)}) as model:
        step = pm.Exponential("step", 10)
        walk = pm.GaussianRandomWalk("walk", sigma=step, init_dist=pm.Normal.dist(0, 1), dims="day")
        nu = pm.Exponential("nu", 0.1)
        pm.StudentT("returns", nu=nu, lam=pt.exp(-2 * walk), observed=returns, dims="day")
    return model


@MODELS.add
def local_level():
    rng = generator(34)
    level = np.cumsum(rng.normal(0, 0.3, 20))
    y = level + rng.normal(0, 0.5, 20)
    with pm.Model() as model:
        sigma_level = pm.HalfNormal("sigma_level", 0.5)
        sigma = pm.HalfNormal("sigma", 1)
        innovations = pm.Normal("innovations", 0, 1, shape=20)
        mu = pm.Deterministic("mu", sigma_level * pt.cumsum(innovations))
        pm.Normal("y", mu, sigma, observed=y)
    return model


@MODELS.add
def walks_of_other_steps():
    rng = generator(35)
    with pm.Model() as model:
        s = pm.HalfNormal("s", 1)
        jumps = pm.RandomWalk(
            "jumps",
            innovation_dist=pm.StudentT.dist(nu=4, mu=0, sigma=s),
            init_dist=pm.Normal.dist(0, 1),
            steps=7,
        )
        chol = np.array([[0.8, 0.0], [0.3, 0.6]])
        pair = pm.MvGaussianRandomWalk(
            "pair", mu=np.array([0.1, -0.2]), chol=chol, init_dist=pm.MvNormal.dist(np.zeros(2), np.eye(2)), steps=5
        )
        pm.Normal("y", jumps, 0.5, observed=rng.normal(size=8))
        pm.Normal("z", pair, 0.5, observed=rng.normal(size=(6, 2)))
    return model


@MODELS.add
def garch():
    rng = generator(36)
    with pm.Model() as model:
        omega = pm.HalfNormal("omega", 1)
        alpha = pm.Beta("alpha", 2, 8)
        beta = pm.Uniform("beta", 0, 1 - alpha)
        pm.GARCH11("y", omega=omega, alpha_1=alpha, beta_1=beta, initial_vol=0.7, observed=rng.normal(0, 1.3, 15))
    return model


@MODELS.add
def moving_average_by_scan():
    rng = generator(37)
    y = rng.normal(size=15)
    with pm.Model() as model:
        theta = pm.Uniform("theta", -1, 1)
        sigma = pm.HalfNormal("sigma", 1)
        errors = pytensor.scan(
            lambda y, before, theta: y - theta * before,
            sequences=[pt.as_tensor(y)],
            outputs_info=[pt.zeros(())],
            non_sequences=[theta],
            return_updates=False,
        )
        pm.Potential("likelihood", pm.logp(pm.Normal.dist(0, sigma), errors).sum())
    return model


@MODELS.add
def changing_trend():
    rng = generator(38)
    t = np.linspace(0, 1, 30)
    switches = np.array([0.3, 0.6])
    after = (t[:, None] > switches) * 1.0
    with pm.Model() as model:
        k = pm.Normal("k", 0, 2)
        m = pm.Normal("m", 0, 2)
        delta = pm.Laplace("delta", 0, 0.3, shape=2)
        sigma = pm.HalfNormal("sigma", 0.5)
        fourier = pm.Normal("fourier", 0, 1, shape=4)
        season = np.column_stack([f(2 * np.pi * i * t * 4) for i in (1, 2) for f in (np.sin, np.cos)])
        trend = (k + after @ delta) * t + m + after @ (-switches * delta)
        pm.Normal("y", trend + season @ fourier, sigma, observed=t + rng.normal(0, 0.2, 30))
    return model


@MODELS.add
def gaussian_process_latent():
    rng = generator(39)
    x = np.linspace(0, 2, 10)[:, None]
    with pm.Model() as model:
        ell = pm.InverseGamma("ell", 5, 5)
        eta = pm.Exponential("eta", 1)
        gp = pm.gp.Latent(cov_func=eta**2 * pm.gp.cov.Matern52(1, ell))
        f = gp.prior("f", X=x)
        pm.Poisson("y", pt.exp(f), observed=rng.poisson(2, 10))
    return model


@MODELS.add
def gaussian_process_marginal():
    rng = generator(40)
    x = np.linspace(0, 2, 12)[:, None]
    y = np.sin(3 * x[:, 0]) + rng.normal(0, 0.2, 12)
    with pm.Model() as model:
        ell = pm.Gamma("ell", 2, 1)
        eta = pm.HalfNormal("eta", 2)
        sigma = pm.HalfNormal("sigma", 1)
        gp = pm.gp.Marginal(mean_func=pm.gp.mean.Constant(0.1), cov_func=eta**2 * pm.gp.cov.ExpQuad(1, ell))
        gp.marginal_likelihood("y", X=x, y=y, sigma=sigma)
    return model


@MODELS.add
def gaussian_process_by_basis():
    rng = generator(41)
    x = np.linspace(-1, 1, 20)[:, None]
    with pm.Model() as model:
        ell = pm.LogNormal("ell", -0.5, 0.5)
        eta = pm.HalfNormal("eta", 1)
        gp = pm.gp.HSGP(m=[6], c=1.5, cov_func=eta**2 * pm.gp.cov.ExpQuad(1, ls=ell))
        f = gp.prior("f", X=x)
        sigma = pm.HalfNormal("sigma", 0.5)
        pm.Normal("y", f, sigma, observed=np.cos(3 * x[:, 0]) + rng.normal(0, 0.2, 20))
    return model


@MODELS.add
def lattice():
    rng = generator(42)
    w = np.zeros((6, 6), dtype=int)
    for i, j in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (1, 4)]:
        w[i, j] = w[j, i] = 1
    with pm.Model() as model:
        tau = pm.Gamma("tau", 2, 1)
        alpha = pm.Beta("alpha", 3, 2)
        proper = pm.CAR("proper", mu=np.zeros(6), W=w, alpha=alpha, tau=tau)
        intrinsic = pm.ICAR("intrinsic", W=w, sigma=0.7)
        pm.Poisson("y", pt.exp(0.5 + proper + intrinsic), observed=rng.poisson(2, 6))
    return model


@MODELS.add
def epidemic_by_scan():
    cases = np.array([2, 3, 5, 8, 12, 15, 14, 11])

    def day(s, i, beta, gamma):
        new = beta * s * i / 100
        return s - new, i + new - gamma * i

    with pm.Model() as model:
        beta = pm.LogNormal("beta", 0, 0.3)
        gamma = pm.Beta("gamma", 3, 6)
        _, infected = pytensor.scan(
            day,
            outputs_info=[pt.as_tensor(98.0, dtype="float64"), pt.as_tensor(2.0, dtype="float64")],
            non_sequences=[beta, gamma],
            n_steps=8,
            return_updates=False,
        )
        pm.Poisson("cases", infected, observed=cases)
    return model
