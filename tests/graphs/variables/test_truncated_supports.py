"""What is truncated lies where the distribution and the bounds allow: the real line is taken to this interval.

By SciPy's quadrature densities there integrate to one.

Answers: intervals written beside each case, and SciPy's quadrature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import integrate

import graphs
import ppl
from graphs.surgery.interpreting import interpret

GAMMA, BETA, NORMAL = pm.Gamma.dist, pm.Beta.dist, pm.Normal.dist

INTERVALS: dict[str, tuple[Callable[[], Any], tuple[float, float]]] = {
    "above zero, cut above": (lambda: ppl.Truncated("x", GAMMA(2, 1), upper=5), (0, 5)),
    "above zero, cut below": (lambda: ppl.Truncated("x", GAMMA(2, 1), lower=1), (1, np.inf)),
    "above zero, not cut": (lambda: ppl.Truncated("x", GAMMA(2, 1), lower=-1), (0, np.inf)),
    "above zero, cut outside and inside": (lambda: ppl.Truncated("x", GAMMA(2, 1), lower=-1, upper=0.3), (0, 0.3)),
    "unit, cut above": (lambda: ppl.Truncated("x", BETA(2, 3), upper=0.5), (0, 0.5)),
    "unit, cut below": (lambda: ppl.Truncated("x", BETA(2, 3), lower=0.2), (0.2, 1)),
    "unit, not cut": (lambda: ppl.Truncated("x", BETA(2, 3), upper=7), (0, 1)),
    "from a parameter": (lambda: ppl.Truncated("x", pm.Pareto.dist(3, 1.5), upper=4), (1.5, 4)),
    "between parameters": (lambda: ppl.Truncated("x", pm.Uniform.dist(0.5, 3), lower=1), (1, 3)),
    "shifted": (lambda: ppl.Truncated("x", pm.Wald.dist(2, 1, alpha=1), upper=4), (1, 4)),
    "real": (lambda: ppl.Truncated("x", pm.StudentT.dist(3), lower=0, upper=5), (0, 5)),
    "normal": (lambda: ppl.Truncated("x", NORMAL(0, 1), upper=2), (-np.inf, 2)),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_the_real_line_is_taken_to_the_interval(name):
    """And the density on it integrates to one."""
    make, (lower, upper) = INTERVALS[name]
    natural = graphs.logprob(ppl.Model(make()))
    assert (natural.supports["x"].lower, natural.supports["x"].upper) == (lower, upper)
    moved = graphs.unconstrain(natural)
    [value] = moved.values.values()
    function = interpret([value], [moved.natural["x"], moved.total])
    far = [float(function(np.asarray(v))[0]) for v in (-30.0, 30.0)]
    assert min(far) == pytest.approx(lower, abs=1e-9) if np.isfinite(lower) else min(far) < -1e9
    assert max(far) == pytest.approx(upper, abs=1e-9) if np.isfinite(upper) else max(far) > 1e9
    whole, _ = integrate.quad(lambda v: np.exp(function(np.asarray(v))[1]), -30, 30, points=[-2, 0, 2], limit=200)
    assert whole == pytest.approx(1.0, rel=1e-6)


def test_arrays_of_bounds():
    model = ppl.Model(ppl.Truncated("x", pm.HalfNormal.dist(1.0), lower=[-1.0, 0.5, -np.inf], upper=[0.5, 2.0, 3.0]))
    moved = graphs.logprob(model, space="unconstrained")
    [value] = moved.values.values()
    function = interpret([value], [moved.natural["x"], moved.total])
    np.testing.assert_allclose(function(np.full(3, -30.0))[0], [0.0, 0.5, 0.0], atol=1e-9)
    np.testing.assert_allclose(function(np.full(3, 30.0))[0], [0.5, 2.0, 3.0])
    assert np.isfinite(function(np.zeros(3))[1])


def test_bounds_that_are_variables():
    moved = graphs.logprob(
        ppl.Model(ppl.Truncated("x", GAMMA(2, 1), upper=ppl.HalfNormal("u", 1))), space="unconstrained"
    )
    function = interpret([moved.values["u"], moved.values["x"]], [moved.natural["x"], moved.total])
    for v in (-20.0, 0.3, 20.0):
        x, total = function(np.asarray(0.4), np.asarray(v))
        assert 0 < x < np.exp(0.4)
        assert np.isfinite(total)


def test_models_of_pymc_keep_to_the_support():
    with pm.Model() as model:
        pm.Truncated("x", GAMMA(2, 1), upper=5)
        pm.Truncated("z", NORMAL(0, 1), upper=5)
        pm.Truncated("w", GAMMA(2, 1), lower=1)
        pm.Truncated("k", pm.Poisson.dist(2), upper=5)
    taken = ppl.from_pymc(model)
    moved = graphs.logprob(taken, space="unconstrained", marginalize=False)
    names = ["x", "z", "w"]
    function = interpret([moved.values[n] for n in names], [moved.natural[n] for n in names])
    far = np.array([function(*[np.asarray(v)] * 3) for v in (-25.0, 25.0)])
    np.testing.assert_allclose(far.min(axis=0)[[0, 2]], [0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(far.max(axis=0)[:2], 5.0)
