"""Sorting along any axis, with ties, infinite numbers and what is not a number.

Answers: NumPy's stable sort.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.backends.numba import compile_program


def assert_sorts(values: np.ndarray, axis: int) -> None:
    """Compare elements in their order, and the order, with NumPy."""
    x = pt.tensor(shape=values.shape, dtype=values.dtype)
    outputs = [pt.sort(x, axis=axis).astype("float64"), pt.argsort(x, axis=axis).astype("float64")]
    _, found = compile_program([x], outputs)(values.ravel().astype(float))
    ordered, order = np.split(found, 2)
    np.testing.assert_array_equal(ordered.reshape(values.shape), np.sort(values, axis=axis))
    np.testing.assert_array_equal(order.reshape(values.shape), np.argsort(values, axis=axis, kind="stable"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 100])
def test_vectors_of_any_length(size):
    assert_sorts(np.random.default_rng(size).normal(size=size), 0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axes(axis):
    assert_sorts(np.random.default_rng(1).normal(size=(3, 5, 4)), axis)


def test_ties_keep_their_order():
    assert_sorts(np.random.default_rng(1).integers(0, 4, size=(3, 30)), 1)
    assert_sorts(np.random.default_rng(1).integers(0, 4, size=(30, 3)).astype(float), 0)


def test_what_is_no_number_comes_last():
    values = np.random.default_rng(1).normal(size=(2, 40))
    values[:, ::3], values[:, 1::7], values[1, 5::9] = np.nan, np.inf, -np.inf
    assert_sorts(values, 1)
