"""Exponential and logarithm without branches or calls, so that LLVM turns loops with them into vector code.

They are accurate to one unit in the last place, and give the right infinities, zeros, subnormal numbers and NaN.

References
----------
Muller (2016), Elementary Functions, 3rd ed., Birkhauser, sections 5.2 and 11.2 (range reduction, error analysis).
FreeBSD msun, ``e_log.c`` and ``s_log1p.c``, for the minimax polynomial of the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types

from graphs.backends.numba.library.intrinsics import intrinsic, select
from graphs.backends.numba.machine_code.kept import njit

LOG2_E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01  # its last 21 bits are zero: products with an exponent are exact
LN2_LOW = 1.90821492927058770002e-10
ROUNDER = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, left in the low bits
ROUNDER_BITS = 0x4338000000000000
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
EXPONENT_MASK = -(1 << 52)
SMALLEST_NORMAL = 2.2250738585072014e-308
LOG_HALF = math.log(0.5)
E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13 = (1.0 / math.factorial(n) for n in range(2, 14))
L1, L2, L3, L4, L5, L6, L7 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)


@intrinsic
def as_bits(typing_context: Any, x: Any) -> Any:
    """Return the bits of a float."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def as_float(typing_context: Any, bits: Any) -> Any:
    """Return the float of these bits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def _fused(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return ``x * y + z``, rounded once where the processor can."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double, double, double])
        function = builder.module.declare_intrinsic("llvm.fmuladd", [double], kind)
        return builder.call(function, args)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def fused(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return ``x * y + z``, rounded once."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), generate


def polynomial(coefficients: Sequence[float]) -> Any:
    """Return a function for compiled code that evaluates a polynomial, given from its constant on, without a loop."""

    @intrinsic
    def evaluate(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            double = ir.DoubleType()
            kind = ir.FunctionType(double, [double, double, double])
            fused = builder.module.declare_intrinsic("llvm.fmuladd", [double], kind)
            value = double(coefficients[-1])
            for coefficient in reversed(coefficients[:-1]):
                value = builder.call(fused, [value, args[0], double(coefficient)])
            return value

        return types.float64(types.float64), generate

    return evaluate


@njit(cache=True, forceinline=True, error_model="numpy")
def _reduced(x: float, rest: float) -> tuple[float, float, float, int]:
    """Return ``r``, ``p``, ``s``, ``k`` with ``exp(x - rest) = 2**k * (1 + r + r**2 * p + s)``, s tiny, x bounded."""
    bounded = select(x > 710.0, 710.0, select(x < -746.0, -746.0, x))
    shifted = bounded * LOG2_E + ROUNDER
    k = shifted - ROUNDER
    high = bounded - k * LN2_HIGH
    r = (high - k * LN2_LOW) - rest
    lost = ((high - r) - k * LN2_LOW) - rest
    p = _fused(E13, r, E12)
    p = _fused(p, r, E11)
    p = _fused(p, r, E10)
    p = _fused(p, r, E9)
    p = _fused(p, r, E8)
    p = _fused(p, r, E7)
    p = _fused(p, r, E6)
    p = _fused(p, r, E5)
    p = _fused(p, r, E4)
    p = _fused(p, r, E3)
    return r, _fused(p, r, E2), lost, as_bits(shifted) - ROUNDER_BITS


@njit(cache=True, forceinline=True, error_model="numpy")
def exp_and_rest(x: float, rest: float) -> tuple[float, float]:
    """Return ``exp(x - rest)``, where ``rest`` is too small for x to hold the difference, and a correction to it."""
    r, p, _, exponent = _reduced(x, rest)
    less_one = r + r * r * p
    y = 1.0 + less_one
    # Two factors, since 2**k itself may overflow or be subnormal while the result is not.
    half = exponent >> 1
    first, second = as_float((half + 1023) << 52), as_float((exponent - half + 1023) << 52)
    return y * first * second, (less_one - (y - 1.0)) * first * second


@njit(cache=True, forceinline=True, error_model="numpy")
def exp_of_difference(x: float, rest: float) -> float:
    """Return ``exp(x - rest)``, where ``rest`` is too small for x to hold the difference."""
    return exp_and_rest(x, rest)[0]


@njit(cache=True, forceinline=True, error_model="numpy")
def exp(x: float) -> float:
    """Return the exponential."""
    return exp_of_difference(x, 0.0)


@njit(cache=True, forceinline=True, error_model="numpy")
def expm1(x: float) -> float:
    """Return the exponential less 1."""
    r, p, lost, exponent = _reduced(x, 0.0)
    square = r * r * p
    reduced = r + square
    reduced_rest = ((r - reduced) + square) + lost
    half = exponent >> 1
    first, second = as_float((half + 1023) << 52), as_float((exponent - half + 1023) << 52)
    # What is far from 1 is taken in two steps: 2**k may overflow while the result does not.
    y = first * ((second * reduced + (second - 1.0 / first)) + second * reduced_rest)
    return select(x == 0.0, x, select(exponent == 0, reduced, y))


@njit(cache=True, forceinline=True, error_model="numpy")
def tanh(x: float) -> float:
    """Return the hyperbolic tangent."""
    size = abs(x)
    grown = expm1(2.0 * size)
    divisor = grown + 2.0
    inverse = 1.0 / divisor
    y = grown * inverse
    near = y + (fused(-y, divisor, grown) - y * (grown - (divisor - 2.0))) * inverse
    size = select(size < 0.55, near, 1.0 - 2.0 * inverse)
    return select(x < 0.0, -size, select(x == 0.0, x, size))


@njit(cache=True, forceinline=True, error_model="numpy")
def _log_of_mantissa(f: float) -> tuple[float, float, float]:
    """Return ``s``, ``f**2 / 2`` and ``R`` with ``log(1 + f) = f - f**2 / 2 + s * (f**2 / 2 + R)``."""
    s = f / (2.0 + f)
    z = s * s
    p = _fused(L7, z, L6)
    p = _fused(p, z, L5)
    p = _fused(p, z, L4)
    p = _fused(p, z, L3)
    p = _fused(p, z, L2)
    p = _fused(p, z, L1)
    return s, 0.5 * f * f, p * z


@njit(cache=True, forceinline=True, error_model="numpy")
def log_and_rest(x: float) -> tuple[float, float]:
    """Return the natural logarithm, minus infinity at 0, NaN below; and a correction to it where x is normal."""
    is_small = x < SMALLEST_NORMAL
    bits = as_bits(select(is_small, x * 18014398509481984.0, x))
    difference = bits - SQRT_HALF_BITS
    k = (difference >> 52) - select(is_small, 54, 0)
    f = as_float(bits - (difference & EXPONENT_MASK)) - 1.0
    s, half_square, rest = _log_of_mantissa(f)
    e = float(k)
    less = half_square - (s * (half_square + rest) + e * LN2_LOW)
    part = less - f
    y = e * LN2_HIGH - part
    lost = select(x < math.inf, ((e * LN2_HIGH - y) - part) - (less - (part + f)), 0.0)
    y = select(x < math.inf, y, x)
    return select(x > 0.0, y, select(x == 0.0, -math.inf, math.nan)), lost


@njit(cache=True, forceinline=True, error_model="numpy")
def log(x: float) -> float:
    """Return the natural logarithm; minus infinity at 0, NaN below."""
    return log_and_rest(x)[0]


@njit(cache=True, forceinline=True, error_model="numpy")
def log1p(x: float) -> float:
    """Return the logarithm of ``1 + x``."""
    u = 1.0 + x
    bits = as_bits(u)
    difference = bits - SQRT_HALF_BITS
    k = difference >> 52
    is_near = k == 0
    # What was lost in rounding 1 + x.
    lost = select(k >= 2, 1.0 - (u - x), x - (u - 1.0)) / u
    correction = select(is_near, 0.0, lost)
    f = select(is_near, x, as_float(bits - (difference & EXPONENT_MASK)) - 1.0)
    s, half_square, rest = _log_of_mantissa(f)
    e = float(k)
    y = e * LN2_HIGH - ((half_square - (s * (half_square + rest) + (e * LN2_LOW + correction))) - f)
    y = select(x < math.inf, y, x)
    return select(x > -1.0, y, select(x == -1.0, -math.inf, math.nan))


@njit(cache=True, forceinline=True, error_model="numpy")
def softplus(x: float) -> float:
    """Return ``log(1 + exp(x))``."""
    return select(x > 0.0, x, select(x < 0.0, 0.0, x)) + log1p(exp(-abs(x)))


@njit(cache=True, forceinline=True, error_model="numpy")
def sigmoid(x: float) -> float:
    """Return ``1 / (1 + exp(-x))``."""
    decay, decay_rest = exp_and_rest(-abs(x), 0.0)
    divisor = 1.0 + decay
    divisor_rest = decay - (divisor - 1.0) + decay_rest
    y = 1.0 / divisor
    rest = y * (fused(-y, divisor, 1.0) - y * divisor_rest)
    return select(x < 0.0, fused(decay, y, decay * rest + decay_rest * y), y + rest)


@njit(cache=True, forceinline=True, error_model="numpy")
def log1mexp(x: float) -> float:
    """Return ``log(1 - exp(x))`` for ``x`` below zero."""
    is_far = x < LOG_HALF
    return select(is_far, log1p(-exp(x)), log(-expm1(x)))


NAMES = {
    "vector_exp": exp,
    "vector_expm1": expm1,
    "vector_log": log,
    "vector_log1mexp": log1mexp,
    "vector_log1p": log1p,
    "vector_sigmoid": sigmoid,
    "vector_softplus": softplus,
    "vector_tanh": tanh,
}
"""What generated source calls inside loops."""
