"""Models whose likelihoods have small sufficient statistics, and such as have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl

N = 300
RNG = np.random.default_rng(20)
X = RNG.normal(size=(N, 3)) @ RNG.normal(size=(3, 3))
X_SHORT = RNG.integers(0, 3, size=(N, 2)).astype(float)
GROUP, SITE = RNG.integers(0, 6, N), RNG.integers(0, 3, N)
REAL = RNG.normal(3.0, 2.0, N)
POSITIVE = RNG.gamma(2.0, 1.5, N)
UNIT = RNG.beta(2.0, 3.0, N)
COUNT = RNG.poisson(2.0, N)
BINARY = RNG.integers(0, 2, N)
ERROR = RNG.uniform(0.5, 2.0, N)
EXPOSURE = RNG.uniform(1.0, 5.0, N)
TABLE = RNG.normal(size=(20, 15))


def intercept() -> Any:
    return ppl.Normal("m", 0, 1)


def slopes(size: Any = 3) -> Any:
    return ppl.Normal("b", 0, 1, size=size)


def effects(name: str = "a", size: int = 6) -> Any:
    return ppl.Normal(name, 0, 1, size=size)


def scale(name: str = "s", **shape: Any) -> Any:
    return ppl.HalfNormal(name, 1, **shape)


def rate(name: str = "lam", **shape: Any) -> Any:
    return ppl.Gamma(name, 2, 2, **shape)


def normal(mean: Any, sigma: Any, data: Any = REAL) -> ppl.Model:
    return ppl.Model({ppl.Normal("y", mean, sigma): data})


def observed(distribution: Any, data: Any) -> ppl.Model:
    return ppl.Model({distribution: data})


def potential() -> ppl.Model:
    m, s = intercept(), scale()
    return ppl.Model(ppl.Potential("fit", -0.5 * ((REAL - m - X @ slopes()) / s) ** 2 - pt.log(s)))


def two_likelihoods() -> ppl.Model:
    m, s = intercept(), scale()
    return ppl.Model({ppl.Normal("y", m, s): REAL, ppl.Poisson("z", pt.exp(m)): COUNT})


def mixture() -> ppl.Model:
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(2)), size=N)
    return observed(ppl.Poisson("y", rate(size=2)[k]), COUNT)


def missing() -> ppl.Model:
    return normal(X @ slopes() + intercept(), scale(), np.where(np.arange(N) % 50 == 0, np.nan, REAL))


# What is said of the statistics, None where a likelihood has none; and how the model is made.
MODELS: dict[str, tuple[str | None, Callable[[], ppl.Model]]] = {
    "mean and scale": ("mean and sum of squares", lambda: normal(intercept(), scale())),
    "known scale": ("mean and sum of squares", lambda: normal(intercept(), 2.0)),
    "precision": ("mean and sum of squares", lambda: observed(ppl.Normal("y", intercept(), tau=rate()), REAL)),
    "regression": ("QR of 3 columns", lambda: normal(intercept() + X @ slopes(), scale())),
    "through the origin": ("QR of 3 columns", lambda: normal(X @ slopes(), scale())),
    "from the left": ("QR of 3 columns", lambda: normal(pt.dot(slopes(), X.T), scale())),
    "written out": (
        "QR of 2 columns",
        lambda: normal(intercept() + slopes()[0] * X[:, 0] - X[:, 1] * ppl.Normal("c", 0, 1), scale()),
    ),
    "product and sum": ("QR of 3 columns", lambda: normal(intercept() + (X * slopes()).sum(axis=-1), scale())),
    "parameters are functions": (
        "QR of 2 columns",
        lambda: normal(pt.exp(intercept()) * X[:, 0] + X[:, 1] * scale("k") ** 2, scale()),
    ),
    "rank deficient": ("QR of 4 columns", lambda: normal(X[:, [0, 1, 2, 0]] @ slopes(4), scale())),
    "offset": ("QR of 3 columns", lambda: normal(X @ slopes() + 1e3 * UNIT, scale())),
    "weights": ("QR of 3 columns", lambda: normal(intercept() + X @ slopes(), ERROR)),
    "weights and scale": ("QR of 3 columns", lambda: normal(intercept() + X @ slopes(), ERROR * scale())),
    "lognormal": (
        "QR of 3 columns",
        lambda: observed(ppl.LogNormal("y", intercept() + X @ slopes(), scale()), POSITIVE),
    ),
    "groups": ("means of 6 groups", lambda: normal(effects()[GROUP], scale())),
    "analysis of covariance": (
        "means of 6 groups, QR of 1",
        lambda: normal(effects()[GROUP] + X[:, 0] * intercept(), 1.0),
    ),
    "varying slopes": ("means of 6 groups", lambda: normal(effects()[GROUP] + effects("c")[GROUP] * X[:, 0], scale())),
    "matrix of slopes": ("means of 6 groups", lambda: normal((X * slopes((6, 3))[GROUP]).sum(axis=1), scale())),
    "slopes alone vary": (
        "means of 6 groups, QR of 3 columns",
        lambda: normal(effects("c")[GROUP] * X[:, 0] + X @ slopes(), scale()),
    ),
    "mixed effects": (
        "means of 6 groups, QR of 3 columns",
        lambda: normal(X @ slopes() + effects()[GROUP] * 2.0 + intercept(), scale()),
    ),
    "crossed effects": (
        "means of 18 groups, QR of 3 columns",
        lambda: normal(X @ slopes() + effects()[GROUP] + effects("u", 3)[SITE], scale()),
    ),
    "scales vary": (
        "means of 3 groups, QR of 3 columns",
        lambda: normal(X @ slopes() + intercept(), scale("t", size=3)[SITE]),
    ),
    "all vary": (
        "means of 18 groups, QR of 3 columns",
        lambda: normal(X @ slopes() + effects()[GROUP], scale("t", size=3)[SITE]),
    ),
    "known scales and groups": ("means of 6 groups", lambda: normal(effects()[GROUP], ERROR)),
    "rows and columns": (
        "means of 20 groups, QR of 1 columns",
        lambda: normal(effects(size=20)[:, None] + intercept() * np.arange(15.0), 0.7, TABLE),
    ),
    "many outcomes": ("means of 3 groups", lambda: normal(X @ slopes((3, 3)), scale(), X[:, ::-1].copy())),
    "repeated times": (
        "means of 3 groups",
        lambda: normal(intercept() * pt.exp(-scale("k") * X_SHORT[:, 0]), scale()),
    ),
    "potential": ("QR of 3 columns", potential),
    "censored": (
        "mean and sum of squares",
        lambda: observed(ppl.Censored("y", pm.Normal.dist(intercept(), scale()), -np.inf, 3.0), np.minimum(REAL, 3.0)),
    ),
    "Poisson": ("sums", lambda: observed(ppl.Poisson("y", rate()), COUNT)),
    "Poisson by group": ("sums of 6 groups", lambda: observed(ppl.Poisson("y", rate(size=6)[GROUP]), COUNT)),
    "Poisson with exposure": (
        "sums of 6 groups",
        lambda: observed(ppl.Poisson("y", pt.exp(effects()[GROUP] + np.log(EXPOSURE))), COUNT),
    ),
    "Poisson regression, repeated rows": (
        "table of",
        lambda: observed(ppl.Poisson("y", pt.exp(intercept() + X_SHORT @ slopes(2))), COUNT),
    ),
    "Bernoulli": ("sums", lambda: observed(ppl.Bernoulli("y", ppl.Beta("p", 1, 1)), BINARY)),
    "Bernoulli by group": ("sums of 6 groups", lambda: observed(ppl.Bernoulli("y", logit_p=effects()[GROUP]), BINARY)),
    "logistic regression, repeated rows": (
        "table of 9 distinct rows",
        lambda: observed(ppl.Bernoulli("y", logit_p=intercept() + X_SHORT @ slopes(2)), BINARY),
    ),
    "binomial": ("sums", lambda: observed(ppl.Binomial("y", 12, ppl.Beta("p", 1, 1)), COUNT)),
    "geometric": ("sums", lambda: observed(ppl.Geometric("y", ppl.Beta("p", 1, 1)), COUNT + 1)),
    "categorical": ("counts of", lambda: observed(ppl.Categorical("y", ppl.Dirichlet("w", np.ones(12))), COUNT)),
    "categorical by group": (
        "counts of",
        lambda: observed(ppl.Categorical("y", ppl.Dirichlet("w", np.ones((6, 12)))[GROUP]), COUNT),
    ),
    "multinomial": (
        "sums of 4 groups",
        lambda: observed(
            ppl.Multinomial("y", 9, ppl.Dirichlet("w", np.ones(4))), RNG.multinomial(9, np.full(4, 0.25), size=40)
        ),
    ),
    "negative binomial by group": (
        "table of",
        lambda: observed(ppl.NegativeBinomial("y", mu=rate(size=6)[GROUP], alpha=scale()), COUNT),
    ),
    "inflated zeros": ("table of", lambda: observed(ppl.ZeroInflatedPoisson("y", ppl.Beta("p", 1, 1), rate()), COUNT)),
    "inflated zeros by group": (
        "branches at their own rows (265, 35), sums of 6 groups",
        lambda: observed(ppl.ZeroInflatedPoisson("y", ppl.Beta("p", 1, 1), rate(size=6)[GROUP]), COUNT),
    ),
    "mixture of counts": ("table of", mixture),
    "gamma": ("sums", lambda: observed(ppl.Gamma("y", scale("k"), rate()), POSITIVE)),
    "gamma by group": ("sums of 6 groups", lambda: observed(ppl.Gamma("y", 2.5, rate(size=6)[GROUP]), POSITIVE)),
    "exponential": ("sums", lambda: observed(ppl.Exponential("y", rate()), POSITIVE)),
    "inverse gamma": ("sums", lambda: observed(ppl.InverseGamma("y", scale("k"), rate()), POSITIVE)),
    "beta": ("sums", lambda: observed(ppl.Beta("y", scale("k"), rate()), UNIT)),
    "half-normal": ("sums", lambda: observed(ppl.HalfNormal("y", scale()), POSITIVE)),
    "two likelihoods": ("sums", two_likelihoods),
    "Student's t": (None, lambda: observed(ppl.StudentT("y", 4, mu=intercept(), sigma=scale()), REAL)),
    "Laplace": (None, lambda: observed(ppl.Laplace("y", intercept(), scale()), REAL)),
    "Weibull": (None, lambda: observed(ppl.Weibull("y", scale("k"), scale()), POSITIVE)),
    "logistic regression": (
        "branches at their own rows",
        lambda: observed(ppl.Bernoulli("y", logit_p=X @ slopes()), BINARY),
    ),
    "Poisson regression": (None, lambda: observed(ppl.Poisson("y", pt.exp(X @ slopes())), COUNT)),
    "errors added to a scale": (None, lambda: normal(intercept(), pt.sqrt(scale() ** 2 + ERROR**2))),
    "an effect for each row": (None, lambda: normal(effects(size=N), scale())),
    "nonlinear in data and parameters": (None, lambda: normal(pt.exp(-scale("k") * POSITIVE), scale())),
    "missing values": ("QR of 3 columns", missing),
    "few rows": (None, lambda: normal(intercept(), scale(), REAL[:8])),
}
