"""Interval arithmetic with open and closed ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf, isfinite, nextafter

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """The real numbers between two ends, and whether NaN may occur as well.

    An infinite end that is closed says that the infinity itself may occur; an open one, that values are finite.

    Parameters
    ----------
    lower, upper : float
        The ends.
    lower_open, upper_open : bool
        Whether the end itself is excluded.
    may_be_nan : bool
        Whether NaN may occur.

    Examples
    --------
    >>> positive = Interval(0.0, float("inf"), True, True)
    >>> positive.add(point(1.0)).is_greater(point(1.0)).is_true
    True
    """

    lower: float = -inf
    upper: float = inf
    lower_open: bool = False
    upper_open: bool = False
    may_be_nan: bool = False

    @property
    def is_positive(self) -> bool:
        """Whether every value is greater than zero."""
        return not self.may_be_nan and (self.lower > 0 or (self.lower == 0 and self.lower_open))

    @property
    def is_non_negative(self) -> bool:
        """Whether every value is at least zero."""
        return not self.may_be_nan and self.lower >= 0

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is not among the values."""
        below = self.upper < 0 or (self.upper == 0 and self.upper_open)
        return below or self.lower > 0 or (self.lower == 0 and self.lower_open)

    @property
    def is_finite(self) -> bool:
        """Whether neither infinity occurs."""
        return (self.lower_open or self.lower > -inf) and (self.upper_open or self.upper < inf)

    @property
    def is_true(self) -> bool:
        """Whether every value counts as true."""
        return self.excludes_zero and not self.may_be_nan

    @property
    def is_false(self) -> bool:
        """Whether every value is zero."""
        return self.lower == 0 == self.upper and not self.may_be_nan

    def negate(self) -> Interval:
        """Return the interval of ``-x``."""
        return Interval(-self.upper, -self.lower, self.upper_open, self.lower_open, self.may_be_nan)

    def add(self, other: Interval) -> Interval:
        """Return the interval of ``x + y``."""
        may_be_nan = self.may_be_nan or other.may_be_nan or not (self.is_finite or other.is_finite)
        lower = -inf if -inf in (self.lower, other.lower) else self.lower + other.lower
        upper = inf if inf in (self.upper, other.upper) else self.upper + other.upper
        return Interval(
            lower,
            upper,
            _is_open_sum(lower, (self.lower, self.lower_open), (other.lower, other.lower_open)),
            _is_open_sum(upper, (self.upper, self.upper_open), (other.upper, other.upper_open)),
            may_be_nan,
        )

    def multiply(self, other: Interval) -> Interval:
        """Return the interval of ``x * y``."""
        may_be_nan = (
            self.may_be_nan
            or other.may_be_nan
            or not (self.is_finite or other.excludes_zero)
            or not (other.is_finite or self.excludes_zero)
        )
        corners = [_corner(a, b) for a in self._ends() for b in other._ends()]
        return _hull_of_ends(corners, may_be_nan)

    def reciprocal(self) -> Interval:
        """Return the interval of ``1 / x``; unknown where x may be zero."""
        if not self.excludes_zero or self.may_be_nan:
            return UNKNOWN
        if self.upper <= 0:
            return self.negate().reciprocal().negate()
        lower = 0.0 if self.upper == inf else 1.0 / self.upper
        upper = inf if self.lower == 0 else 1.0 / self.lower
        return Interval(lower, upper, self.upper_open, self.lower_open)

    def absolute(self) -> Interval:
        """Return the interval of ``|x|``."""
        if self.lower >= 0:
            return self
        if self.upper <= 0:
            return self.negate()
        upper = max(-self.lower, self.upper)
        ends = ((-self.lower, self.lower_open), (self.upper, self.upper_open))
        is_open = all(end_open for end, end_open in ends if end == upper)
        return Interval(0.0, upper, False, is_open, self.may_be_nan)

    def map_increasing(self, function: Callable[[float], float], is_strict: bool = True) -> Interval:
        """Return the interval of an increasing function; ``is_strict`` where it is continuous and one to one."""
        with np.errstate(all="ignore"):
            lower, upper = float(function(self.lower)), float(function(self.upper))
        if np.isnan(lower) or np.isnan(upper):
            return UNKNOWN
        return Interval(
            _relax(lower, -inf),
            _relax(upper, inf),
            is_strict and self.lower_open,
            is_strict and self.upper_open,
            self.may_be_nan,
        )

    def is_greater(self, other: Interval) -> Interval:
        """Return the truth of ``x > y``: TRUE, FALSE or EITHER."""
        if self.may_be_nan or other.may_be_nan:
            return EITHER
        if self.lower > other.upper or (self.lower == other.upper and (self.lower_open or other.upper_open)):
            return TRUE
        return FALSE if self.upper <= other.lower else EITHER

    def is_equal(self, other: Interval) -> Interval:
        """Return the truth of ``x == y``."""
        if TRUE in (self.is_greater(other), other.is_greater(self)):
            return FALSE
        if self.may_be_nan or other.may_be_nan or not (self.lower == self.upper == other.lower == other.upper):
            return EITHER
        return TRUE

    def truth(self) -> Interval:
        """Return TRUE, FALSE or EITHER for the values taken as conditions."""
        if self.is_true:
            return TRUE
        return FALSE if self.is_false else EITHER

    def _ends(self) -> tuple[tuple[float, bool], tuple[float, bool]]:
        return (self.lower, self.lower_open), (self.upper, self.upper_open)


