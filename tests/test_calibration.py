"""Simulation-based calibration: the rank of the true parameter among posterior draws is uniform.

Parameters are drawn from the prior, data from the parameters, and posterior draws from the data; if, and only if, the
sampler draws from the posterior, the rank of the true value among L independent posterior draws is uniform on 0..L
(Talts et al., 2018, Validating Bayesian Inference Algorithms with Simulation-Based Calibration, theorem 1). Ranks are
compared with the uniform distribution by a chi-squared test on 8 bins at a false-alarm rate of 1e-4 for each parameter.

Answers: uniform ranks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from scipy import stats

import ppl

NUM_REPLICATES = 240
NUM_RANKS = 63
pytestmark = pytest.mark.slow
Draw = Callable[[np.random.Generator], tuple[dict[str, NDArray], ppl.Model]]


def hierarchy(rng: np.random.Generator):
    tau, mu = abs(rng.normal(0, 1)), rng.normal(0, 2)
    theta = rng.normal(mu, tau, 4)
    data = rng.normal(theta[:, None], 0.8, (4, 3))
    tau_rv, mu_rv = ppl.HalfNormal("tau", 1), ppl.Normal("mu", 0, 2)
    raw = ppl.Normal("raw", 0, 1, size=4)
    y = ppl.Normal("y", (mu_rv + tau_rv * raw)[:, None], 0.8, size=(4, 3))
    return {"tau": tau, "mu": mu}, ppl.Model({y: data})


def mixture(rng: np.random.Generator):
    w, mu = rng.dirichlet([2.0, 3.0]), rng.normal([-1.0, 2.0], 0.7)
    k = rng.choice(2, p=w, size=12)
    data = rng.normal(mu[k], 0.9)
    w_rv = ppl.Dirichlet("w", np.array([2.0, 3.0]))
    mu_rv = ppl.Normal("mu", np.array([-1.0, 2.0]), 0.7)
    k_rv = ppl.Categorical("k", w_rv, size=12)
    y = ppl.Normal("y", mu_rv[k_rv], 0.9)
    return {"w": w[0], "mu": mu}, ppl.Model({y: data})


def variances(rng: np.random.Generator):
    v, m = 1 / rng.gamma(3.0, 1 / 2.0), rng.normal(0.5, 1.2)
    data = rng.normal(m, np.sqrt(v), 6)
    v_rv, m_rv = ppl.InverseGamma("v", 3.0, 2.0), ppl.Normal("m", 0.5, 1.2)
    y = ppl.Normal("y", m_rv, pt.sqrt(v_rv), size=6)
    return {"v": v, "m": m}, ppl.Model({y: data})


def counts(rng: np.random.Generator):
    rate = rng.gamma(3.0, 1 / 1.5)
    n = rng.poisson(rate, 3)
    data = rng.normal(n, 0.8)
    rate_rv = ppl.Gamma("rate", 3.0, 1.5)
    n_rv = ppl.Poisson("n", rate_rv, size=3)
    y = ppl.Normal("y", n_rv, 0.8)
    return {"rate": rate, "n": n}, ppl.Model({y: data})


def effects(rng: np.random.Generator):
    """Groups of one row to thirty: coordinates are learnt, between centred and non-centred ones."""
    group = np.repeat(np.arange(4), [1, 2, 8, 30])
    tau, mu = abs(rng.normal(0, 1)), rng.normal(0.5, 0.7)
    theta = rng.normal(mu, tau, 4)
    data = rng.poisson(np.exp(theta[group]))
    tau_rv, mu_rv = ppl.HalfNormal("tau", 1), ppl.Normal("mu", 0.5, 0.7)
    theta_rv = ppl.Normal("theta", mu_rv, tau_rv, size=4)
    return {"tau": tau, "mu": mu, "theta": theta}, ppl.Model({ppl.Poisson("y", pt.exp(theta_rv[group])): data})


def walk(rng: np.random.Generator):
    scale, first = abs(rng.normal(0, 0.7)), rng.normal(1.0, 0.5)
    x = first + np.append(0.0, rng.normal(0.1, scale, 7).cumsum())
    data = rng.poisson(np.exp(np.minimum(x, 15)))
    scale_rv = ppl.HalfNormal("scale", 0.7)
    start = pm.Normal.dist(1.0, 0.5)
    x_rv = ppl.GaussianRandomWalk("x", mu=0.1, sigma=scale_rv, init_dist=start, steps=7)
    return {"scale": scale, "x": x}, ppl.Model({ppl.Poisson("y", pt.exp(pt.minimum(x_rv, 15))): data})


CASES: dict[str, tuple[Draw, dict]] = {
    "partially_centred": (effects, {"sampler": "nuts", "marginalize": False, "compress": False}),
    "partially_centred_walk": (walk, {"sampler": "nuts", "marginalize": False}),
    "nuts": (hierarchy, {"sampler": "nuts"}),
    "nuts_marginalised": (mixture, {"sampler": "nuts"}),
    "gibbs_with_discrete": (mixture, {"sampler": "gibbs", "marginalize": False, "thin": 20}),
    "gibbs": (variances, {"sampler": "gibbs", "thin": 5}),
    "rmh_and_nuts": (counts, {"thin": 20}),
    "rmh_and_gibbs": (counts, {"sampler": "gibbs", "thin": 20}),
    "rmh": (variances, {"sampler": "rmh", "thin": 40}),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES)
def test_ranks_are_uniform(case):
    draw, options = CASES[case]
    generator = np.random.default_rng(7)
    ranks: dict[str, list[NDArray]] = {}
    for replicate in range(NUM_REPLICATES):
        truth, model = draw(generator)
        thin = options.get("thin", 4)
        rest = {k: v for k, v in options.items() if k != "thin"}
        trace = ppl.sample(
            model, draws=NUM_RANKS, tune=600, chains=1, seed=replicate, progress=False, thin=thin, **rest
        )
        for name, value in truth.items():
            draws = trace.posterior[name].to_numpy()[0]
            draws = draws[:, 0] if name == "w" else draws
            below = (draws < value).sum(0)
            # Ties of integers are broken at random, so that the rank is uniform for them too.
            ties = (draws == value).sum(0)
            ranks.setdefault(name, []).append(below + generator.integers(0, ties + 1))
    for name, found in ranks.items():
        array = np.array(found).reshape(NUM_REPLICATES, -1)
        for column in array.T:
            observed = np.bincount(column * 8 // (NUM_RANKS + 1), minlength=8)
            p = stats.chisquare(observed).pvalue
            assert p > 1e-4, (name, observed)
