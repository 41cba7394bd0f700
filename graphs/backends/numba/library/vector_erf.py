"""The error function and its complements without branches or calls, for loops that LLVM vectorises.

``erfcx(x) * (1 + 2x)`` is a polynomial in ``(x - 2) / (x + 2)`` for all x from 0 on; with ``exp(-x**2)``, the square
being split so that it is exact, it gives the complement, and 1 less that the function itself, except near 0.

References
----------
Shepherd and Laframboise (1981), Chebyshev approximation of (1+2x)exp(x^2)erfc x in 0 <= x < inf, Math. Comp. 36.
"""

from __future__ import annotations

import math

from graphs.backends.numba.library.intrinsics import select
from graphs.backends.numba.library.vector_math import (
    as_bits,
    as_float,
    exp_and_rest,
    exp_of_difference,
    fused,
    polynomial,
)
from graphs.backends.numba.machine_code.kept import njit

HIGH_BITS = -(1 << 27)
LAST_OF_COMPLEMENT = 28.0
SMALLEST_SCALED = -26.7

# (1 + 2x) erfcx(x) - 1.25 in powers of (x - 2) / (x + 2): Chebyshev interpolation in 60 digits, error below 1e-17.
SCALED = (
    0.026978381552528716,
    -0.09276382658574601,
    -0.16603039761528884,
    0.16405128003344166,
    -0.05422000099207114,
    -0.00803401508238149,
    0.008722653876530033,
    0.001271338964933006,
    -0.0014568139569316842,
    -0.00045434082082698415,
    0.0002063672802685968,
    0.00015103912306188376,
    -1.510150925771988e-06,
    -3.6423184842143545e-05,
    -1.3491871866403955e-05,
    3.710456477895487e-06,
    5.220886777056342e-06,
    1.5040904711467554e-06,
    -6.878048091518103e-07,
    -8.342515908626396e-07,
    -2.772830092070181e-07,
    1.3589167205214257e-07,
    1.8009436020139302e-07,
    3.0845868165339e-08,
    -4.5229663952194024e-08,
    -1.8744184702459688e-08,
    4.761857829888926e-09,
    2.8114026723241795e-09,
)
# erf(x) / x in powers of x**2, for |x| <= 1.
NEAR_ZERO = (
    1.1283791670955126,
    -0.37612638903183754,
    0.11283791670955126,
    -0.026866170645130288,
    0.0052239776254421316,
    -0.0008548327023554835,
    0.00012055332981850638,
    -1.4925650308910017e-05,
    1.646211433686406e-06,
    -1.6365856782490573e-07,
    1.480719990681716e-08,
    -1.2288974270197502e-09,
    9.421831754102303e-11,
    -6.816517027616307e-12,
    4.524912657831943e-13,
)

# Its derivative, within 0.003: what is multiplied by it is a rounding error.
SLOPE = (-0.0928, -0.3446, 0.4905, -0.1638, -0.0327)

_scaled_polynomial = polynomial(SCALED)
_slope_polynomial = polynomial(SLOPE)
_near_zero_polynomial = polynomial(NEAR_ZERO)


@njit(cache=True, forceinline=True, error_model="numpy")
def _exact_sum(x: float, y: float) -> tuple[float, float]:
    """Return a rounded sum and what rounding took from it."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


@njit(cache=True, forceinline=True, error_model="numpy")
def _scaled_complement(x: float) -> tuple[float, float]:
    """Return ``exp(x**2) * erfc(x)`` for x from 0 on, as a number and a small correction to it."""
    # For infinity, (x - 2) / (x + 2) is not a number.
    bounded = select(x < 1e17, x, 1e17)
    above, above_rest = _exact_sum(bounded, -2.0)
    below, below_rest = _exact_sum(bounded, 2.0)
    inverse = 1.0 / below
    q = above * inverse
    q_rest = (fused(-q, below, above) + (above_rest - q * below_rest)) * inverse
    p = _scaled_polynomial(q)
    scaled = 1.25 + p
    scaled_rest = (p - (scaled - 1.25)) + q_rest * _slope_polynomial(q)
    divisor, divisor_rest = _exact_sum(x, 0.5)
    inverse = 1.0 / divisor
    y = 0.5 * scaled * inverse
    rest = (fused(-y, divisor, 0.5 * scaled) + (0.5 * scaled_rest - y * divisor_rest)) * inverse
    return y, select(x < 1e300, rest, 0.0)


@njit(cache=True, forceinline=True, error_model="numpy")
def _split_square(x: float) -> tuple[float, float]:
    """Return a number that is the square of x to half of the digits, exactly, and what is missing."""
    high = as_float(as_bits(x) & HIGH_BITS)
    return high * high, (x - high) * (x + high)


@njit(cache=True, forceinline=True, error_model="numpy")
def _complement(x: float) -> tuple[float, float]:
    """Return ``erfc(x)`` for x from 0 on: roughly, and to the last place."""
    bounded = select(x > LAST_OF_COMPLEMENT, LAST_OF_COMPLEMENT, x)
    square, rest = _split_square(bounded)
    decay = exp_of_difference(-square, rest)
    scaled, scaled_rest = _scaled_complement(bounded)
    return decay * scaled, fused(decay, scaled, decay * scaled_rest)


@njit(cache=True, forceinline=True, error_model="numpy")
def erfc(x: float) -> float:
    """Return one less the error function."""
    _, complement = _complement(abs(x))
    near = 1.0 - x * _near_zero_polynomial(select(abs(x) < 1.0, x * x, 0.0))
    far = select(x < 0.0, 2.0 - complement, complement)
    return select((x > -1.0) & (x < 0.25), near, far)


@njit(cache=True, forceinline=True, error_model="numpy")
def erf(x: float) -> float:
    """Return the error function."""
    near = x * _near_zero_polynomial(select(abs(x) < 1.0, x * x, 0.0))
    # Where it is used it is small beside 1.
    complement, _ = _complement(abs(x))
    far = select(x < 0.0, complement - 1.0, 1.0 - complement)
    return select(abs(x) < 1.0, near, far)


@njit(cache=True, forceinline=True, error_model="numpy")
def erfcx(x: float) -> float:
    """Return ``exp(x**2) * erfc(x)``; infinity far below zero."""
    scaled, scaled_rest = _scaled_complement(abs(x))
    bounded = select(x > 0.0, 0.0, select(x < SMALLEST_SCALED, SMALLEST_SCALED, x))
    square, rest = _split_square(bounded)
    growth, growth_rest = exp_and_rest(square, -rest)
    below = select(x < SMALLEST_SCALED, math.inf, (2.0 * growth - scaled) + (2.0 * growth_rest - scaled_rest))
    return select(x < 0.0, below, scaled + scaled_rest)


NAMES = {"vector_erf": erf, "vector_erfc": erfc, "vector_erfcx": erfcx}
"""What generated source calls inside loops."""
