"""Both tails of continuous distributions."""

from __future__ import annotations

from math import log, pi

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.tails.functions import (
    log1mexp,
    log_difference,
    log_distinct,
    log_erf_of_exp,
    log_mills,
    log_mills_difference,
    log_normal_density,
    log_normal_lower,
    log_positive,
)
from graphs.tails.ops import log_betainc, log_betaincc, log_gammainc, log_gammaincc
from graphs.tails.registry import Tail, register

T = TensorVariable


def _mirrored(lower: Tail) -> Tail:
    """Return the upper tail of a distribution that is symmetric about its first parameter."""
    return lambda value, centre, *rest: lower(2.0 * centre - value, centre, *rest)


def _above_zero(value: T, tail: T, below: float) -> T:
    return pt.switch(pt.gt(value, 0.0), tail, below)


def uniform_upper(value: T, lower: T, upper: T) -> T:
    """Linear."""
    return pt.switch(pt.lt(value, lower), 0.0, log_positive(upper - value) - log_positive(upper - lower))


def normal_lower(value: T, mu: T, sigma: T) -> T:
    """By Mills' ratio."""
    return log_normal_lower((value - mu) / sigma)


def lognormal_lower(value: T, mu: T, sigma: T) -> T:
    """That of the logarithm."""
    return _above_zero(value, log_normal_lower((_log(value) - mu) / sigma), -np.inf)


def lognormal_upper(value: T, mu: T, sigma: T) -> T:
    """That of the logarithm."""
    return _above_zero(value, log_normal_lower((mu - _log(value)) / sigma), 0.0)


def _log(value: T) -> T:
    return pt.log(pt.switch(pt.gt(value, 0.0), value, 1.0))


def halfnormal_lower(value: T, loc: T, sigma: T) -> T:
    """By the error function."""
    return _above_zero(value - loc, log_erf_of_exp(_log(value - loc) - pt.log(sigma) - 0.5 * log(2.0)), -np.inf)


def halfnormal_upper(value: T, loc: T, sigma: T) -> T:
    """Twice that of a normal variable."""
    return _above_zero(value - loc, log(2.0) + log_normal_lower((loc - value) / sigma), 0.0)


def _wald(value: T, mu: T, lam: T) -> tuple[T, T, T]:
    value = pt.switch(pt.gt(value, 0.0), value, mu)
    scale = pt.sqrt(value / lam)
    return (value / mu - 1.0) / scale, (value / mu + 1.0) / scale, 2.0 * lam / mu


def wald_lower(value: T, mu: T, lam: T, alpha: T) -> T:
    """A sum of two normal tails below the mean."""
    near, far, exponent = _wald(value - alpha, mu, lam)
    total = pt.logaddexp(log_normal_lower(near), exponent + log_normal_lower(-far))
    return _above_zero(value - alpha, pt.switch(pt.lt(near, 0.0), total, log1mexp(_wald_beyond(near, far))), -np.inf)


def _wald_beyond(near: T, far: T) -> T:
    return log_normal_density(near) + log_mills_difference(near, far - near)


def wald_upper(value: T, mu: T, lam: T, alpha: T) -> T:
    """A difference of two normal tails above the mean, with the same density as a factor."""
    near, far, exponent = _wald(value - alpha, mu, lam)
    below = log1mexp(pt.logaddexp(log_normal_lower(near), exponent + log_normal_lower(-far)))
    return _above_zero(value - alpha, pt.switch(pt.lt(near, 0.0), below, _wald_beyond(near, far)), 0.0)


def beta_lower(value: T, alpha: T, beta: T) -> T:
    """The incomplete beta function."""
    return log_betainc(alpha, beta, value)


def beta_upper(value: T, alpha: T, beta: T) -> T:
    """The incomplete beta function from the other end."""
    return log_betaincc(alpha, beta, value)


def _kumaraswamy(value: T, a: T, b: T) -> T:
    """Return ``-b log(1 - value**a)`` on the log scale."""
    log_power = a * _log(pt.minimum(value, 1.0))
    is_small = pt.lt(log_power, -37.0)
    return pt.log(b) + pt.switch(is_small, log_power, log_positive(-log1mexp(pt.switch(is_small, -1.0, log_power))))


def kumaraswamy_lower(value: T, a: T, b: T) -> T:
    """Closed form."""
    is_inside = pt.and_(pt.gt(value, 0.0), pt.lt(value, 1.0))
    tail = log_distinct(_kumaraswamy(pt.switch(is_inside, value, 0.5), a, b))
    return pt.switch(is_inside, tail, pt.switch(pt.lt(value, 0.5), -np.inf, 0.0))


