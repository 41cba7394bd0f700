"""Draws of runs with learnt coordinates and of runs without agree.

Answers: the same models in other coordinates that mix well, as they are declared or not centred at all. Means and mean
squares of inverse tangents are compared at four and a half Monte Carlo errors: one false alarm in 150,000 comparisons,
of some 700.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pymc as pm
import pytest

import ppl
from benchmarks.centring_models import MODELS

pytestmark = pytest.mark.slow
BOUND = 4.5
AGAINST = {
    "eight schools": 0,
    "funnel": 0,
    "Poisson, 2 rows a group": 1,
    "Poisson, 100 rows a group": 1,
    "Poisson, 1 or 1000 rows": 1,
    "logistic, 3 rows a group": 0,
    "logistic, 200 rows a group": 1,
    "Student-t effects": 1,
}


def walk() -> ppl.Model:
    rng = np.random.default_rng(4)
    y = rng.poisson(np.exp(rng.normal(0.0, 0.3, 40).cumsum() + 2))
    steps = ppl.HalfNormal("steps", 0.5)
    x = ppl.GaussianRandomWalk("x", mu=0.0, sigma=steps, init_dist=pm.Normal.dist(2, 1), steps=39)
    return ppl.Model({ppl.Poisson("y", pm.math.exp(x)): y})


def autoregression() -> ppl.Model:
    rng = np.random.default_rng(5)
    y = rng.poisson(np.exp(rng.normal(0.0, 0.3, 40).cumsum() / 2 + 2))
    steps, rho = ppl.HalfNormal("steps", 0.5), ppl.Uniform("rho", -1, 1)
    x = ppl.AR("x", rho=[0.2, rho], sigma=steps, constant=True, init_dist=pm.Normal.dist(2, 1), steps=39)
    return ppl.Model({ppl.Poisson("y", pm.math.exp(x)): y})


def crossed() -> ppl.Model:
    rng = np.random.default_rng(6)
    row, column = np.divmod(np.arange(150), 10)
    y = rng.binomial(8, 1 / (1 + np.exp(-rng.normal(0, 0.7, 15)[row] - rng.normal(0, 0.4, 10)[column])))
    mean, scales = ppl.Normal("mean", 0, 2), ppl.HalfNormal("scales", 1, size=2)
    a, b = ppl.Normal("a", mean, scales[0], size=15), ppl.Laplace("b", 0, scales[1], size=10)
    return ppl.Model({ppl.Binomial("y", 8, logit_p=a[row] + b[column]): y})


def nested() -> ppl.Model:
    rng = np.random.default_rng(7)
    inner = np.repeat(np.arange(12), 4)
    y = rng.poisson(np.exp(rng.normal(1, 0.6, 12))[inner])
    top = ppl.Normal("top", 0, ppl.HalfNormal("between", 1), size=3)
    low = ppl.Normal("low", top[np.arange(12) // 4], ppl.HalfNormal("within", 1), size=12)
    return ppl.Model({ppl.Poisson("y", pm.math.exp(low[inner])): y})


CASES = {name: (MODELS[name], against) for name, against in AGAINST.items()}
CASES |= {"walk": (walk, 1), "autoregression": (autoregression, 1), "crossed": (crossed, 1), "nested": (nested, 0)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CASES)
def test_moments(name: str) -> None:
    declare, against = CASES[name]
    found = {}
    for centring in ("auto", against):
        compiled = ppl.compile(declare(), marginalize=False, sampler="nuts", centring=centring, progress=False)
        found[centring] = compiled.sample(8000, 2000, 4, seed=11, progress=False).posterior.to_dataset()
    for power in (1, 2):
        for variable in found["auto"].data_vars:
            # Of heavy tails, too, bounded numbers have errors that are known.
            shown = [np.arctan(found[c][variable]) ** power for c in ("auto", against)]
            sizes = [az.ess(draws.to_dataset(name="x"))["x"] for draws in shown]
            assert min(float(size.min()) for size in sizes) > 200, (variable, power)
            errors = [draws.std(["chain", "draw"]) / size**0.5 for draws, size in zip(shown, sizes, strict=True)]
            difference = shown[0].mean(["chain", "draw"]) - shown[1].mean(["chain", "draw"])
            worst = float((abs(difference) / np.hypot(*errors)).max())
            assert worst < BOUND, (variable, power, worst)
