"""Terms as integrals over auxiliary variables, by distribution.

Each rule writes the density of a variable as that of the variable *given* auxiliary ones, times that of these; the
integral over them is the density itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, pi

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from pymc.distributions.censored import CensoredRV
from pymc.distributions.continuous import AsymmetricLaplaceRV, HalfCauchyRV, HalfStudentTRV
from pymc.logprob.basic import logp
from pytensor.graph.basic import Constant
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from graphs.augmentation.chances import logit_of, probit_of
from graphs.conditional.families.polya_gamma import PolyaGamma
from graphs.conditional.law import Law
from graphs.supports import POSITIVE, Support, interval


@dataclass(frozen=True, eq=False)
class Auxiliary:
    """An auxiliary variable, and what becomes of the term with it.

    Parameters
    ----------
    variable : TensorVariable
        The auxiliary variable.
    support : Support
        Where it lies.
    term : TensorVariable
        What replaces the term: joint log-density of variable and auxiliary variable.
    what : str
        What it is, in words.
    law : Law, optional
        Its full conditional, where this is not derived from the term.
    fixed : tuple of TensorVariable
        Graphs on which the density of the auxiliary variable depends without the term showing it.
    """

    variable: TensorVariable
    support: Support
    term: TensorVariable
    what: str
    law: Law | None = None
    fixed: tuple[TensorVariable, ...] = ()


Rule = Callable[[str, TensorVariable, Sequence[TensorVariable]], Auxiliary | None]


def _auxiliary(name: str, shape: Sequence[int | None]) -> TensorVariable:
    variable = pt.tensor(dtype="float64", shape=tuple(shape))
    variable.name = name
    return variable


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
    weight = _auxiliary(f"{name}_weight", value.type.shape)
    half = 0.5 * nu
    prior = half * pt.log(half) - pt.gammaln(half) + (half - 1.0) * pt.log(weight) - half * weight
    normal = 0.5 * pt.log(weight) - pt.log(scale) - 0.5 * weight * pt.sqr((value - mean) / scale) - 0.5 * log(2 * pi)
    return Auxiliary(weight, POSITIVE, normal + prior, f"gamma weights of {name}, normal given these")


def _laplace(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    """Write it as normal with an exponential variance (Park and Casella, 2008)."""
    mean, scale = parameters
    variance = _auxiliary(f"{name}_variance", value.type.shape)
    rate = 0.5 / pt.sqr(scale)
    term = _log_normal_density(value, mean, variance) + pt.log(rate) - rate * variance
    return Auxiliary(variance, POSITIVE, term, f"exponential variances of {name}, normal given these")


def _asymmetric_laplace(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    """Write it as normal with an exponential variance that moves the mean too (Kozumi and Kobayashi, 2011)."""
    scale, kappa, mean = parameters
    weight = _auxiliary(f"{name}_weight", value.type.shape)
    drift = (1.0 / kappa - kappa) / scale
    term = _log_normal_density(value, mean + drift * weight, 2.0 * weight / pt.sqr(scale)) - weight
    return Auxiliary(weight, POSITIVE, term, f"exponential weights of {name}, normal given these")


def _half_cauchy(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    return _half_t(name, value, pt.constant(1.0), parameters[0])


def _half_student_t(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary:
    return _half_t(name, value, *parameters)


def _half_t(name: str, value: TensorVariable, nu: TensorVariable, scale: TensorVariable) -> Auxiliary:
    """Write the square as inverse gamma, with a scale that is inverse gamma itself (Wand et al., 2011)."""
    auxiliary = _auxiliary(f"{name}_scale", value.type.shape)
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
    weight = _auxiliary(f"{name}_weight", value.type.shape)
    term = (value - 0.5 * count) * psi - 0.5 * weight * pt.sqr(psi) - log(2.0) * count + coefficient
    shape = [int(n) for n in value.type.shape if n is not None]
    law = PolyaGamma(weight, {"count": pt.alloc(count, *shape), "tilt": pt.alloc(psi, *shape)})
    what = f"Polya-gamma weights of {name}, quadratic given these"
    return Auxiliary(weight, POSITIVE, term, what, law, (count,))


def _probit(name: str, value: TensorVariable, psi: TensorVariable) -> Auxiliary:
    """Write it as the sign of a normal variable (Albert and Chib, 1993)."""
    distance = _auxiliary(f"{name}_distance", value.type.shape)
    sign = 2.0 * value - 1.0
    term = -0.5 * pt.sqr(sign * distance - psi) - 0.5 * log(2 * pi)
    return Auxiliary(distance, POSITIVE, term, f"normal variables of which {name} is the sign")


def _censored(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary | None:
    """Write what was censored at a bound as the variable beyond it."""
    base, lower, upper = parameters
    if not isinstance(value, Constant) or base.owner is None or not isinstance(base.owner.op, RandomVariable):
        # What is made of other variables, such as a Weibull one, has no law beyond the bound.
        return None
    data = np.asarray(value.data, "float64")
    bounds = [np.broadcast_to(b.data, data.shape) if isinstance(b, Constant) else None for b in (lower, upper)]
    if bounds[0] is None or bounds[1] is None:
        return None
    is_low, is_high = data <= bounds[0], data >= bounds[1]
    if is_low.any() == is_high.any():
        return None
    hidden = np.flatnonzero((is_low | is_high).ravel())
    bound = data.ravel()[hidden]
    beyond = _auxiliary(f"{name}_hidden", (len(hidden),))
    inside: TensorVariable = beyond
    if len(np.unique(bound)) == 1:
        support = interval(-np.inf, bound[0]) if is_low.any() else interval(bound[0], np.inf)
    else:
        inside, support = (bound - beyond if is_low.any() else bound + beyond), POSITIVE
    seen = np.setdiff1d(np.arange(data.size), hidden)
    parts = [_density_at(base, inside, hidden, data.shape)]
    if len(seen):
        parts.append(_density_at(base, pt.as_tensor(data.ravel()[seen]), seen, data.shape))
    term = pt.concatenate(parts)
    return Auxiliary(beyond, support, term, f"the values of {name} that were censored")


def _density_at(
    base: TensorVariable, value: TensorVariable, positions: np.ndarray, shape: tuple[int, ...]
) -> TensorVariable:
    """Return the log-density of some elements of an array of independent variables."""
    op = base.owner.op
    parameters = []
    for parameter in op.dist_params(base.owner):
        is_shared = all(n == 1 for n in parameter.type.shape)
        flat = parameter.reshape(()) if is_shared else pt.alloc(parameter, *shape).ravel()[positions]
        parameters.append(flat)
    part = op(*parameters, size=(len(positions),), rng=pt.random.rng(), return_next_rng=True)[1]
    density: TensorVariable = logp(part, value)
    return density


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
    CensoredRV: _censored,
}
"""By the operation that draws the variable."""
