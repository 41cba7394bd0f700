"""Simulation-based calibration of sweeps from which variables were integrated out, and of these drawn back.

Parameters are drawn from the prior and data given them, many times; the rank of each parameter among draws of its
posterior is then uniform [1]_. All replications are one model, a plate of independent ones: one compilation.

.. [1] Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference algorithms with
   simulation-based calibration, arXiv:1804.06788.

Answers: uniform ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
import scipy.stats
from numpy.typing import NDArray

import ppl

NUM_REPLICATIONS = 400
NUM_KEPT = 99
NUM_BINS = 20

type Arrays = dict[str, NDArray[Any]]
type Made = tuple[ppl.Model, Arrays]


def _groups(rng: np.random.Generator) -> Made:
    """Effects of groups, their mean and their scale; every scale has a posterior of its own."""
    n = NUM_REPLICATIONS
    mu, log_tau = rng.normal(0, 2, n), rng.normal(0, 0.5, n)
    theta = mu[:, None] + np.exp(log_tau)[:, None] * rng.normal(size=(n, 4))
    data = theta + rng.normal(size=(n, 4))
    mean, log_scale = ppl.Normal("mu", 0, 2, size=n), ppl.Normal("log_tau", 0, 0.5, size=n)
    effects = ppl.Normal("theta", mean[:, None], pt.exp(log_scale)[:, None], size=(n, 4))
    model = ppl.Model({ppl.Normal("y", effects, 1.0): data})
    return model, {"mu": mu, "log_tau": log_tau, "theta": theta[:, 1]}


def _rates(rng: np.random.Generator) -> Made:
    """Gamma rates of counts."""
    n = NUM_REPLICATIONS
    shape = np.exp(rng.normal(0.5, 0.5, n))
    rate = rng.gamma(shape[:, None], 1.0, size=(n, 3))
    log_shape = ppl.Normal("log_shape", 0.5, 0.5, size=n)
    rates = ppl.Gamma("rate", pt.exp(log_shape)[:, None], 1.0, size=(n, 3))
    model = ppl.Model({ppl.Poisson("y", rates): rng.poisson(rate)})
    return model, {"log_shape": np.log(shape), "rate": rate[:, 0]}


def _shares(rng: np.random.Generator) -> Made:
    """Beta probabilities of binomial counts."""
    n = NUM_REPLICATIONS
    log_size = rng.normal(1.0, 0.5, n)
    p = rng.beta(np.exp(log_size)[:, None], 2.0, size=(n, 3))
    size = ppl.Normal("log_size", 1.0, 0.5, size=n)
    probability = ppl.Beta("p", pt.exp(size)[:, None], 2.0, size=(n, 3))
    model = ppl.Model({ppl.Binomial("y", 10, probability): rng.binomial(10, p)})
    return model, {"log_size": log_size, "p": p[:, 2]}


def _walks(rng: np.random.Generator) -> Made:
    """Levels that walk, of three steps each, and the scale of the steps."""
    n = NUM_REPLICATIONS
    log_step = rng.normal(0, 0.5, n)
    first = rng.normal(size=n)
    second = first + np.exp(log_step) * rng.normal(size=n)
    third = second + np.exp(log_step) * rng.normal(size=n)
    step = pt.exp(ppl.Normal("log_step", 0, 0.5, size=n))
    a = ppl.Normal("a", 0, 1, size=n)
    b = ppl.Normal("b", a, step, size=n)
    c = ppl.Normal("c", b, step, size=n)
    levels = {"x": (a, first), "y": (b, second), "z": (c, third)}
    data = {ppl.Normal(name, level, 0.7): truth + 0.7 * rng.normal(size=n) for name, (level, truth) in levels.items()}
    return ppl.Model(data), {"log_step": log_step, "a": first, "b": second, "c": third}


@pytest.mark.slow
@pytest.mark.parametrize("make", [_groups, _rates, _shares, _walks])
def test_ranks_of_parameters_are_uniform(make: Callable[[np.random.Generator], Made]):
    rng = np.random.default_rng(7)
    model, truth = make(rng)
    gone = [name for name in truth if not name.startswith("log_")]
    trace = ppl.sample(model, 33 * 20, 1000, 3, seed=3, thin=1, marginalize=gone, progress=False)
    for name, values in truth.items():
        draws = trace.posterior[name].values
        draws = draws.reshape(*draws.shape[:2], NUM_REPLICATIONS, -1)
        draws = draws[..., {"theta": 1, "p": 2}.get(name, 0)]
        # One draw out of 20 of three chains: nearly independent, so that ranks are uniform on 0, ..., 99.
        kept = draws[:, ::20].reshape(NUM_KEPT, NUM_REPLICATIONS)
        ranks = (kept < values).sum(axis=0)
        counts = np.bincount(ranks * NUM_BINS // (NUM_KEPT + 1), minlength=NUM_BINS)
        # Replications are independent. Of a dozen such tests one in some 10^4 would fail by chance.
        assert scipy.stats.chisquare(counts).pvalue > 1e-5, (name, counts)
