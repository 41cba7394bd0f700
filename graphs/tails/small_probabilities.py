"""Logarithms of small probabilities as graphs, whose values and gradients stay finite where they should."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

SMALL = -37.0
"""The logarithm of what makes no difference beside one."""

LARGE = 7.0
"""The logarithm of a rate whose exponential decay leaves nothing."""


def log_positive(x: TensorVariable) -> TensorVariable:
    """Return the logarithm, minus infinity with gradient zero where there is none."""
    is_positive = pt.gt(x, 0.0)
    return pt.switch(is_positive, pt.log(pt.switch(is_positive, x, 1.0)), -np.inf)


def log1mexp(x: TensorVariable) -> TensorVariable:
    """Return ``log(1 - exp(x))``, minus infinity with gradient zero where ``x`` is not below zero."""
    is_negative = pt.lt(x, 0.0)
    return pt.switch(is_negative, pt.log1mexp(pt.switch(is_negative, x, -1.0)), -np.inf)


def log_distinct(log_rate: TensorVariable) -> TensorVariable:
    """Return ``log(1 - exp(-exp(x)))``: x itself where it is small."""
    is_small = pt.lt(log_rate, SMALL)
    # Beyond LARGE it is zero, and so is its slope.
    rate = pt.exp(pt.minimum(pt.switch(is_small, 0.0, log_rate), LARGE))
    return pt.switch(is_small, log_rate, pt.log1mexp(-rate))


def log_difference(
    larger: TensorVariable, smaller: TensorVariable, is_used: TensorVariable | None = None
) -> TensorVariable:
    """Return ``log(exp(a) - exp(b))``; where it is not used no gradient is NaN."""
    gap = smaller - larger
    gap = pt.switch(pt.lt(gap, 0.0), gap, 0.0)
    return larger + pt.log1mexp(gap if is_used is None else pt.switch(is_used, gap, -1.0))


def log_mills(x: TensorVariable) -> TensorVariable:
    """Return the logarithm of Mills' ratio, ``P(Z > x) / density(x)`` of a normal variable, for ``x >= 0``."""
    x = pt.maximum(x, 0.0)
    return 0.5 * log(pi / 2.0) + pt.log(pt.erfcx(x / sqrt(2.0)))


def log_normal_density(z: TensorVariable) -> TensorVariable:
    """Return the log-density of a standard normal variable."""
    return -0.5 * pt.sqr(z) - 0.5 * log(2.0 * pi)


def log_normal_lower(z: TensorVariable) -> TensorVariable:
    """Return ``log P(Z <= z)`` of a standard normal variable."""
    below = log_normal_density(pt.minimum(z, 0.0)) + log_mills(-z)
    return pt.switch(pt.lt(z, 0.0), below, pt.log1p(-0.5 * pt.erfc(pt.maximum(z, 0.0) / sqrt(2.0))))


def log_mills_difference(x: TensorVariable, step: TensorVariable) -> TensorVariable:
    """Return ``log(M(x) - M(x + step))`` of Mills' ratio M, which falls, for ``x`` not below zero."""
    x = pt.maximum(x, 0.0)
    return log_difference(log_mills(x), log_mills(x + step))


def log_erf_of_exp(log_x: TensorVariable) -> TensorVariable:
    """Return ``log(erf(exp(t)))``."""
    is_small, is_large = pt.lt(log_x, -10.0), pt.gt(log_x, 0.0)
    small = log(2.0 / sqrt(pi)) + log_x - pt.exp(2.0 * pt.minimum(log_x, 0.0)) / 3.0
    middle = pt.log(pt.erf(pt.exp(pt.switch(pt.or_(is_small, is_large), -1.0, log_x))))
    large = pt.log1p(-pt.erfc(pt.exp(pt.switch(is_large, pt.minimum(log_x, 300.0), 1.0))))
    return pt.switch(is_small, small, pt.switch(is_large, large, middle))
