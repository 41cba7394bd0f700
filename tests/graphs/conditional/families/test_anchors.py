"""Anchors of laws lie inside the support, where densities are finite and large, for parameters of any magnitude.

Answers: densities by mpmath at 50 digits, and by SciPy.
"""

from __future__ import annotations

from itertools import product

import mpmath
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from graphs.conditional.families.affine import Affine
from graphs.conditional.families.beta import Beta, Dirichlet
from graphs.conditional.families.counts import Binomial, NegativeBinomial, Poisson
from graphs.conditional.families.finite import Finite
from graphs.conditional.families.gamma import Gamma, InverseGamma, LogGamma, PowerGamma
from graphs.conditional.families.gig import GIG, TruncatedGamma
from graphs.conditional.families.normal import LogNormal, Normal, TruncatedNormal
from graphs.conditional.families.pareto import Pareto
from graphs.conditional.families.polya_gamma import PolyaGamma
from graphs.conditional.families.wishart import InverseWishart, Wishart
from graphs.surgery.interpreting import interpret

MAGNITUDES = (1e-8, 1e-4, 0.3, 1.0, 2.5, 1e4, 1e8)
SIGNED = (*(-m for m in MAGNITUDES), 0.0, *MAGNITUDES)
PAIRS = np.array(list(product(MAGNITUDES, repeat=2))).T
REAL_PAIRS = np.array(list(product(SIGNED, MAGNITUDES))).T


def evaluated(kind, parameters, *options, dtype="float64"):
    """Return the anchor of a law whose parameters are arrays, and the log-density there."""
    shape = next(iter(parameters.values())).shape
    law = kind(pt.tensor("x", dtype=dtype, shape=shape), {k: pt.constant(v) for k, v in parameters.items()}, *options)
    anchor = law.anchor()
    assert anchor.type.ndim == len(shape)
    return interpret([], [anchor, law.logprob(anchor)])()


def named(names, values):
    return dict(zip(names.split(), values, strict=True))


def below_the_top(log_weight, at, top):
    """Return by how much a log-density is less at a point than at its top, with 50 digits."""
    with mpmath.workdps(50):
        return float(log_weight(mpmath.mpf(float(top))) - log_weight(mpmath.mpf(float(at))))


def relative(count):
    """Return what rounding may do to a sum of terms of these magnitudes."""
    return 1e-13 * count


@pytest.mark.parametrize("power", [None, -1.0, -2.0, -0.5, 0.5, 2.0, 3.0])
def test_powers_of_gamma_variables(power):
    """The density of the logarithm is largest where z is ``shape / rate``, the density itself below or above."""
    shape, rate = PAIRS
    if power is None:
        anchor, logprob = evaluated(Gamma, {"shape": shape, "rate": rate})
    elif power == -1.0:
        anchor, logprob = evaluated(InverseGamma, {"shape": shape, "scale": rate})
    else:
        anchor, logprob = evaluated(PowerGamma, {"shape": shape, "rate": rate}, power)
    power = power or 1.0
    assert (anchor > 0).all()
    assert np.isfinite(logprob).all()
    for a, r, x, found in zip(shape, rate, anchor, logprob, strict=True):
        with mpmath.workdps(50):
            z = mpmath.mpf(float(x)) ** power
            terms = [a * mpmath.log(r), -mpmath.loggamma(a), (a - 1) * mpmath.log(z), -r * z, mpmath.log(abs(power))]
            terms += [(power - 1) * mpmath.log(float(x))]
            assert abs(sum(terms) - found) <= relative(sum(map(abs, terms)) + a + 1)
            near = [a * mpmath.log(t) - r * t for t in (z, mpmath.mpf(a) / r)]
            # Of ``a log z - r z``, at ``(a + c) / r``: ``c + a log(a / (a + c))`` below the top.
            assert near[1] - near[0] <= max(0.0, -1.0 / power) + 1e-9


@pytest.mark.parametrize("multiple", [1.0, -2.0])
def test_logarithms_of_gamma_variables(multiple):
    anchor, logprob = evaluated(LogGamma, named("shape rate", PAIRS), multiple)
    assert np.isfinite(anchor).all()
    assert np.isfinite(logprob).all()


def test_beta():
    alpha, beta = PAIRS
    anchor, logprob = evaluated(Beta, {"alpha": alpha, "beta": beta})
    assert ((anchor > 0) & (anchor < 1)).all()
    for a, b, x, found in zip(alpha, beta, anchor, logprob, strict=True):
        with mpmath.workdps(50):
            at, top = mpmath.mpf(float(x)), mpmath.mpf(a) / (mpmath.mpf(a) + b)
            terms = [mpmath.loggamma(mpmath.mpf(a) + b), -mpmath.loggamma(a), -mpmath.loggamma(b)]
            terms += [(a - 1) * mpmath.log(at), (b - 1) * mpmath.log(1 - at)]
            assert abs(sum(terms) - found) <= relative(sum(map(abs, terms)) + 1)
            logit_scale = [a * mpmath.log(t) + b * mpmath.log(1 - t) for t in (at, top)]
            assert logit_scale[1] - logit_scale[0] < 1.01


