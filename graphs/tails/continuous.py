"""Both tails of continuous distributions."""

from __future__ import annotations

from math import log, pi

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.tails.ops import log_betainc, log_betaincc, log_gammainc, log_gammaincc
from graphs.tails.registry import Tail, register
from graphs.tails.small_probabilities import (
    log1mexp,
    log_distinct,
    log_erf_of_exp,
    log_mills,
    log_mills_difference,
    log_normal_density,
    log_normal_lower,
    log_positive,
)

type T = TensorVariable


def _mirrored(lower: Tail) -> Tail:
    """Return the upper tail of a distribution that is symmetric about its first parameter."""
    return lambda value, centre, *rest: lower(2.0 * centre - value, centre, *rest)


def above_zero(value: T, tail: T, below: float) -> T:
    """Return the tail of a distribution of positive numbers, at any number."""
    return pt.switch(pt.gt(value, 0.0), tail, below)


def _uniform_upper(value: T, lower: T, upper: T) -> T:
    return pt.switch(pt.lt(value, lower), 0.0, log_positive(upper - value) - log_positive(upper - lower))


def _normal_lower(value: T, mu: T, sigma: T) -> T:
    return log_normal_lower((value - mu) / sigma)


def _lognormal_lower(value: T, mu: T, sigma: T) -> T:
    return above_zero(value, log_normal_lower((_log(value) - mu) / sigma), -np.inf)


def _lognormal_upper(value: T, mu: T, sigma: T) -> T:
    return above_zero(value, log_normal_lower((mu - _log(value)) / sigma), 0.0)


def _log(value: T) -> T:
    return pt.log(pt.switch(pt.gt(value, 0.0), value, 1.0))


def _halfnormal_lower(value: T, loc: T, sigma: T) -> T:
    return above_zero(value - loc, log_erf_of_exp(_log(value - loc) - pt.log(sigma) - 0.5 * log(2.0)), -np.inf)


def _halfnormal_upper(value: T, loc: T, sigma: T) -> T:
    return above_zero(value - loc, log(2.0) + log_normal_lower((loc - value) / sigma), 0.0)


def _wald(value: T, mu: T, lam: T) -> tuple[T, T, T]:
    value = pt.switch(pt.gt(value, 0.0), value, mu)
    scale = pt.sqrt(value / lam)
    return (value / mu - 1.0) / scale, (value / mu + 1.0) / scale, 2.0 * lam / mu


def _wald_lower(value: T, mu: T, lam: T, alpha: T) -> T:
    """Add two normal tails below the mean."""
    near, far, exponent = _wald(value - alpha, mu, lam)
    total = pt.logaddexp(log_normal_lower(near), exponent + log_normal_lower(-far))
    return above_zero(value - alpha, pt.switch(pt.lt(near, 0.0), total, log1mexp(_wald_beyond(near, far))), -np.inf)


def _wald_beyond(near: T, far: T) -> T:
    return log_normal_density(near) + log_mills_difference(near, far - near)


def _wald_upper(value: T, mu: T, lam: T, alpha: T) -> T:
    """Subtract two normal tails above the mean, of which the same density is a factor."""
    near, far, exponent = _wald(value - alpha, mu, lam)
    below = log1mexp(pt.logaddexp(log_normal_lower(near), exponent + log_normal_lower(-far)))
    return above_zero(value - alpha, pt.switch(pt.lt(near, 0.0), below, _wald_beyond(near, far)), 0.0)


def _beta_lower(value: T, alpha: T, beta: T) -> T:
    return log_betainc(alpha, beta, value)


def _beta_upper(value: T, alpha: T, beta: T) -> T:
    return log_betaincc(alpha, beta, value)


def _kumaraswamy(value: T, a: T, b: T) -> T:
    """Return ``-b log(1 - value**a)`` on the log scale."""
    log_power = a * _log(pt.minimum(value, 1.0))
    is_small = pt.lt(log_power, -37.0)
    return pt.log(b) + pt.switch(is_small, log_power, log_positive(-log1mexp(pt.switch(is_small, -1.0, log_power))))


