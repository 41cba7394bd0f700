"""Functions that are compiled as part of their caller do there what they do in Python."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from graphs.backends.numba.inlined import KernelCompiler, inlined


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
