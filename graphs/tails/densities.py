"""Log-densities that PyMC writes as logarithms of what underflows or cancels in the tails, or approximates there."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.dist_math import betaln, i0e
from pymc.distributions.shape_utils import maybe_resize
from pymc.logprob.abstract import _logprob
from pymc.logprob.utils import CheckParameterValue
from pytensor.tensor.variable import TensorVariable

from graphs.tails.continuous import exgaussian_share
from graphs.tails.registry import INSIDE, parameters_and_size, rv_type_of
from graphs.tails.student import beta_share

type T = TensorVariable


def _skew_student(value: T, a: T, b: T, mu: T, sigma: T) -> T:
    t = (value - mu) / sigma
    constant = betaln(a, b) - 2.0 * log(2.0) + 0.5 * pt.log(a + b) + pt.log(sigma)
    left, right = beta_share(t, a + b), beta_share(-t, a + b)
    return (a + 0.5) * pt.log(left) + (b + 0.5) * pt.log(right) - constant


def _exgaussian(value: T, mu: T, sigma: T, nu: T) -> T:
    return exgaussian_share((value - mu) / sigma, sigma / nu) - pt.log(nu)


def _rice(value: T, b: T, sigma: T) -> T:
    x = pt.switch(pt.gt(value, 0.0), value, 1.0) / sigma
    inside = pt.log(x) - 0.5 * pt.sqr(x - b) + pt.log(i0e(x * b)) - pt.log(sigma)
    return pt.switch(pt.le(value, 0.0), -np.inf, inside)


def _kumaraswamy(value: T, a: T, b: T) -> T:
    is_outside = pt.or_(pt.lt(value, 0.0), pt.gt(value, 1.0))
    log_value = pt.log(pt.switch(is_outside, INSIDE, value))
    inside = pt.log(a) + pt.log(b) + (a - 1.0) * log_value + (b - 1.0) * pt.log1mexp(a * log_value)
    return pt.switch(is_outside, -np.inf, inside)


def _discrete_weibull(value: T, q: T, beta: T) -> T:
    count = pt.maximum(value, 0)
    start, end = count**beta, (count + 1.0) ** beta
    return pt.switch(pt.lt(value, 0), -np.inf, start * pt.log(q) + pt.log1mexp((end - start) * pt.log(q)))


def _register(distribution: Any, density: Callable[..., TensorVariable]) -> None:
    """Let PyMC know a log-density, with its own checks of the parameters."""

    @_logprob.register(rv_type_of(distribution))
    def logprob(op: Any, values: Any, *inputs: Any, **options: Any) -> TensorVariable:
        [value] = values
        parameters, size = parameters_and_size(op, inputs)
        log_density = density(value, *parameters)
        check = distribution.logp(pt.constant(INSIDE), *parameters).owner
        if isinstance(check.op, CheckParameterValue):
            log_density = check.op(log_density, *check.inputs[1:])
        return maybe_resize(log_density, size)


_register(pm.SkewStudentT, _skew_student)
_register(pm.ExGaussian, _exgaussian)
_register(pm.Rice, _rice)
_register(pm.Kumaraswamy, _kumaraswamy)
_register(pm.DiscreteWeibull, _discrete_weibull)
