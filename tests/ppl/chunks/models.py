"""Models whose data may be in memory or in chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl

N = 301
RNG = np.random.default_rng(20)
GROUP, SITE = RNG.integers(0, 6, N), RNG.integers(0, 3, N)
X = RNG.normal(size=(N, 3)) @ RNG.normal(size=(3, 3))
DATA = {
    "group": GROUP,
    "site": SITE,
    "X": X,
    "x": X[:, 0].copy(),
    "short": RNG.integers(0, 3, size=(N, 2)).astype(float),
    "real": RNG.normal(3.0, 2.0, N) + GROUP,
    "many": RNG.normal(size=(N, 3)),
    "positive": RNG.gamma(2.0, 1.5, N),
    "unit": RNG.beta(2.0, 3.0, N),
    "count": RNG.poisson(2.0, N),
    "binary": RNG.integers(0, 2, N),
    "error": RNG.uniform(0.5, 2.0, N),
}
Given = Callable[[str], Any]
"""Of a name, the data as they are given to ``ppl.Data`` or to a model."""


def read(given: Given, name: str) -> Any:
    return ppl.Data(name, given(name))


def intercept() -> Any:
    return ppl.Normal("m", 0, 1)


def slopes(size: int = 3) -> Any:
    return ppl.Normal("b", 0, 1, size=size)


def effects(name: str = "a", size: int = 6) -> Any:
    return ppl.Normal(name, 0, ppl.HalfNormal(f"{name}_scale", 1), size=size)


def scale(name: str = "s", **shape: Any) -> Any:
    return ppl.HalfNormal(name, 1, **shape)


def _regression(d: Given) -> ppl.Model:
    return ppl.Model({ppl.Normal("y", intercept() + pt.dot(read(d, "X"), slopes()), scale()): d("real")})


def _groups(d: Given) -> ppl.Model:
    mean = effects()[read(d, "group")] + read(d, "X") @ slopes()
    return ppl.Model({ppl.Normal("y", mean, scale()): d("real")})


def _random_slopes(d: Given) -> ppl.Model:
    group, x = read(d, "group"), read(d, "x")
    mean = effects()[group] + effects("c")[group] * x + pt.dot(read(d, "X"), slopes())
    return ppl.Model({ppl.Normal("y", mean, scale("t", size=3)[read(d, "site")]): d("real")})


def _logistic(d: Given) -> ppl.Model:
    return ppl.Model({ppl.Bernoulli("y", logit_p=intercept() + read(d, "short") @ slopes(2)): d("binary")})


def _mixture(d: Given) -> ppl.Model:
    w = ppl.Dirichlet("w", np.ones(2))
    parts = [pm.Poisson.dist(ppl.Gamma("low", 2, 2)), pm.Poisson.dist(ppl.Gamma("high", 4, 1))]
    return ppl.Model({ppl.Mixture("y", w, parts): d("count")})


# What is said of the statistics, and how the model is made.
MODELS: dict[str, tuple[str, Callable[[Given], ppl.Model]]] = {
    "mean and scale": ("mean and sum", lambda d: ppl.Model({ppl.Normal("y", intercept(), scale()): d("real")})),
    "regression": ("QR of 3 columns", _regression),
    "groups": ("means of 6 groups, QR of 3 columns", _groups),
    "random slopes": ("means of 18 groups, QR of 3 columns", _random_slopes),
    "weights": (
        "QR of 3 columns",
        lambda d: ppl.Model({ppl.Normal("y", read(d, "X") @ slopes(), read(d, "error") * scale()): d("real")}),
    ),
    "lognormal": (
        "QR of 3 columns",
        lambda d: ppl.Model({ppl.LogNormal("y", read(d, "X") @ slopes(), scale()): d("positive")}),
    ),
    "exposure": (
        "sums of 6 groups",
        lambda d: ppl.Model(
            {ppl.Poisson("y", pt.exp(effects()[read(d, "group")] + pt.log(read(d, "error")))): d("count")}
        ),
    ),
    "logistic": ("table of 9 distinct rows", _logistic),
    "binomial": (
        "sums of 6 groups",
        lambda d: ppl.Model({ppl.Binomial("y", 12, ppl.Beta("p", 1, 1, size=6)[read(d, "group")]): d("count")}),
    ),
    "gamma": (
        "sums of 6 groups",
        lambda d: ppl.Model({ppl.Gamma("y", scale("k", size=6)[read(d, "group")], scale("r")): d("positive")}),
    ),
    "beta": (
        "sums of 6 groups",
        lambda d: ppl.Model({ppl.Beta("y", scale("k", size=6)[read(d, "group")], scale("r")): d("unit")}),
    ),
    "categorical": (
        "counts of 18 groups",
        lambda d: ppl.Model({ppl.Categorical("y", ppl.Dirichlet("p", np.ones((6, 3)))[read(d, "group")]): d("site")}),
    ),
    "many outcomes": (
        "means of 3 groups",
        lambda d: ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1, size=3), scale()): d("many")}),
    ),
    "mixture": ("table of", _mixture),
}
