"""Models whose evidence is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma, log

import numpy as np
from scipy import stats
from scipy.special import betaln, gammaln

import ppl

RNG = np.random.default_rng(5)
X = RNG.normal(size=(30, 3))
Y = X @ [1.0, 2.0, -1.0] + 1.5 * RNG.normal(size=30)
COUNTS = np.array([3, 1, 4, 1, 5, 9])

type Known = tuple[ppl.Model, float]


def normal_mean() -> Known:
    mu = ppl.Normal("mu", 0, 10)
    return ppl.Model({ppl.Normal("y", mu, 1, size=30): Y}), stats.multivariate_normal(cov=np.eye(30) + 100).logpdf(Y)


def normal_groups() -> Known:
    m, theta = np.array([0.5, 1.5, -2.0]), ppl.Normal("theta", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", theta, 0.5): m}), stats.norm(0, 4.25**0.5).logpdf(m).sum()


def normal_precision() -> Known:
    tau = ppl.Gamma("tau", 2, 3)
    return ppl.Model({ppl.Normal("y", 0, tau**-0.5, size=30): Y}), stats.multivariate_t(
        np.zeros(30), 1.5 * np.eye(30), df=4
    ).logpdf(Y)


def beta_binomial() -> Known:
    k, n = np.array([7, 3]), 20
    p = ppl.Beta("p", 2, 3)
    chosen = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)).sum()
    return ppl.Model({ppl.Binomial("k", n, p, size=2): k}), chosen + betaln(12, 33) - betaln(2, 3)


def gamma_poisson() -> Known:
    rate, total = ppl.Gamma("rate", 2, 1), int(COUNTS.sum())
    found = lgamma(2 + total) - (2 + total) * log(7) - gammaln(COUNTS + 1).sum()
    return ppl.Model({ppl.Poisson("n", rate, size=6): COUNTS}), found


def gamma_exponential() -> Known:
    y, rate = np.array([0.5, 2.0, 0.1, 1.2]), ppl.Gamma("rate", 3, 2)
    found = 3 * log(2) - lgamma(3) + lgamma(7) - 7 * log(2 + y.sum())
    return ppl.Model({ppl.Exponential("y", rate, size=4): y}), found


def beta_geometric() -> Known:
    p, n = ppl.Beta("p", 2, 2), 6
    return ppl.Model({ppl.Geometric("n", p, size=6): COUNTS}), betaln(2 + n, 2 + COUNTS.sum() - n) - betaln(2, 2)


def dirichlet_multinomial() -> Known:
    a, k = np.array([1.0, 2.0, 3.0, 0.5]), np.array([4, 0, 7, 2])
    p, n = ppl.Dirichlet("p", a), int(k.sum())
    found = lgamma(n + 1) - gammaln(k + 1).sum() + lgamma(a.sum()) - lgamma(a.sum() + n)
    return ppl.Model({ppl.Multinomial("k", n, p): k}), found + (gammaln(a + k) - gammaln(a)).sum()


def regression() -> Known:
    b = ppl.Normal("b", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", X @ b, 1.5): Y}), stats.multivariate_normal(
        cov=2.25 * np.eye(30) + 4 * X @ X.T
    ).logpdf(Y)


def regression_with_variance() -> Known:
    v = ppl.InverseGamma("v", 3, 4)
    b = ppl.Normal("b", 0, 2 * v**0.5, size=3)
    scale = 4 / 3 * (np.eye(30) + 4 * X @ X.T)
    return ppl.Model({ppl.Normal("y", X @ b, v**0.5): Y}), stats.multivariate_t(np.zeros(30), scale, df=6).logpdf(Y)


MODELS: tuple[Callable[[], Known], ...] = (
    normal_mean,
    normal_groups,
    normal_precision,
    beta_binomial,
    gamma_poisson,
    gamma_exponential,
    beta_geometric,
    dirichlet_multinomial,
    regression,
    regression_with_variance,
)
