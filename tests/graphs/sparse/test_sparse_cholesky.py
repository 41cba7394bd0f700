"""Factors of sparse matrices against dense algebra, by both orders of elimination.

Answers: NumPy's dense factors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from graphs.sparse.kernels import factorize, solve_with_noise
from graphs.sparse.pattern import Pattern, find_pattern

RNG = np.random.default_rng(12)


def chain(size: int) -> np.ndarray:
    return np.eye(size, k=1) + np.eye(size, k=-1)


def hierarchy() -> np.ndarray:
    """Twelve pairs under two parents: what the products of a column are subtracted from lies far apart."""
    matrix = np.zeros((26, 26))
    for i in range(0, 24, 2):
        for a, b in ((i, i + 1), (i, 24), (i + 1, 25)):
            matrix[a, b] = matrix[b, a] = 1
    return matrix


def scattered() -> np.ndarray:
    upper = np.triu(RNG.uniform(size=(40, 40)) < 0.08, 1)
    return (upper + upper.T).astype(float)


PATTERNS = {
    "chain": chain(30),
    "hierarchy": hierarchy(),
    "scattered": scattered(),
    "diagonal": np.zeros((5, 5)),
    "dense": np.ones((6, 6)),
}


@pytest.mark.parametrize("adjacency", list(PATTERNS.values()), ids=list(PATTERNS))
@pytest.mark.parametrize("is_listed", [True, False], ids=["products listed", "too many products"])
def test_factor_and_draw_are_those_of_dense_algebra(adjacency: np.ndarray, is_listed: bool) -> None:
    pattern = find_pattern(csr_matrix(adjacency))
    if not is_listed:
        pattern = replace(pattern, targets=np.empty(0, np.int64))
    size = pattern.size
    couplings = np.tril(RNG.normal(size=(size, size)) * (adjacency != 0), -1)
    matrix = couplings + couplings.T + np.diag(np.abs(couplings + couplings.T).sum(axis=1) + 0.7)
    values = matrix[pattern.first, pattern.second]
    factor = factorize(values, *_arrays(pattern))
    dense = np.zeros((size, size))
    columns = np.repeat(np.arange(size), np.diff(pattern.starts))
    dense[pattern.rows, columns] = factor
    np.fill_diagonal(dense, 1 / np.diag(dense))
    ordered = matrix[np.ix_(pattern.order, pattern.order)]
    np.testing.assert_allclose(dense, np.linalg.cholesky(ordered), rtol=1e-10, atol=1e-12)
    right, noise = RNG.normal(size=(2, size))
    drawn = solve_with_noise(values, right, noise, pattern.order, *_arrays(pattern))
    expected = np.linalg.solve(matrix, right)
    expected[pattern.order] += np.linalg.solve(dense.T, noise)
    np.testing.assert_allclose(drawn, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("is_listed", [True, False])
def test_matrices_that_are_not_positive_definite_give_no_number(is_listed: bool) -> None:
    pattern = find_pattern(csr_matrix(chain(4)))
    if not is_listed:
        pattern = replace(pattern, targets=np.empty(0, np.int64))
    values = np.where(pattern.first == pattern.second, 1.0, 0.9)
    assert np.isnan(factorize(values, *_arrays(pattern))).all()


def _arrays(p: Pattern) -> tuple[np.ndarray, ...]:
    return p.places, p.starts, p.rows, p.row_starts, p.row_columns, p.row_places, p.targets