def _kumaraswamy_lower(value: T, a: T, b: T) -> T:
    is_inside = pt.and_(pt.gt(value, 0.0), pt.lt(value, 1.0))
    tail = log_distinct(_kumaraswamy(pt.switch(is_inside, value, 0.5), a, b))
    return pt.switch(is_inside, tail, pt.switch(pt.lt(value, 0.5), -np.inf, 0.0))


def _kumaraswamy_upper(value: T, a: T, b: T) -> T:
    is_inside = pt.and_(pt.gt(value, 0.0), pt.lt(value, 1.0))
    tail = b * log1mexp(a * pt.log(pt.switch(is_inside, value, 0.5)))
    return pt.switch(is_inside, tail, pt.switch(pt.lt(value, 0.5), 0.0, -np.inf))


def _exponential_lower(value: T, mu: T) -> T:
    return above_zero(value, log_distinct(_log(value) - pt.log(mu)), -np.inf)


def _exponential_upper(value: T, mu: T) -> T:
    return above_zero(value, -value / mu, 0.0)


def _laplace_lower(value: T, mu: T, b: T) -> T:
    z = (value - mu) / b
    return pt.switch(pt.le(z, 0.0), log(0.5) + z, pt.log1p(-0.5 * pt.exp(-pt.maximum(z, 0.0))))


def _pareto(value: T, alpha: T, m: T) -> T:
    return alpha * pt.log1p(pt.maximum(value - m, 0.0) / m)


def _pareto_lower(value: T, alpha: T, m: T) -> T:
    return log1mexp(-_pareto(value, alpha, m))


def _pareto_upper(value: T, alpha: T, m: T) -> T:
    return -_pareto(value, alpha, m)


def _cauchy_lower(value: T, alpha: T, beta: T) -> T:
    z = (value - alpha) / beta
    below, above = pt.arctan2(1.0, -pt.minimum(z, 0.0)) / pi, pt.arctan2(1.0, pt.maximum(z, 0.0)) / pi
    return pt.switch(pt.lt(z, 0.0), pt.log(below), pt.log1p(-above))


def _halfcauchy_lower(value: T, beta: T) -> T:
    z = pt.maximum(value, 0.0) / beta
    is_small = pt.lt(z, 1.0)
    below = log_positive(2.0 / pi * pt.arctan(pt.switch(is_small, z, 1.0)))
    return pt.switch(is_small, below, pt.log1p(-2.0 / pi * pt.arctan2(1.0, pt.switch(is_small, 1.0, z))))


def _halfcauchy_upper(value: T, beta: T) -> T:
    return pt.log(2.0 / pi * pt.arctan2(1.0, pt.maximum(value, 0.0) / beta))


def _gamma_lower(value: T, alpha: T, scale: T) -> T:
    return log_gammainc(alpha, value / scale)


def _gamma_upper(value: T, alpha: T, scale: T) -> T:
    return log_gammaincc(alpha, value / scale)


def _inversegamma_lower(value: T, alpha: T, beta: T) -> T:
    return above_zero(value, log_gammaincc(alpha, beta / pt.switch(pt.gt(value, 0.0), value, 1.0)), -np.inf)


def _inversegamma_upper(value: T, alpha: T, beta: T) -> T:
    return above_zero(value, log_gammainc(alpha, beta / pt.switch(pt.gt(value, 0.0), value, 1.0)), 0.0)


def _weibull_lower(value: T, alpha: T, beta: T) -> T:
    return above_zero(value, log_distinct(alpha * (_log(value) - pt.log(beta))), -np.inf)


def _weibull_upper(value: T, alpha: T, beta: T) -> T:
    return above_zero(value, -pt.exp(alpha * (_log(value) - pt.log(beta))), 0.0)


