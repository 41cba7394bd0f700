"""The branch-free functions are accurate to two units in the last place or better, and right at special values.

Answers: mpmath, and SciPy at special values.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numba import njit
from scipy import special

from graphs.backends.numba.library import vector_erf, vector_gamma, vector_math

RNG = np.random.default_rng(0)
NUM_POINTS = 2000
SPECIAL = np.array(
    [
        *(0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310, 2.3e-308, 1e308, -1e308, 2.0**60),
        *(710.0, 709.78, 709.79, -745.1, -745.2, -746.0, 1e-20, -1e-20, -1 + 1e-16, -1 - 1e-15),
    ]
)


# Not kept on disk: what Numba keeps of functions as arguments cannot always be read back.
@njit(error_model="numpy")
def apply(function, x, out):
    for i in range(x.size):
        out[i] = function(x[i])


def evaluate(function, x):
    out = np.empty_like(x)
    apply(function, x, out)
    return out


def units_off(function, exact, x):
    """Return the largest error in units in the last place."""
    worst = 0.0
    with mpmath.workprec(300):
        for point, value in zip(x, evaluate(function, x), strict=True):
            truth = exact(mpmath.mpf(float(point)))
            if truth != 0 and abs(truth) < 1.7e308:
                worst = max(worst, float(abs(mpmath.mpf(float(value)) - truth) / math.ulp(float(truth))))
    return worst


def test_exponential():
    x = np.concatenate([RNG.uniform(-745, 709, NUM_POINTS), RNG.normal(size=NUM_POINTS), RNG.uniform(-745, -708, 300)])
    assert units_off(vector_math.exp, mpmath.exp, x) < 1.0


def test_logarithm():
    x = np.concatenate(
        [np.exp(RNG.uniform(-745, 709, NUM_POINTS)), RNG.uniform(0.5, 2, NUM_POINTS), 1 + RNG.normal(size=500) * 1e-3]
    )
    assert units_off(vector_math.log, mpmath.log, x[x > 0]) < 1.0


def test_logarithm_of_one_plus():
    x = np.concatenate(
        [
            np.exp(RNG.uniform(-745, 709, NUM_POINTS)),
            RNG.uniform(-1, 1, NUM_POINTS),
            RNG.normal(size=500) * 1e-3,
            -np.exp(RNG.uniform(-40, 0, 500)),
        ]
    )
    assert units_off(vector_math.log1p, mpmath.log1p, x) < 1.0


def test_softplus_and_sigmoid():
    x = RNG.uniform(-700, 700, NUM_POINTS)
    x[: NUM_POINTS // 2] /= 100
    assert units_off(vector_math.softplus, lambda t: mpmath.log1p(mpmath.exp(t)), x) < 2.0
    assert units_off(vector_math.sigmoid, lambda t: 1 / (1 + mpmath.exp(-t)), x) < 2.0


def test_exponential_less_one_and_its_kin():
    x = np.concatenate([RNG.uniform(-40, 709, 800), RNG.normal(size=800), RNG.normal(size=200) * 1e-5])
    assert units_off(vector_math.expm1, mpmath.expm1, x) < 2.0
    assert units_off(vector_math.tanh, mpmath.tanh, np.concatenate([x / 30, RNG.normal(size=2000)])) < 2.0
    below = -np.exp(RNG.uniform(-30, 4, 800))
    assert units_off(vector_math.log1mexp, lambda t: mpmath.log(-mpmath.expm1(t)), below) < 2.0


def test_logarithm_of_gamma():
    x = np.concatenate(
        [
            RNG.uniform(0, 13, 3000),
            np.exp(RNG.uniform(-700, 700, 500)),
            1 + RNG.normal(size=200) * 1e-4,
            2 + RNG.normal(size=200) * 1e-4,
        ]
    )
    assert units_off(vector_gamma.lgamma, mpmath.loggamma, x) < 2.0
    below = -RNG.uniform(0, 30, 300)
    # Here its zeros lie where logarithms cancel: the error is relative to those.
    assert errors(vector_gamma.lgamma, lambda t: mpmath.log(abs(mpmath.gamma(t))), below, 4.0) < 4e-16


def test_digamma():
    x = np.concatenate([RNG.uniform(0, 9, 1500), np.exp(RNG.uniform(-700, 700, 500))])
    # Relative to 1 near its zero: it is a slope.
    assert errors(vector_gamma.digamma, mpmath.digamma, x, 1.0) < 4e-16
    assert errors(vector_gamma.digamma, mpmath.digamma, -RNG.uniform(0, 30, 300), 30.0) < 2e-14


def test_error_function_and_its_complements():
    x = np.concatenate([RNG.uniform(-6, 26, 1500), RNG.normal(size=1500), RNG.normal(size=200) * 0.1])
    assert units_off(vector_erf.erf, mpmath.erf, x) < 2.0
    assert units_off(vector_erf.erfc, mpmath.erfc, x) < 2.0
    x = np.concatenate([RNG.uniform(-26, 50, 1500), RNG.normal(size=1500), np.exp(RNG.uniform(0, 100, 300))])
    assert units_off(vector_erf.erfcx, lambda t: mpmath.exp(t * t) * mpmath.erfc(t), x) < 2.0


def errors(function, exact, x, scale):
    """Return the largest error relative to the value, or to ``scale`` where that is larger."""
    with mpmath.workprec(200):
        truths = [exact(mpmath.mpf(float(point))) for point in x]
        values = evaluate(function, x)
        return max(
            float(abs(mpmath.mpf(float(v)) - t) / max(abs(t), mpmath.mpf(scale)))
            for v, t in zip(values, truths, strict=True)
        )


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (vector_math.exp, np.exp),
        (vector_math.expm1, np.expm1),
        (vector_math.tanh, np.tanh),
        (vector_erf.erf, special.erf),
        (vector_erf.erfc, special.erfc),
        (vector_erf.erfcx, special.erfcx),
        (vector_math.log, np.log),
        (vector_math.log1p, np.log1p),
        (vector_math.softplus, lambda x: np.logaddexp(0.0, x)),
    ],
)
def test_special_values(function, reference):
    with np.errstate(all="ignore"):
        expected = reference(SPECIAL)
    np.testing.assert_allclose(evaluate(function, SPECIAL), expected, rtol=1e-15)