def test_dirichlet():
    concentration = np.array(list(product((1e-8, 1.0, 1e8), repeat=3)))
    anchor, logprob = evaluated(Dirichlet, {"concentration": concentration})
    assert ((anchor > 0) & (anchor < 1)).all()
    np.testing.assert_allclose(anchor.sum(axis=-1), 1.0, rtol=1e-15)
    assert np.isfinite(logprob).all()


def test_normal():
    mean, variance = REAL_PAIRS
    anchor, logprob = evaluated(Normal, {"mean": mean, "variance": variance})
    np.testing.assert_allclose(logprob, stats.norm.logpdf(anchor, mean, np.sqrt(variance)), rtol=1e-12)


def test_log_normal():
    mean, variance = REAL_PAIRS
    anchor, logprob = evaluated(LogNormal, {"log_mean": mean, "log_variance": variance})
    assert ((anchor > 0) & np.isfinite(anchor) & np.isfinite(logprob)).all()
    is_moderate = np.abs(mean) < 10
    expected = stats.lognorm.logpdf(
        anchor[is_moderate], np.sqrt(variance[is_moderate]), scale=np.exp(mean[is_moderate])
    )
    np.testing.assert_allclose(logprob[is_moderate], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (-np.inf, 3.0), (1.0, 1.5), (1e8, np.inf), (-2.0, 1e8)])
