"""Both tails of Student's t, and of distributions that are made of it."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from graphs.tails.continuous import T, above_zero
from graphs.tails.ops import log_betainc, log_betaincc
from graphs.tails.registry import register

_HALF = np.float64(0.5)


def beta_share(t: T, weight: T) -> T:
    """Return ``(1 + t / sqrt(weight + t**2)) / 2``; digits of small ones are kept."""
    is_left = pt.lt(t, 0.0)
    left, right = pt.switch(is_left, t, -1.0), pt.switch(is_left, 1.0, t)
    left_root, right_root = pt.sqrt(weight + pt.sqr(left)), pt.sqrt(weight + pt.sqr(right))
    small = weight / (2.0 * left_root * (left_root - left))
    return pt.switch(is_left, small, (right_root + right) / (2.0 * right_root))


def _studentt_lower(value: T, nu: T, mu: T, sigma: T) -> T:
    return log_betainc(nu / 2.0, nu / 2.0, beta_share((value - mu) / sigma, nu))


def _studentt_upper(value: T, nu: T, mu: T, sigma: T) -> T:
    return _studentt_lower(2.0 * mu - value, nu, mu, sigma)


def _square_share(value: T, nu: T, sigma: T) -> tuple[T, T, T]:
    """Return whether a value is small, and the shares of its square and of nu in their sum; digits of both are kept."""
    z = pt.abs(value / sigma) / pt.sqrt(nu)
    is_small = pt.lt(z, 1.0)
    square, inverse = pt.sqr(pt.switch(is_small, z, 1.0)), pt.sqr(1.0 / pt.switch(is_small, 1.0, z))
    return is_small, square / (1.0 + square), inverse / (1.0 + inverse)


def _halfstudentt_lower(value: T, nu: T, sigma: T) -> T:
    is_small, share, rest = _square_share(value, nu, sigma)
    inside = pt.switch(is_small, log_betainc(_HALF, nu / 2.0, share), log_betaincc(nu / 2.0, _HALF, rest))
    return above_zero(value, inside, -np.inf)


def _halfstudentt_upper(value: T, nu: T, sigma: T) -> T:
    is_small, share, rest = _square_share(value, nu, sigma)
    inside = pt.switch(is_small, log_betaincc(_HALF, nu / 2.0, share), log_betainc(nu / 2.0, _HALF, rest))
    return above_zero(value, inside, 0.0)


def _skewstudentt_lower(value: T, a: T, b: T, mu: T, sigma: T) -> T:
    return log_betainc(a, b, beta_share((value - mu) / sigma, a + b))


def _skewstudentt_upper(value: T, a: T, b: T, mu: T, sigma: T) -> T:
    return _skewstudentt_lower(2.0 * mu - value, b, a, mu, sigma)


register(pm.StudentT, lower=_studentt_lower, upper=_studentt_upper)
register(pm.HalfStudentT, lower=_halfstudentt_lower, upper=_halfstudentt_upper)
register(pm.SkewStudentT, lower=_skewstudentt_lower, upper=_skewstudentt_upper)
