"""Least squares of sparse rows are NumPy's, and of rows of very different scales mpmath's, in every backend.

Answers: NumPy's least squares, and mpmath's.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.sparse import csr_matrix

from graphs.backends import get_backend
from graphs.sparse.pattern import find_pattern
from graphs.sparse.row_ops import FactoredRows
from graphs.sparse.rows import RowPattern

N = 12
RNG = np.random.default_rng(11)
ROW = np.concatenate([np.arange(N - 1), np.arange(N - 1), N - 1 + np.arange(N)])
COLUMN = np.concatenate([np.arange(N - 1), np.arange(1, N), np.arange(N)])
"""Differences of neighbours, and each by itself."""
CHAIN = csr_matrix(np.diag(np.ones(N - 1), 1) + np.diag(np.ones(N - 1), -1))
WEIGHTS, MOVES = RNG.normal(size=N), RNG.normal(size=2 * N - 1)


def dense(elements):
    matrix = np.zeros((2 * N - 1, N), dtype=elements.dtype)
    matrix[ROW, COLUMN] = elements
    return matrix


def outputs():
    taken = np.argsort(ROW, kind="stable")
    rows = RowPattern.of(ROW[taken], COLUMN[taken], 2 * N - 1, find_pattern(CHAIN))
    elements, right = pt.vector("elements", shape=(len(ROW),)), pt.vector("right", shape=(2 * N - 1,))
    factored = FactoredRows.of(elements[taken], rows)
    x, left = factored.solve(right)
    total = factored.log_determinant() + pt.dot(WEIGHTS, x) + pt.dot(MOVES, left)
    slopes = pytensor.grad(total, [elements, right])
    return [elements, right], [factored.log_determinant(), x, left, factored.times(x), *slopes]


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_least_squares(backend):
    values, b = RNG.normal(size=len(ROW)), RNG.normal(size=2 * N - 1)
    determinant, x, left, fitted, to_elements, to_right = get_backend(backend).function(*outputs())(values, b)
    a = dense(values)
    inverse = np.linalg.inv(a.T @ a)
    expected = np.linalg.lstsq(a, b, rcond=None)[0]
    np.testing.assert_allclose(determinant, np.linalg.slogdet(a.T @ a)[1], rtol=1e-10)
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(left, b - a @ expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(fitted, a @ expected, rtol=1e-9, atol=1e-10)
    y = inverse @ (WEIGHTS - a.T @ MOVES)
    moved = MOVES + a @ y
    slopes = 2.0 * a @ inverse + np.outer(b - a @ expected, y) - np.outer(moved, expected)
    np.testing.assert_allclose(to_elements, slopes[ROW, COLUMN], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(to_right, moved, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1e-8, 1e8])
@pytest.mark.parametrize("backend", ["numba", "c"])
def test_rows_of_other_scales(scale, backend):
    values = np.concatenate([-np.ones(N - 1), np.ones(N - 1), np.ones(N)])
    values[: 2 * (N - 1)] /= scale
    b = RNG.normal(size=2 * N - 1)
    determinant, x, left, *_ = get_backend(backend).function(*outputs())(values, b)
    with mp.workdps(80):
        a = mp.matrix(dense(values).tolist())
        gram = a.T * a
        expected = mp.lu_solve(gram, a.T * mp.matrix(b.tolist()))
        residual = mp.matrix(b.tolist()) - a * expected
        expected_determinant = mp.log(mp.det(gram))
    np.testing.assert_allclose(determinant, float(expected_determinant), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(x, [float(v) for v in expected], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(left, [float(v) for v in residual], rtol=1e-12, atol=1e-14)
