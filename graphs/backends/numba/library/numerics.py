"""Scalar functions that generated source calls, with the semantics of PyTensor's C code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import register_jitable

from graphs.backends.numba.library.intrinsics import accumulate, intrinsic, select
from graphs.backends.numba.machine_code.kept import njit

LOG_HALF = math.log(0.5)


@intrinsic
def maximum(typing_context: Any, left: Any, right: Any) -> Any:
    """Return the larger of two numbers; NaN if either is NaN."""
    return _extremum(typing_context, left, right, ">")


@intrinsic
def minimum(typing_context: Any, left: Any, right: Any) -> Any:
    """Return the smaller of two numbers; NaN if either is NaN."""
    return _extremum(typing_context, left, right, "<")


def _extremum(typing_context: Any, left: Any, right: Any, symbol: str) -> Any:
    """Make the intrinsic of an extremum, without branches so that loops with it can be vectorised."""
    result = typing_context.unify_types(left, right)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = args
        if isinstance(result, types.Float):
            chosen = builder.select(builder.fcmp_ordered(symbol, a, b), a, b)
            return builder.select(builder.fcmp_unordered("uno", a, a), a, chosen)
        if isinstance(result, types.Boolean):
            return builder.or_(a, b) if symbol == ">" else builder.and_(a, b)
        return builder.select(builder.icmp_signed(symbol, a, b), a, b)

    return result(result, result), generate


@register_jitable
def clip(x: Any, lower: Any, upper: Any) -> Any:
    """Return ``x`` brought between two bounds."""
    return select(x < lower, lower, select(x > upper, upper, x))


@register_jitable
def sign(x: Any) -> Any:
    """Return -1, 0 or 1, or NaN, of the type of ``x``."""
    return select(x > 0, x - x + 1, select(x < 0, x - x - 1, x))


@register_jitable
def round_away(x: float) -> float:
    """Round halves away from zero."""
    return math.copysign(np.floor(abs(x) + 0.5), x)


@register_jitable
def multiply_nonzero(x: Any, y: Any) -> Any:
    """Return the product of those factors that are not zero."""
    return select(x == 0, y, select(y == 0, x, x * y))


@register_jitable
def wrap_index(i: int, length: int) -> int:
    """Return a position in ``[0, length)`` for an index that may count from the end; one out of bounds is clipped."""
    return min(max(select(i < 0, i + length, i), 0), length - 1)


@njit(cache=True)
def softplus(x: float) -> float:
    """Return ``log(1 + exp(x))``."""
    if x < -37.0:
        return math.exp(x)
    if x < 18.0:
        return math.log1p(math.exp(x))
    if x < 33.3:
        return x + math.exp(-x)
    return x


@njit(cache=True, error_model="numpy")
def log1mexp(x: float) -> float:
    """Return ``log(1 - exp(x))`` for ``x`` below zero."""
    if x < LOG_HALF:
        return math.log1p(-math.exp(x))
    return math.log(-math.expm1(x))


@njit(cache=True, error_model="numpy")
def trigamma(x: float) -> float:
    """Return the second derivative of the logarithm of the gamma function."""
    is_reflected = x < 0.5
    if is_reflected and x == math.floor(x):
        return math.inf
    z = 1.0 - x if is_reflected else x
    total = 0.0
    while z < 15.0:
        total += 1.0 / (z * z)
        z += 1.0
    y = 1.0 / (z * z)
    series = y * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - y * (5 / 66 - y * 691 / 2730)))))
    value = total + 1.0 / z + 0.5 * y + series / z
    if is_reflected:
        sine = math.sin(math.pi * x)
        return math.pi * math.pi / (sine * sine) - value
    return value


NAMES = {
    "accumulate": accumulate,
    "clip": clip,
    "log1mexp": log1mexp,
    "math": math,
    "maximum": maximum,
    "minimum": minimum,
    "multiply_nonzero": multiply_nonzero,
    "np": np,
    "round_away": round_away,
    "select": select,
    "sign": sign,
    "softplus": softplus,
    "trigamma": trigamma,
    "wrap_index": wrap_index,
}