def kumaraswamy_upper(value: T, a: T, b: T) -> T:
    """Closed form."""
    is_inside = pt.and_(pt.gt(value, 0.0), pt.lt(value, 1.0))
    tail = b * log1mexp(a * pt.log(pt.switch(is_inside, value, 0.5)))
    return pt.switch(is_inside, tail, pt.switch(pt.lt(value, 0.5), 0.0, -np.inf))


def exponential_lower(value: T, mu: T) -> T:
    """Closed form."""
    return _above_zero(value, log_distinct(_log(value) - pt.log(mu)), -np.inf)


def exponential_upper(value: T, mu: T) -> T:
    """Closed form."""
    return _above_zero(value, -value / mu, 0.0)


def laplace_lower(value: T, mu: T, b: T) -> T:
    """Closed form."""
    z = (value - mu) / b
    return pt.switch(pt.le(z, 0.0), log(0.5) + z, pt.log1p(-0.5 * pt.exp(-pt.maximum(z, 0.0))))


def _share(t: T, weight: T) -> T:
    """Return ``(1 + t / sqrt(weight + t**2)) / 2``; digits of small ones are kept."""
    is_left = pt.lt(t, 0.0)
    left, right = pt.switch(is_left, t, -1.0), pt.switch(is_left, 1.0, t)
    left_root, right_root = pt.sqrt(weight + pt.sqr(left)), pt.sqrt(weight + pt.sqr(right))
    small = weight / (2.0 * left_root * (left_root - left))
    return pt.switch(is_left, small, (right_root + right) / (2.0 * right_root))


def studentt_lower(value: T, nu: T, mu: T, sigma: T) -> T:
    """That of a beta variable."""
    return log_betainc(nu / 2.0, nu / 2.0, _share((value - mu) / sigma, nu))


def studentt_upper(value: T, nu: T, mu: T, sigma: T) -> T:
    """By symmetry."""
    return studentt_lower(2.0 * mu - value, nu, mu, sigma)


def skewstudentt_lower(value: T, a: T, b: T, mu: T, sigma: T) -> T:
    """That of a beta variable."""
    return log_betainc(a, b, _share((value - mu) / sigma, a + b))


def skewstudentt_upper(value: T, a: T, b: T, mu: T, sigma: T) -> T:
    """By symmetry."""
    return skewstudentt_lower(2.0 * mu - value, b, a, mu, sigma)


def _pareto(value: T, alpha: T, m: T) -> T:
    return alpha * pt.log1p(pt.maximum(value - m, 0.0) / m)


def pareto_lower(value: T, alpha: T, m: T) -> T:
    """Closed form."""
    return log1mexp(-_pareto(value, alpha, m))


def pareto_upper(value: T, alpha: T, m: T) -> T:
    """Closed form."""
    return -_pareto(value, alpha, m)


def cauchy_lower(value: T, alpha: T, beta: T) -> T:
    """An angle."""
    z = (value - alpha) / beta
    below, above = pt.arctan2(1.0, -pt.minimum(z, 0.0)) / pi, pt.arctan2(1.0, pt.maximum(z, 0.0)) / pi
    return pt.switch(pt.lt(z, 0.0), pt.log(below), pt.log1p(-above))


def halfcauchy_lower(value: T, beta: T) -> T:
    """An angle."""
    z = pt.maximum(value, 0.0) / beta
    is_small = pt.lt(z, 1.0)
    below = log_positive(2.0 / pi * pt.arctan(pt.switch(is_small, z, 1.0)))
    return pt.switch(is_small, below, pt.log1p(-2.0 / pi * pt.arctan2(1.0, pt.switch(is_small, 1.0, z))))


def halfcauchy_upper(value: T, beta: T) -> T:
    """An angle."""
    return pt.log(2.0 / pi * pt.arctan2(1.0, pt.maximum(value, 0.0) / beta))


def gamma_lower(value: T, alpha: T, scale: T) -> T:
    """The incomplete gamma function."""
    return log_gammainc(alpha, value / scale)


def gamma_upper(value: T, alpha: T, scale: T) -> T:
    """The incomplete gamma function from the other end."""
    return log_gammaincc(alpha, value / scale)


def inversegamma_lower(value: T, alpha: T, beta: T) -> T:
    """The upper tail of the reciprocal."""
    return _above_zero(value, log_gammaincc(alpha, beta / pt.switch(pt.gt(value, 0.0), value, 1.0)), -np.inf)


def inversegamma_upper(value: T, alpha: T, beta: T) -> T:
    """The lower tail of the reciprocal."""
    return _above_zero(value, log_gammainc(alpha, beta / pt.switch(pt.gt(value, 0.0), value, 1.0)), 0.0)


