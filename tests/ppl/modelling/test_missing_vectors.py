"""Elements of normal vectors that are missing, beside an unknown precision: both are drawn from their laws.

Answers: a Gibbs sampler by hand, in NumPy and SciPy.
"""

from __future__ import annotations

import arviz_stats
import numpy as np
from scipy import stats

import ppl

DATA = np.array([[1.0, 1.2], [0.5, -0.3], [-1.1, 0.2], [0.3, 0.9], [2.0, np.nan], [np.nan, -1.0], [-0.7, -0.9]])


def by_hand(num_sweeps, seed):
    """Draws of the first element of the precision, by the two full conditionals in NumPy and SciPy."""
    rng = np.random.default_rng(seed)
    missing, full = np.argwhere(np.isnan(DATA)), np.where(np.isnan(DATA), 0.0, DATA)
    draws = []
    for _ in range(num_sweeps):
        precision = stats.wishart.rvs(4 + len(DATA), np.linalg.inv(np.eye(2) + full.T @ full), random_state=rng)
        for i, j in missing:
            mean = -precision[j, 1 - j] * full[i, 1 - j] / precision[j, j]
            full[i, j] = rng.normal(mean, precision[j, j] ** -0.5)
        draws.append(precision[0, 0])
    return np.array(draws)[None]


def error_of(draws):
    return draws.std() / np.sqrt(float(arviz_stats.ess(draws)))


def test_the_posterior():
    precision = ppl.Wishart("precision", 4, np.eye(2))
    model = ppl.Model({ppl.MvNormal("y", np.zeros(2), tau=precision, size=len(DATA)): DATA})
    planned = ppl.plan(model, sampler="gibbs")
    assert {a.method for a in planned.assignments} == {"gibbs"}
    trace = ppl.sample(model, draws=1000, tune=100, seed=1, sampler="gibbs", progress=False)
    draws, expected = trace.posterior["precision"].to_numpy()[..., 0, 0], by_hand(5000, 2)
    # Five standard errors of the difference.
    assert abs(draws.mean() - expected.mean()) < 5 * np.hypot(error_of(draws), error_of(expected))
