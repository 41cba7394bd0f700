"""Terms as integrals over auxiliary variables, by distribution.

Each rule writes the density of a variable as that of the variable *given* auxiliary ones, times that of these; the
integral over them is the density itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log, pi

import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from pymc.distributions.censored import CensoredRV
from pymc.distributions.continuous import AsymmetricLaplaceRV, HalfCauchyRV, HalfStudentTRV
from pymc.distributions.multivariate import MvStudentTRV
from pytensor.tensor.linalg import cholesky, solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.augmentation.auxiliary import Auxiliary, new_auxiliary
from graphs.augmentation.censoring import censored
from graphs.augmentation.chances import logit_of, probit_of
from graphs.conditional.families.polya_gamma import PolyaGamma
from graphs.supports import POSITIVE

Rule = Callable[[str, TensorVariable, Sequence[TensorVariable]], Auxiliary | None]


def _log_normal_density(x: TensorVariable, mean: TensorVariable, variance: TensorVariable) -> TensorVariable:
    return -0.5 * pt.sqr(x - mean) / variance - 0.5 * pt.log(variance) - 0.5 * log(2 * pi)


def _student_t(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    nu, mean, scale = parameters
    return _normal_scale_mixture(name, value, nu, mean, scale)


def _cauchy(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    return _normal_scale_mixture(name, value, pt.constant(1.0), *parameters)


def _normal_scale_mixture(
    name: str, value: TensorVariable, nu: TensorVariable, mean: TensorVariable, scale: TensorVariable
) -> Auxiliary:
    """Write Student's t distribution as normal with a gamma precision."""
    weight = new_auxiliary(f"{name}_weight", value.type.shape)
    half = 0.5 * nu
    prior = half * pt.log(half) - pt.gammaln(half) + (half - 1.0) * pt.log(weight) - half * weight
    normal = 0.5 * pt.log(weight) - pt.log(scale) - 0.5 * weight * pt.sqr((value - mean) / scale) - 0.5 * log(2 * pi)
    return Auxiliary(weight, POSITIVE, normal + prior, f"gamma weights of {name}, normal given these")