def weibull_lower(value: T, alpha: T, beta: T) -> T:
    """Closed form."""
    return _above_zero(value, log_distinct(alpha * (_log(value) - pt.log(beta))), -np.inf)


def weibull_upper(value: T, alpha: T, beta: T) -> T:
    """Closed form."""
    return _above_zero(value, -pt.exp(alpha * (_log(value) - pt.log(beta))), 0.0)


def exgaussian_upper(value: T, mu: T, sigma: T, nu: T) -> T:
    """A sum: the normal part is beyond, or the exponential one takes it there."""
    z, rate = (value - mu) / sigma, sigma / nu
    is_left = pt.lt(z, rate)
    left = log_normal_density(pt.switch(is_left, z, 0.0)) + log_mills(rate - z)
    right = 0.5 * pt.sqr(rate) - rate * z + log_normal_lower(pt.switch(is_left, 0.0, z - rate))
    return pt.logaddexp(log_normal_lower(-z), pt.switch(is_left, left, right))


def exgaussian_lower(value: T, mu: T, sigma: T, nu: T) -> T:
    """A difference, with the normal density as a factor on the left."""
    z, rate = (value - mu) / sigma, sigma / nu
    left = log_normal_density(pt.minimum(z, 0.0)) + log_mills_difference(-z, rate)
    return pt.switch(pt.lt(z, 0.0), left, log1mexp(exgaussian_upper(value, mu, sigma, nu)))


def _triangle(distance: T, side: T, width: T) -> T:
    return 2.0 * log_positive(distance) - log_positive(width) - log_positive(side)


def triangular_lower(value: T, lower: T, c: T, upper: T) -> T:
    """A quadratic on each side."""
    left = _triangle(value - lower, c - lower, upper - lower)
    right = log1mexp(_triangle(upper - value, upper - c, upper - lower))
    inside = pt.switch(pt.le(value, c), left, right)
    return pt.switch(pt.le(value, lower), -np.inf, pt.switch(pt.ge(value, upper), 0.0, inside))


def triangular_upper(value: T, lower: T, c: T, upper: T) -> T:
    """By symmetry."""
    return triangular_lower(-value, -upper, -c, -lower)


def gumbel_upper(value: T, mu: T, beta: T) -> T:
    """Closed form."""
    return log_distinct((mu - value) / beta)


def logistic_lower(value: T, mu: T, s: T) -> T:
    """Closed form."""
    return -pt.softplus((mu - value) / s)


def moyal_lower(value: T, mu: T, sigma: T) -> T:
    """That of a normal variable."""
    return log(2.0) + log_normal_lower(-pt.exp((mu - value) / (2.0 * sigma)))


def moyal_upper(value: T, mu: T, sigma: T) -> T:
    """By the error function."""
    return log_erf_of_exp((mu - value) / (2.0 * sigma) - 0.5 * log(2.0))


register(pm.Uniform, upper=uniform_upper)
register(pm.Normal, lower=normal_lower, upper=_mirrored(normal_lower))
register(pm.LogNormal, lower=lognormal_lower, upper=lognormal_upper)
register(pm.HalfNormal, lower=halfnormal_lower, upper=halfnormal_upper)
register(pm.Wald, lower=wald_lower, upper=wald_upper)
register(pm.Beta, lower=beta_lower, upper=beta_upper)
register(pm.Kumaraswamy, lower=kumaraswamy_lower, upper=kumaraswamy_upper)
register(pm.Exponential, lower=exponential_lower, upper=exponential_upper)
register(pm.Laplace, lower=laplace_lower, upper=_mirrored(laplace_lower))
register(pm.StudentT, lower=studentt_lower, upper=studentt_upper)
register(pm.SkewStudentT, lower=skewstudentt_lower, upper=skewstudentt_upper)
register(pm.Pareto, lower=pareto_lower, upper=pareto_upper)
register(pm.Cauchy, lower=cauchy_lower, upper=_mirrored(cauchy_lower))
register(pm.HalfCauchy, lower=halfcauchy_lower, upper=halfcauchy_upper)
register(pm.Gamma, lower=gamma_lower, upper=gamma_upper)
register(pm.InverseGamma, lower=inversegamma_lower, upper=inversegamma_upper)
register(pm.Weibull, lower=weibull_lower, upper=weibull_upper)
register(pm.ExGaussian, lower=exgaussian_lower, upper=exgaussian_upper)
register(pm.Triangular, lower=triangular_lower, upper=triangular_upper)
register(pm.Gumbel, upper=gumbel_upper)
register(pm.Logistic, lower=logistic_lower, upper=_mirrored(logistic_lower))
register(pm.Moyal, lower=moyal_lower, upper=moyal_upper)