def hull(intervals: Iterable[Interval]) -> Interval:
    """Return the smallest interval that contains all the given ones."""
    intervals = list(intervals)
    return _hull_of_ends([end for i in intervals for end in i._ends()], any(i.may_be_nan for i in intervals))


def point(value: float) -> Interval:
    """Return the interval that holds one number."""
    return Interval(value, value)


def of_array(data: NDArray) -> Interval:
    """Return the interval of the elements of an array."""
    if data.size == 0 or data.dtype.kind not in "biuf":
        return UNKNOWN
    if np.isnan(data).any():
        return replace(of_array(data[~np.isnan(data)]), may_be_nan=True)
    return Interval(float(data.min()), float(data.max()))


def _is_open_sum(total: float, *ends: tuple[float, bool]) -> bool:
    """Whether a sum of ends is excluded; an infinite sum is reached as soon as one infinite end is."""
    if isfinite(total):
        return any(is_open for _, is_open in ends)
    return all(is_open for end, is_open in ends if not isfinite(end))


def _corner(a: tuple[float, bool], b: tuple[float, bool]) -> tuple[float, bool]:
    """Return the product of two ends, zero times infinity being zero."""
    if a[0] == 0 or b[0] == 0:
        return 0.0, not ((a[0] == 0 and not a[1]) or (b[0] == 0 and not b[1]))
    product = a[0] * b[0]
    if isfinite(product):
        return product, a[1] or b[1]
    return product, all(is_open for end, is_open in (a, b) if not isfinite(end))


def _hull_of_ends(ends: list[tuple[float, bool]], may_be_nan: bool) -> Interval:
    lower, upper = min(end for end, _ in ends), max(end for end, _ in ends)
    lower_open = all(is_open for end, is_open in ends if end == lower)
    upper_open = all(is_open for end, is_open in ends if end == upper)
    return Interval(lower, upper, lower_open, upper_open, may_be_nan)


def _relax(value: float, direction: float) -> float:
    """Move an end outwards by the rounding error of a library function."""
    if value in (0.0, 1.0, -1.0) or not isfinite(value):
        return value
    for _ in range(4):
        value = nextafter(value, direction)
    return value


UNKNOWN = Interval(may_be_nan=True)
FALSE, TRUE, EITHER = point(0.0), point(1.0), Interval(0.0, 1.0)