def _multivariate_student_t(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    """Write the multivariate t distribution as normal with a gamma weight of its precision, one for each vector."""
    nu, mean, scale = parameters
    weight = new_auxiliary(f"{name}_weight", value.type.shape[:-1])
    half, length = 0.5 * nu, value.type.shape[-1]
    prior = half * pt.log(half) - pt.gammaln(half) + (half - 1.0) * pt.log(weight) - half * weight
    factor = cholesky(scale, lower=True)
    whitened = solve_triangular(factor, value - mean, lower=True, b_ndim=1)
    normal = -0.5 * weight * pt.sqr(whitened).sum(axis=-1) - pt.log(pt.diagonal(factor, axis1=-2, axis2=-1)).sum(
        axis=-1
    )
    normal = normal + 0.5 * length * (pt.log(weight) - log(2 * pi))
    return Auxiliary(weight, POSITIVE, normal + prior, f"gamma weights of {name}, normal given these")


def _logistic(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    """Write it as a logistic likelihood of count two, of which one came true."""
    mean, scale = parameters
    psi = (value - mean) / scale
    auxiliary = _polya_gamma(name, pt.ones_like(value), pt.constant(2.0), psi, -pt.log(scale))
    return replace(auxiliary, what=f"Polya-gamma weights of {name}, normal given these")


def _laplace(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    """Write it as normal with an exponential variance (Park and Casella, 2008)."""
    mean, scale = parameters
    variance = new_auxiliary(f"{name}_variance", value.type.shape)
    rate = 0.5 / pt.sqr(scale)
    term = _log_normal_density(value, mean, variance) + pt.log(rate) - rate * variance
    return Auxiliary(variance, POSITIVE, term, f"exponential variances of {name}, normal given these")


def _asymmetric_laplace(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    """Write it as normal with an exponential variance that moves the mean too (Kozumi and Kobayashi, 2011)."""
    scale, kappa, mean = parameters
    weight = new_auxiliary(f"{name}_weight", value.type.shape)
    drift = (1.0 / kappa - kappa) / scale
    term = _log_normal_density(value, mean + drift * weight, 2.0 * weight / pt.sqr(scale)) - weight
    return Auxiliary(weight, POSITIVE, term, f"exponential weights of {name}, normal given these")


def _half_cauchy(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    return _half_t(name, value, pt.constant(1.0), parameters[0])


def _half_student_t(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    return _half_t(name, value, *parameters)


def _half_t(name: str, value: TensorVariable, nu: TensorVariable, scale: TensorVariable) -> Auxiliary:
    """Write the square as inverse gamma, with a scale that is inverse gamma itself (Wand et al., 2011)."""
    auxiliary = new_auxiliary(f"{name}_scale", value.type.shape)
    half = 0.5 * nu
    given = half * (pt.log(nu) - pt.log(auxiliary)) - pt.gammaln(half)
    given = given - (nu + 1.0) * pt.log(value) - nu / (auxiliary * pt.sqr(value)) + log(2.0)
    prior = -pt.log(scale) - 0.5 * log(pi) - 1.5 * pt.log(auxiliary) - 1.0 / (auxiliary * pt.sqr(scale))
    return Auxiliary(auxiliary, POSITIVE, given + prior, f"the inverse gamma scale of the square of {name}")


def _bernoulli(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary | None:
    [p] = parameters
    psi = logit_of(p)
    if psi is not None:
        return _polya_gamma(name, value, pt.constant(1.0), psi, pt.constant(0.0))
    psi = probit_of(p)
    return None if psi is None else _probit(name, value, psi)


def _binomial(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary | None:
    n, p = parameters
    psi = logit_of(p)
    if psi is None:
        return None
    coefficient = pt.gammaln(n + 1.0) - pt.gammaln(value + 1.0) - pt.gammaln(n - value + 1.0)
    return _polya_gamma(name, value, n, psi, coefficient)


def _negative_binomial(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary | None:
    n, p = parameters
    psi = logit_of(p)
    if psi is None:
        return None
    coefficient = pt.gammaln(n + value) - pt.gammaln(value + 1.0) - pt.gammaln(n)
    return _polya_gamma(name, value, value + n, -psi, coefficient)


def _polya_gamma(
    name: str, value: TensorVariable, count: TensorVariable, psi: TensorVariable, coefficient: TensorVariable
) -> Auxiliary:
    """Write ``exp(value psi) / (1 + exp(psi))^count`` as quadratic in psi (Polson, Scott and Windle, 2013)."""
    count = pt.cast(count, "float64")
    weight = new_auxiliary(f"{name}_weight", value.type.shape)
    term = (value - 0.5 * count) * psi - 0.5 * weight * pt.sqr(psi) - log(2.0) * count + coefficient
    shape = [int(n) for n in value.type.shape if n is not None]
    law = PolyaGamma(weight, {"count": pt.alloc(count, *shape), "tilt": pt.alloc(psi, *shape)})
    what = f"Polya-gamma weights of {name}, quadratic given these"
    return Auxiliary(weight, POSITIVE, term, what, law, (count,))


def _probit(name: str, value: TensorVariable, psi: TensorVariable) -> Auxiliary:
    """Write it as the sign of a normal variable (Albert and Chib, 1993)."""
    distance = new_auxiliary(f"{name}_distance", value.type.shape)
    sign = 2.0 * value - 1.0
    term = -0.5 * pt.sqr(sign * distance - psi) - 0.5 * log(2 * pi)
    return Auxiliary(distance, POSITIVE, term, f"normal variables of which {name} is the sign")


RULES: dict[type, Rule] = {
    ptr.StudentTRV: _student_t,
    ptr.CauchyRV: _cauchy,
    ptr.LaplaceRV: _laplace,
    AsymmetricLaplaceRV: _asymmetric_laplace,
    HalfCauchyRV: _half_cauchy,
    HalfStudentTRV: _half_student_t,
    ptr.BernoulliRV: _bernoulli,
    ptr.BinomialRV: _binomial,
    ptr.NegBinomialRV: _negative_binomial,
    CensoredRV: censored,
    ptr.LogisticRV: _logistic,
    MvStudentTRV: _multivariate_student_t,
}
"""By the operation that draws the variable."""
