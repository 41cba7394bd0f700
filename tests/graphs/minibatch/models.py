"""Models of a few rows, whose likelihoods factor over these; and such whose do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl

N = 6
RNG = np.random.default_rng(23)
X = RNG.normal(size=(N, 2))
GROUP, SITE = np.array([0, 2, 1, 0, 2, 2]), np.array([1, 0, 0, 1, 1, 0])
REAL = RNG.normal(size=N)
COUNT = RNG.poisson(2.0, N)
LABEL = np.array([0, 2, 1, 1, 0, 2])
OFFSET = RNG.normal(size=N)


def slopes(*shape: int) -> Any:
    return ppl.Normal("b", 0.3, 1.5, shape=shape or (2,))


def scale() -> Any:
    return ppl.HalfNormal("s", 1.5)


def observed(variable: Any, data: Any) -> ppl.Model:
    return ppl.Model({variable: data})


def groups() -> ppl.Model:
    a = ppl.Normal("a", ppl.Normal("m", 0, 1), ppl.HalfNormal("t", 1), shape=3)
    return observed(ppl.Normal("y", ppl.Data("x", X) @ slopes() + a[GROUP], scale()), REAL)


def uncentred_groups() -> ppl.Model:
    z = ppl.Normal("z", 0, 1, shape=3)
    a = ppl.Normal("m", 0, 1) + ppl.HalfNormal("t", 1) * z
    return observed(
        ppl.Poisson("y", pt.exp(a[GROUP] + ppl.Normal("c", 0, 1, shape=(3, 2))[GROUP, SITE] + OFFSET)), COUNT
    )


def mixture() -> ppl.Model:
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), shape=N)
    return observed(ppl.Normal("y", ppl.Normal("m", 0, 2, shape=3)[k] + X @ slopes(), scale()), REAL)


def switched() -> ppl.Model:
    z = ppl.Bernoulli("z", ppl.Beta("p", 2, 2), shape=N)
    return observed(ppl.Poisson("y", pt.switch(z, pt.exp(ppl.Normal("m", 0, 1)), 0.01)), COUNT)


def two_likelihoods() -> ppl.Model:
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m, scale()): REAL, ppl.Poisson("c", pt.exp(m), shape=4): COUNT[:4]})


def multivariate() -> ppl.Model:
    factor = pt.stack([pt.stack([scale(), 0.0]), pt.stack([ppl.Normal("r", 0, 1), ppl.HalfNormal("s2", 1)])])
    return observed(ppl.MvNormal("y", ppl.Normal("m", 0, 1, shape=2), chol=factor), RNG.normal(size=(N, 2)))


def ordinal() -> ppl.Model:
    cuts = ppl.Normal("cut", np.array([-1.0, 1.0]), 0.5, transform=pm.distributions.transforms.ordered)
    return observed(ppl.OrderedLogistic("y", eta=X @ slopes(), cutpoints=cuts), LABEL)


def missing() -> ppl.Model:
    return observed(ppl.Normal("y", X @ slopes(), scale()), np.where(SITE * GROUP == 2, np.nan, REAL))


def missing_covariate() -> ppl.Model:
    x = ppl.Normal("x", 0, 1, shape=N)
    y = ppl.Normal("y", ppl.Normal("m", 0, 1) * x, scale())
    return ppl.Model({x: np.where(GROUP == 1, np.nan, OFFSET), y: REAL})


def random_walk_of_groups() -> ppl.Model:
    level = pt.cumsum(ppl.Normal("z", 0, 1, shape=3))
    return observed(ppl.Normal("y", level[GROUP], scale()), REAL)


def written() -> ppl.Model:
    mean = pt.set_subtensor(pt.zeros(N)[[1, 4]], ppl.Normal("m", 0, 1, shape=2))
    mean = pt.concatenate([mean[:3], ppl.Normal("c", 0, 1) + mean[3:]])
    return observed(ppl.Normal("y", mean + (X.sum(axis=1) * ppl.Normal("b", 0, 1))[::-1], scale()), REAL)


def potential() -> ppl.Model:
    m, s = ppl.Normal("m", 0, 1), scale()
    return ppl.Model(ppl.Potential("fit", -0.5 * pt.sum(((REAL - m) / s) ** 2) - pt.sum(pt.log(s * pt.ones(N)))))


def stacked() -> ppl.Model:
    eta = X @ slopes(2, 3)
    p = pt.exp(eta) / pt.exp(eta).sum(axis=1, keepdims=True)
    return observed(ppl.Multinomial("y", n=7, p=p), RNG.multinomial(7, [0.2, 0.5, 0.3], N))


FACTORED: dict[str, Callable[[], ppl.Model]] = {
    "logistic": lambda: observed(ppl.Bernoulli("y", logit_p=ppl.Normal("a", 0, 1) + X @ slopes()), SITE),
    "softmax": lambda: observed(ppl.Categorical("y", logit_p=X @ slopes(2, 3)), LABEL),
    "multinomial": stacked,
    "groups": groups,
    "uncentred groups": uncentred_groups,
    "mixture": mixture,
    "switched": switched,
    "two likelihoods": two_likelihoods,
    "multivariate": multivariate,
    "ordinal": ordinal,
    "missing": missing,
    "missing covariate": missing_covariate,
    "random walk of groups": random_walk_of_groups,
    "written": written,
    "potential": potential,
    "censored": lambda: observed(
        ppl.Censored("y", pm.Normal.dist(X @ slopes(), scale()), lower=-0.5, upper=0.5), np.clip(REAL, -0.5, 0.5)
    ),
    "truncated": lambda: observed(ppl.Truncated("y", pm.Normal.dist(X @ slopes(), scale()), lower=0), abs(REAL)),
    "columns": lambda: observed(
        ppl.Normal("y", ppl.Normal("m", 0, 1, shape=3)[:, None] * OFFSET, scale()), RNG.normal(size=(3, N))
    ),
    "weights": lambda: observed(
        ppl.StudentT("y", ppl.Gamma("nu", 2, 0.2), X @ slopes(), sigma=scale() * abs(OFFSET)), REAL
    ),
    # Given the data before it, each element is independent of all others.
    "time series": lambda: observed(
        ppl.AR("y", ppl.Normal("r", 0, 1, shape=2), constant=True, init_dist=pm.Normal.dist(0, 1), steps=N - 1), REAL
    ),
    "negative binomial": lambda: observed(
        ppl.NegativeBinomial("y", mu=pt.exp(X @ slopes() + OFFSET), alpha=ppl.Gamma("al", 2, 1)), COUNT
    ),
}


def covariance() -> ppl.Model:
    k = ppl.HalfNormal("g", 1) * pt.exp(-((REAL[:, None] - REAL) ** 2)) + pt.eye(N)
    return observed(ppl.MvNormal("y", pt.zeros(N), cov=k), REAL)


def chain() -> ppl.Model:
    # A chain of states couples the rows through its sum.
    p = ppl.Dirichlet("p", np.ones((2, 2)))
    states = ppl.MarkovChain("k", p, [0.5, 0.5], steps=N)
    return observed(ppl.Normal("y", ppl.Normal("m", 0, 1, shape=2)[states], 1), REAL)


COUPLED: dict[str, tuple[str, Callable[[], ppl.Model]]] = {
    "plate": (
        "z has an element for each of the 6 rows",
        lambda: observed(ppl.Poisson("y", pt.exp(ppl.Normal("z", 0, 1, shape=N))), COUNT),
    ),
    "plate by an index": (
        "z has an element for each of the 6 rows",
        lambda: observed(ppl.Poisson("y", pt.exp(ppl.Normal("z", 0, 1, shape=N)[[1, 0, 2, 3, 5, 4]])), COUNT),
    ),
    "cumulative sum": (
        "a cumulative sum runs along the rows",
        lambda: observed(ppl.Normal("y", pt.cumsum(ppl.Normal("z", 0, 1, shape=N)), 1), REAL),
    ),
    "covariance": ("all its elements have one density together", covariance),
    "mean of all": (
        "in every step",
        lambda: observed(ppl.Normal("y", REAL - pt.mean(pt.exp(ppl.Normal("m", 0, 1) * OFFSET)), 1), REAL),
    ),
    "chain": ("one density together", chain),
}
