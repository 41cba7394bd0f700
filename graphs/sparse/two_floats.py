"""Numbers as sums of two of double precision, some 32 digits: where elimination leaves less than one has.

References
----------
Dekker (1971), A floating-point technique for extending the available precision, Numerische Mathematik 18: 224-242.
Hida, Li and Bailey (2001), Algorithms for quad-double precision floating point arithmetic, ARITH-15.
"""

from __future__ import annotations

from math import sqrt

from graphs.backends.numba.machine_code.kept import njit

_SPLITTER = 134217729.0  # 2^27 + 1: it cuts the 53 digits of a number in halves


@njit(cache=True, error_model="numpy")
def product(a: float, b: float) -> tuple[float, float]:
    """Return the exact product of two numbers."""
    p = a * b
    scaled = _SPLITTER * a
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    scaled = _SPLITTER * b
    b_high = scaled - (scaled - b)
    b_low = b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(cache=True, error_model="numpy")
def added(a: float, a_low: float, b: float, b_low: float) -> tuple[float, float]:
    """Return a + b."""
    s = a + b
    part = s - a
    rest = (a - (s - part)) + (b - part)
    rest += a_low + b_low
    total = s + rest
    return total, rest - (total - s)


@njit(cache=True, error_model="numpy")
def multiplied(a: float, a_low: float, b: float, b_low: float) -> tuple[float, float]:
    """Return a b."""
    p, rest = product(a, b)
    rest += a * b_low + a_low * b
    total = p + rest
    return total, rest - (total - p)


@njit(cache=True, error_model="numpy")
def reciprocal_root(a: float, a_low: float) -> tuple[float, float]:
    """Return one over the root of a positive number: Newton's step from that of double precision."""
    x = 1.0 / sqrt(a)
    square, square_low = product(x, x)
    share, share_low = multiplied(a, a_low, square, square_low)
    left, left_low = added(1.0, 0.0, -share, -share_low)
    step, step_low = multiplied(left, left_low, 0.5 * x, 0.0)
    return added(x, 0.0, step, step_low)
