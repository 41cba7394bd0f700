"""Functions that are compiled as part of their caller do there what they do in Python.

Answers: the same functions in Python, and NumPy's reshape.
"""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from graphs.backends.numba.library.intrinsics import as_rows
from graphs.backends.numba.machine_code.inlined import KernelCompiler, inlined


@inlined
def first_above(values, level):
    for i in range(values.size):
        if values[i] > level:
            return i
    return -1


@inlined
def count_above(values, level):
    count, start = 0, 0
    while True:
        found = first_above(values[start:], level)
        if found < 0:
            return count
        count += 1
        start += found + 1


@inlined
def in_layers(values, levels):
    # The same names in the caller and in what it calls, and one function called twice.
    level, count = levels
    return count_above(values, level) - count_above(values, count)


@pytest.mark.parametrize("options", [{}, {"pipeline_class": KernelCompiler}], ids=["Numba", "KernelCompiler"])
def test_compiled_callers_agree_with_numpy(options):
    @njit(**options)
    def compiled(values, low, high):
        return in_layers(values, (low, high))

    rng = np.random.default_rng(0)
    for size in (0, 1, 7, 100):
        values = rng.normal(size=size)
        for low, high in ((-1.0, 1.0), (0.0, 0.0), (9.0, 10.0), (-10.0, -9.0)):
            expected = np.sum(values > low) - np.sum(values > high)
            assert compiled(values, low, high) == expected
            assert in_layers(values, (low, high)) == expected
    # Nothing was compiled by itself.
    assert not first_above._dispatcher.overloads
    assert not count_above._dispatcher.overloads


def test_rows_are_those_of_reshape():
    """A view of the beginning of a vector, also where it does not begin at its first element."""

    @njit
    def compiled(vector, num_rows, size):
        rows = as_rows(vector, num_rows, size)
        total = rows.sum()
        rows[num_rows - 1, 0] = -1.0
        return rows.shape, total

    for start, num_rows, size in ((0, 3, 4), (2, 2, 5), (5, 7, 1)):
        vector = np.arange(12.0)
        expected = vector[start : start + num_rows * size].reshape(num_rows, size).copy()
        shape, total = compiled(vector[start:], num_rows, size)
        assert (shape, total) == (expected.shape, expected.sum())
        changed = np.arange(12.0)
        changed[start + (num_rows - 1) * size] = -1.0
        np.testing.assert_array_equal(vector, changed)
        np.testing.assert_array_equal(as_rows(np.arange(12.0)[start:], num_rows, size), expected)
