"""Splines as graphs have SciPy's values and derivatives, at the knots, between them and beyond.

Answers: SciPy's splines.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions.dist_math import SplineWrapper
from scipy.interpolate import InterpolatedUnivariateSpline

from graphs.surgery.interpreting import interpret
from graphs.variables.splines import as_piecewise_polynomial

KNOTS = np.array([-1.3, -0.4, 0.1, 0.9, 2.2, 3.7])
HEIGHTS = np.array([0.3, 1.7, -0.6, 0.8, 2.4, 1.1])


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("beyond", ["zeros", "extrapolate"])
def test_values_and_derivatives_are_scipys(degree, beyond):
    spline = InterpolatedUnivariateSpline(KNOTS, HEIGHTS, k=degree, ext=beyond)
    x = pt.vector("x", shape=(40,))
    [value] = as_piecewise_polynomial(SplineWrapper(spline), x)
    slope = pytensor.grad(value.sum(), x)
    function = interpret([x], [value, slope])
    at = np.random.default_rng(1).uniform(-2, 5, 40)
    for found, expected in zip(function(at), (spline(at), spline.derivative()(at)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    at[: len(KNOTS)] = KNOTS
    np.testing.assert_allclose(function(at)[0], spline(at), rtol=1e-11, atol=1e-11)


def test_what_is_constant_beyond_its_knots_is_left():
    spline = InterpolatedUnivariateSpline(KNOTS, HEIGHTS, k=1, ext="const")
    assert as_piecewise_polynomial(SplineWrapper(spline), pt.vector("x")) is None