def exgaussian_share(z: T, rate: T) -> T:
    """Return ``log(exp(rate**2 / 2 - rate z) P(Z <= z - rate))`` of a standard normal variable.

    What an exponential variable of this rate adds to it beyond ``z``; its density there is this times the rate.
    """
    is_left = pt.lt(z, rate)
    left = log_normal_density(pt.switch(is_left, z, 0.0)) + log_mills(rate - z)
    right = 0.5 * pt.sqr(rate) - rate * z + log_normal_lower(pt.switch(is_left, 0.0, z - rate))
    return pt.switch(is_left, left, right)


def _exgaussian_upper(value: T, mu: T, sigma: T, nu: T) -> T:
    z = (value - mu) / sigma
    return pt.logaddexp(log_normal_lower(-z), exgaussian_share(z, sigma / nu))


def _exgaussian_lower(value: T, mu: T, sigma: T, nu: T) -> T:
    z, rate = (value - mu) / sigma, sigma / nu
    left = log_normal_density(pt.minimum(z, 0.0)) + log_mills_difference(-z, rate)
    return pt.switch(pt.lt(z, 0.0), left, log1mexp(_exgaussian_upper(value, mu, sigma, nu)))


def _triangle(distance: T, side: T, width: T) -> T:
    return 2.0 * log_positive(distance) - log_positive(width) - log_positive(side)


def _triangular_lower(value: T, lower: T, c: T, upper: T) -> T:
    left = _triangle(value - lower, c - lower, upper - lower)
    right = log1mexp(_triangle(upper - value, upper - c, upper - lower))
    inside = pt.switch(pt.le(value, c), left, right)
    return pt.switch(pt.le(value, lower), -np.inf, pt.switch(pt.ge(value, upper), 0.0, inside))


def _triangular_upper(value: T, lower: T, c: T, upper: T) -> T:
    return _triangular_lower(-value, -upper, -c, -lower)


def _gumbel_upper(value: T, mu: T, beta: T) -> T:
    return log_distinct((mu - value) / beta)


def _logistic_lower(value: T, mu: T, s: T) -> T:
    return -pt.softplus((mu - value) / s)


def _moyal_lower(value: T, mu: T, sigma: T) -> T:
    return log(2.0) + log_normal_lower(-pt.exp((mu - value) / (2.0 * sigma)))


def _moyal_upper(value: T, mu: T, sigma: T) -> T:
    return log_erf_of_exp((mu - value) / (2.0 * sigma) - 0.5 * log(2.0))


register(pm.Uniform, upper=_uniform_upper)
register(pm.Normal, lower=_normal_lower, upper=_mirrored(_normal_lower))
register(pm.LogNormal, lower=_lognormal_lower, upper=_lognormal_upper)
register(pm.HalfNormal, lower=_halfnormal_lower, upper=_halfnormal_upper)
register(pm.Wald, lower=_wald_lower, upper=_wald_upper)
register(pm.Beta, lower=_beta_lower, upper=_beta_upper)
register(pm.Kumaraswamy, lower=_kumaraswamy_lower, upper=_kumaraswamy_upper)
register(pm.Exponential, lower=_exponential_lower, upper=_exponential_upper)
register(pm.Laplace, lower=_laplace_lower, upper=_mirrored(_laplace_lower))
register(pm.Pareto, lower=_pareto_lower, upper=_pareto_upper)
register(pm.Cauchy, lower=_cauchy_lower, upper=_mirrored(_cauchy_lower))
register(pm.HalfCauchy, lower=_halfcauchy_lower, upper=_halfcauchy_upper)
register(pm.Gamma, lower=_gamma_lower, upper=_gamma_upper)
register(pm.InverseGamma, lower=_inversegamma_lower, upper=_inversegamma_upper)
register(pm.Weibull, lower=_weibull_lower, upper=_weibull_upper)
register(pm.ExGaussian, lower=_exgaussian_lower, upper=_exgaussian_upper)
register(pm.Triangular, lower=_triangular_lower, upper=_triangular_upper)
register(pm.Gumbel, upper=_gumbel_upper)
register(pm.Logistic, lower=_logistic_lower, upper=_mirrored(_logistic_lower))
register(pm.Moyal, lower=_moyal_lower, upper=_moyal_upper)
