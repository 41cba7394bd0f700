"""Random matrices in models: posteriors of known form, by Gibbs sampling and by NUTS.

Answers: posteriors in closed form, by SciPy.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
from scipy import stats

import ppl

DATA = np.random.default_rng(8).multivariate_normal([0.4, -1.2], [[1.3, 0.6], [0.6, 0.8]], size=12)
SCALE = np.array([[0.7, 0.1], [0.1, 0.4]])


def covariance() -> ppl.Model:
    cov = ppl.InverseWishart("x", 6.5, SCALE)
    return ppl.Model({ppl.MvNormal("y", np.zeros(2), cov, size=12): DATA})


def precision() -> ppl.Model:
    tau = ppl.Wishart("x", 6, SCALE)
    return ppl.Model({ppl.MvNormal("y", np.zeros(2), tau=tau, size=12): DATA})


EXACT = {
    "covariance": (covariance, stats.invwishart(18.5, SCALE + DATA.T @ DATA)),
    "precision": (precision, stats.wishart(18, np.linalg.inv(np.linalg.inv(SCALE) + DATA.T @ DATA))),
}


@pytest.mark.parametrize("sampler", ["gibbs", "nuts"])
@pytest.mark.parametrize("name", list(EXACT))
def test_posterior_is_the_closed_one(name: str, sampler: str) -> None:
    """Means within five Monte Carlo errors; variances within five times those of independent draws of a square."""
    make, exact = EXACT[name]
    trace = ppl.sample(make(), sampler=sampler, draws=1500, tune=500, chains=2, seed=5, progress=False)
    draws = trace.posterior["x"]
    error = az.mcse(trace, var_names="x", method="mean")["x"].to_numpy()
    assert (np.abs(draws.mean(("chain", "draw")).to_numpy() - exact.mean()) < 5 * error).all()
    ess = az.ess(trace, var_names="x", method="sd")["x"].to_numpy()
    values = draws.to_numpy().reshape(-1, 2, 2)
    kurtosis = stats.kurtosis(values, axis=0, fisher=False)
    relative = values.var(axis=0) / exact.var() - 1.0
    assert (np.abs(relative) < 5 * np.sqrt((kurtosis - 1.0) / ess)).all()


def test_the_plan_names_the_laws_of_matrices() -> None:
    for make, family in ((covariance, "InverseWishart"), (precision, "Wishart")):
        assert f"{family} full conditional" in str(ppl.plan(make(), sampler="gibbs"))
