"""Functions that are translated give what Python gives when it runs them.

Answers: Python's own, which is no compiler of ours.
"""

from __future__ import annotations

import linecache
import math
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphs.backends.numba.library.intrinsics import select
from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.source import define
from graphs.backends.numba.translation.compiler import REFUSED, Translating
from tests.graphs.backends.numba.translation.translated import translated

SCALE = 3
TABLE = np.array([0.5, -1.5, 2.5])
PAIR = (2, 0.25)


class Point(NamedTuple):
    """Two numbers and a vector."""

    x: float
    y: float
    rows: Any


@inlined
def distance(point: Point, power: int = 2) -> float:
    if power == 2:
        return math.sqrt(point.x * point.x + point.y * point.y)
    return abs(point.x) + abs(point.y)


@inlined
def swapped(point: Point) -> Point:
    return Point(x=point.y, y=point.x, rows=point.rows)


def loops(x, n):
    total = 0.0
    for i in range(n):
        if i % 3 == 1:
            continue
        if i > 20:
            break
        total += x[i % x.size] * i
    for i in range(n - 1, 1, -2):
        total -= x[-1 - i % x.size]
    for i in range(2, n, 4):
        i += 1
        total += i
    return total


def while_loops(x, n):
    count = 0
    while n > 1 and not (count > 100 or x[0] > 1e9):
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1
    while True:
        count += 2
        if count & 1:
            break
        if count > 1000:
            return -count
        count += 3
    return count


def integers(x, n):
    return ((n << 3) ^ (n >> 1)) | 5, n // 7 + (-n) // 7, n % 7 - (-n) % 7, -n, ~n, n**2, n / 3


def floats(x, n):
    a = x[0]
    return -a, a / 3, a**2, a**0.5, a // 0.3, a % 0.3, a + n, n - a, a < n, a != a, not a, 2.0 * SCALE - 1


def compared(x, n):
    return 0.0 < x[0] < x[1], x[0] < x[1] <= n < 50, 1 < n != 3, n == 3 or n == 4, n > 3 and x[0] > 0.25


def retyped(x, n):
    total = 0
    for i in range(n):
        total = total + x[i % 3]
        if total > 5:
            total = 1
    flag = n
    flag = total > 1.0
    return total, flag + 1


def tuples(x, n):
    a, b = x[0], n
    a, b = b, a
    pair = (a, (b, x[1]))
    c, (d, e) = pair
    return c, d, e, pair[1][0], PAIR[0] * PAIR[1], len(x), x.shape[0], x.size


def tables(x, n):
    rows = x[1:]
    first = rows[: n % 2 + 1]
    total = 0.0
    for i in range(first.size):
        total += first[i] + TABLE[i]
    x[n % 3] += 2.0
    x[0], x[1] = x[1], x[0]
    return total + TABLE[-1] + math.pi


def chosen(x, n):
    return (n if x[0] > 0.5 else x[2]), min(n, 3), max(x[0], x[1], 0.75), abs(-n)


def named(x, n):
    point = Point(x[0], 2.0, x)
    other = swapped(point)
    return distance(point) + distance(other, 1) * distance(point, n), other.y, other.rows[1]


def early(x, n):
    if n > 5:
        if x[0] > 0.5:
            return 1.0
        n = 3
    elif n == 0:
        return 2
    else:
        n += 1
    return n * x[1]


def words(x, n):
    bits = np.uint64(n) * np.uint64(0x9E3779B97F4A7C15)
    bits ^= bits >> np.uint64(31)
    return np.int64(bits >> np.uint64(11)), float(n), int(x[0] * 10.0), np.float64(n) / 2


def in_turn(x, n):
    for value in x:
        n += value > 0.5
    for value in TABLE:
        n += value * x[0]
    return n


def selected(x, n):
    return select(x[0] > 0.5, x[1], 2.0)


CASES = (loops, while_loops, integers, floats, compared, retyped, tuples, tables, chosen, named, early, words, in_turn)


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_translated_functions_give_what_python_gives(function):
    compiled = translated(function)
    for seed in range(12):
        x, n = np.random.default_rng(seed).random(3), seed
        ours, theirs = x.copy(), x.copy()
        with np.errstate(all="ignore"):
            expected = function(theirs, n)
        # Where a function returns integers or floats, it returns floats, as all code of Numba's does.
        assert_array_equal(np.array(compiled(ours, n), dtype=float), np.array(expected, dtype=float))
        assert_array_equal(ours, theirs)


def test_intrinsics_are_called():
    compiled = translated(selected)
    for x in np.random.default_rng(0).random((10, 3)):
        assert compiled(x, 1) == (x[1] if x[0] > 0.5 else 2.0)


def allocates(x, n):
    y = np.zeros(n + 1)
    y[0] = x[0]
    return y.sum()


def holds_text(x, n):
    return len("abc" + str(n))


def later(x, n):
    total = 0.0
    for i in range(n + 2):
        if i > 0:
            total += previous  # noqa: F823  (what is tested)
        previous = x[i % 3]  # noqa: F841  (read in the next round)
    return total


def through_arrays(x, n):
    y = x * 2.0 + n
    y += x
    return y[1]


def with_one_step(x, n):
    total, step = 0, n % 3 + 1
    for i in range(0, 10, step):
        total += i
    return total


@pytest.mark.parametrize("function", [allocates, holds_text, through_arrays, with_one_step])
def test_what_cannot_be_translated_is_left_to_numba(function):
    compiled = numba.njit(pipeline_class=Translating)(function)
    for n in range(4):
        x = np.random.default_rng(n).random(3)
        assert compiled(x, n) == function(x, n)
    assert function.__name__ in REFUSED


previous = 1e6
"""A global name that a function above has for itself."""


def test_a_source_that_has_changed_is_not_that_of_the_function():
    function, _ = define("def PROGRAM(x):\n    return x + 1.0\n", "changed", {})
    file = function.__code__.co_filename
    size, time, _, name = linecache.cache[file]
    linecache.cache[file] = (size, time, ["def PROGRAM(x):\n", "    return x + 2.0\n"], name)
    assert numba.njit(pipeline_class=Translating)(function)(1.0) == 2.0
    assert "changed" in REFUSED[function.__name__]


def test_errors_are_those_of_numba():
    def divided(x, n):
        return n // (n - n)

    compiled = numba.njit(pipeline_class=Translating)(divided)
    with pytest.raises(ZeroDivisionError):
        compiled(np.ones(3), 1)
    with pytest.raises(numba.core.errors.NotDefinedError, match="previous"):
        numba.njit(pipeline_class=Translating)(later)(np.ones(3), 1)
    with pytest.raises(numba.TypingError):
        numba.njit(pipeline_class=Translating)(lambda x: x.nothing)(np.ones(2))