def test_truncated_normal(bounds):
    mean, variance = REAL_PAIRS
    anchor, _ = evaluated(TruncatedNormal, {"mean": mean, "variance": variance}, *bounds)
    assert ((anchor > bounds[0]) & (anchor < bounds[1])).all()
    for m, v, x, top in zip(mean, variance, anchor, np.clip(mean, *bounds), strict=True):
        # Where double precision has no number that is nearer to the bound there is no better point.
        slope = abs(top - m) / v
        excess = below_the_top(lambda t, m=m, v=v: -((t - m) ** 2) / (2 * v), x, top)
        assert excess <= 1.6 + 2 * slope * np.spacing(abs(top)) + np.spacing(abs(top)) ** 2 / v


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (-np.inf, 3.0), (1.0, 1.5), (-2.0, 40.0)])
def test_truncated_normal_densities(bounds):
    mean, variance = np.array(list(product((-30.0, -2.0, 0.7, 1.0, 3.0, 30.0), (0.04, 1.0, 100.0)))).T
    anchor, logprob = evaluated(TruncatedNormal, {"mean": mean, "variance": variance}, *bounds)
    for m, v, x, found in zip(mean, variance, anchor, logprob, strict=True):
        with mpmath.workdps(60):
            low, high = ((mpmath.mpf(b) - m) / mpmath.sqrt(v) for b in bounds)
            mass = mpmath.ncdf(-low) - mpmath.ncdf(-high) if low > 0 else mpmath.ncdf(high) - mpmath.ncdf(low)
            expected = mpmath.log(mpmath.npdf(float(x), m, mpmath.sqrt(v)) / mass)
        np.testing.assert_allclose(found, float(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("exponent", [1.0, -1.0, -2.0])
@pytest.mark.parametrize("bounds", [(0.0, 2.0), (0.5, np.inf), (0.5, 0.7), (1e6, np.inf)])
def test_truncated_gamma(exponent, bounds):
    with np.errstate(divide="ignore"):
        low, high = sorted(np.array(bounds) ** exponent)
    shape, rate = PAIRS
    anchor, _ = evaluated(TruncatedGamma, {"shape": shape, "rate": rate}, exponent, *bounds)
    assert ((anchor > bounds[0]) & (anchor < bounds[1])).all()
    for a, r, x in zip(shape, rate, anchor, strict=True):
        z, top = x**exponent, min(max(a / r, low), high)
        slope = abs(a / top - r)
        excess = below_the_top(lambda t, a=a, r=r: a * mpmath.log(t) - r * t, z, top)
        assert excess <= 1.6 + 4 * slope * np.spacing(top) * max(1.0, abs(exponent))


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_gig(exponent):
    power, rate, scale = np.array(
        list(product((-1e8, -60.0, -3.0, 0.0, 2.5, 60.0, 1e8), (1e-8, 1.0, 1e8), (1e-8, 1.0, 1e8)))
    ).T
    anchor, _ = evaluated(GIG, {"power": power, "rate": rate, "scale": scale}, exponent)
    assert ((anchor > 0) & np.isfinite(anchor)).all()
    for p, r, s, x in zip(power, rate, scale, anchor, strict=True):
        with mpmath.workdps(50):
            z = mpmath.mpf(float(x)) ** exponent
            slope = p - r * z + s / z
            # Half the square of the slope over the curvature: by how much the logarithm's log-density is below its top.
            assert slope**2 / (r * z + s / z) < 1e-10


def test_gig_without_rate_or_scale():
    """They are inverse gamma and gamma laws."""
    parameters = named("power rate scale", np.array([[-2.0, 0.0, 3.0], [2.0, 3.0, 0.0], [0.5, 3.0, 0.0]]).T)
    anchor, _ = evaluated(GIG, parameters, 1.0)
    np.testing.assert_allclose(anchor, [3.0 / 2.0, 2.0 / 3.0, 0.5 / 3.0], rtol=1e-14)


def test_pareto():
    shape = np.array(MAGNITUDES)
    anchor, logprob = evaluated(Pareto, {"shape": shape}, 3.0)
    assert (anchor > 3).all()
    np.testing.assert_allclose(logprob, stats.pareto.logpdf(anchor, shape, scale=3.0), rtol=1e-7)


def test_polya_gamma():
    anchor, logprob = evaluated(PolyaGamma, named("count tilt", PAIRS[:, PAIRS[1] < 1e8]))
    assert ((anchor > 0) & np.isfinite(logprob)).all()


def test_counts():
    """The mode is a most probable value: of a binomial law with probability one it is the largest."""
    rate = np.array(MAGNITUDES)
    shift = np.zeros_like(rate)
    anchor, logprob = evaluated(Poisson, {"rate": rate, "shift": shift}, dtype="int64")
    np.testing.assert_allclose(logprob, stats.poisson.logpmf(anchor, rate), rtol=1e-7)
    number, probability = np.array(list(product((0.3, 1.0, 1e4), (1e-8, 0.3, 1.0)))).T
    anchor, logprob = evaluated(
        NegativeBinomial, {"number": number, "probability": probability, "shift": 0 * number}, dtype="int64"
    )
    for n, p, k, found in zip(number, probability, anchor, logprob, strict=True):
        with mpmath.workdps(50):
            terms = [mpmath.loggamma(n + int(k)), -mpmath.loggamma(n), -mpmath.loggamma(int(k) + 1)]
            terms += [n * mpmath.log(p), k * mpmath.log(1 - mpmath.mpf(p)) if k else 0]
            assert abs(sum(terms) - found) <= relative(sum(map(abs, terms)) + 1)
    number, probability = np.array(list(product((0.0, 1.0, 7.0, 1e8), (0.0, 1e-8, 0.3, 1.0)))).T
    anchor, logprob = evaluated(
        Binomial, {"number": number, "probability": probability, "shift": 0 * number + 2.0}, dtype="int64"
    )
    assert ((anchor >= 2) & (anchor <= number + 2)).all()
    np.testing.assert_allclose(logprob, stats.binom.logpmf(anchor - 2, number, probability), rtol=1e-6, atol=1e-9)


def test_finite():
    weights = np.array([[-1e8, 0.0, 3.0], [-np.inf, -np.inf, 1e8]])
    law = Finite.of_weights(pt.lvector("x", shape=(2,)), pt.constant(weights), 4, 6)
    anchor, logprob = interpret([], [law.anchor(), law.logprob(law.anchor())])()
    np.testing.assert_array_equal(anchor, [6, 6])
    np.testing.assert_allclose(logprob, [-np.log1p(np.exp(-3.0)), 0.0], rtol=1e-12)


@pytest.mark.parametrize("kind", [Wishart, InverseWishart])
@pytest.mark.parametrize("degrees", [2.0 + 1e-8, 3.0, 1e8])
def test_wishart(kind, degrees):
    matrix = np.array([[1e8, 1.0, 0.0], [1.0, 1.0, 1e-5], [0.0, 1e-5, 1e-8]])
    name = "inverse_scale" if kind is Wishart else "scale"
    law = kind(
        pt.dmatrix("x", shape=(3, 3)),
        {"degrees_of_freedom": pt.constant(np.float64(degrees)), name: pt.constant(matrix)},
    )
    anchor, logprob = interpret([], [law.anchor(), law.logprob(law.anchor())])()
    assert np.linalg.eigvalsh(anchor)[0] > 0
    with mpmath.workdps(50):
        x, m, df = mpmath.matrix(anchor.tolist()), mpmath.matrix(matrix.tolist()), mpmath.mpf(degrees)
        logdets = [mpmath.log(mpmath.det(v)) for v in (x, m)]
        product = m * x if kind is Wishart else m * x**-1
        terms = [df / 2 * logdets[1], (df - 4 if kind is Wishart else -df - 4) / 2 * logdets[0]]
        terms += [-(product[0, 0] + product[1, 1] + product[2, 2]) / 2, -df * 3 / 2 * mpmath.log(2)]
        terms += [-mpmath.log(mpmath.pi) * 3 / 2, *(-mpmath.loggamma((df - i) / 2) for i in range(3))]
        assert abs(sum(terms) - logprob) <= relative(sum(map(abs, terms)))


@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_shifted_laws_stay_inside_where_rounding_would_leave_the_support(scale):
    x = pt.vector("x", shape=(PAIRS.shape[1],))
    parameters = {"shape": pt.constant(PAIRS[0]), "rate": pt.constant(PAIRS[1])}
    law = Affine(x, parameters, Gamma(x, parameters), 3.0, scale)
    anchor, logprob = interpret([], [law.anchor(), law.logprob(law.anchor())])()
    assert (scale * (anchor - 3.0) > 0).all()
    assert np.isfinite(logprob).all()
