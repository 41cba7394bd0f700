"""Counts without bounds are drawn by windows: against closed forms, at every scale, on every backend.

Answers: closed forms by SciPy, and the enumeration.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl


def thinned(scale: float):
    """N ~ Poisson(rate), y ~ Binomial(N, p): N - y ~ Poisson(rate (1 - p)), given y."""
    y = np.array([3, 0, 7]) if scale == 1 else np.array([3100, 2800, 3000])
    n = ppl.Poisson("n", 10.0 * scale, size=3)
    return ppl.Model({ppl.Binomial("y", n, 0.3): y}), y, 7.0 * scale


@pytest.mark.parametrize(("scale", "backend"), [(1, "numba"), (1000, "numba"), (1, "jax")])
def test_thinned_poisson(scale, backend):
    model, y, rate = thinned(scale)
    assert ppl.plan(model, marginalize=False).method_of("n") == "gibbs"
    options = {"tune": 300, "chains": 2, "seed": 3, "backend": backend, "progress": False}
    trace = ppl.sample(model, draws=4000, marginalize=False, **options)
    drawn = trace.posterior["n"].to_numpy() - y
    ess = az.ess(trace.posterior["n"], method="mean").to_numpy().ravel()
    # Four standard errors of the mean, of three elements: one false alarm in five thousand, and seeds are fixed.
    np.testing.assert_array_less(np.abs(drawn.mean(axis=(0, 1)) - rate), 4 * np.sqrt(rate / ess))
    assert ess.min() > 400
    # Draws thinned to be nearly independent have the distribution's probabilities, not only its mean.
    edges = np.unique(stats.poisson.ppf([0.1, 0.3, 0.5, 0.7, 0.9], rate))
    thin = drawn[:, :: max(1, int(8000 / ess.min()) * 2)].ravel()
    counts = np.histogram(thin, [-np.inf, *edges + 0.5, np.inf])[0]
    expected = np.diff(stats.poisson.cdf([-1, *edges, np.inf], rate)) * len(thin)
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_counts_on_both_sides_of_zero_that_depend_on_each_other():
    """A walk on the integers: exact by enumeration of all that is probable."""
    k = ppl.DiscreteUniform("k", 0, 1, size=1)
    first = ppl.Poisson("first", 4.0)
    second = ppl.Poisson("second", 1.0 + first)
    y = ppl.Normal("y", pt.stack([second - 2.0 * first]) + k, 1.0)
    model = ppl.Model({y: np.array([-1.0])})
    trace = ppl.sample(model, draws=8000, tune=300, chains=2, seed=4, progress=False)
    a, b = np.ogrid[:40, :80]
    weight = stats.poisson.pmf(a, 4) * stats.poisson.pmf(b, 1 + a)
    weight = weight * (stats.norm.pdf(-1, b - 2 * a, 1) + stats.norm.pdf(-1, b - 2 * a + 1, 1))
    weight /= weight.sum()
    for name, grid in (("first", a), ("second", b)):
        mean, square = (weight * grid).sum(), (weight * grid**2).sum()
        found = trace.posterior[name]
        error = np.sqrt((square - mean**2) / float(az.ess(found)))
        assert abs(float(found.mean()) - mean) < 4 * error
