"""Sparse factors are those of SciPy's dense ones, for chains, hierarchies, grids and any graph, in every backend.

Answers: NumPy's dense factors and solutions.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import sparse

from graphs.backends import get_backend
from graphs.sparse.ops import SparseFactor, draw_sparse_normal
from graphs.sparse.pattern import find_pattern, find_probes
from graphs.surgery.interpreting import interpret

RNG = np.random.default_rng(7)


def chain(n):
    return sparse.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1])


def band(n):
    return sum(sparse.diags([np.ones(n - k), np.ones(n - k)], [-k, k]) for k in (1, 2, 5))


def arrow(n):
    edges = [(i, n - 1) for i in range(n - 1)] + [(i, n - 2) for i in range(0, n - 2, 2)]
    return of_edges(n, edges)


def tree(n):
    return of_edges(n, [(i, (i - 1) // 3) for i in range(1, n)])


def grid(n):
    side = int(np.sqrt(n))
    one = chain(side)
    return sparse.kronsum(one, one)


def anything(n):
    return of_edges(n, RNG.integers(0, n, size=(2 * n, 2)))


def nothing(n):
    return sparse.csr_matrix((n, n))


def of_edges(n, edges):
    matrix = sparse.lil_matrix((n, n))
    for i, j in edges:
        if i != j:
            matrix[i, j] = matrix[j, i] = 1.0
    return matrix


GRAPHS = [chain, band, arrow, tree, grid, anything, nothing]


def matrix_of(adjacency):
    """Return a positive definite matrix of the pattern."""
    weights = sparse.triu(adjacency, 1).tocoo()
    values = RNG.normal(size=weights.nnz)
    upper = sparse.coo_matrix((values, (weights.row, weights.col)), adjacency.shape)
    matrix = (upper + upper.T).toarray()
    return matrix + np.diag(np.abs(matrix).sum(axis=1) + RNG.uniform(0.5, 2.0, size=len(matrix)))


COMPILED = [
    pytest.param(backend, graph, marks=() if graph is anything else pytest.mark.slow)
    for backend in ("numba", "c", "jax")
    for graph in GRAPHS
]


@pytest.mark.parametrize(
    ("backend", "graph"),
    [*(("interpreted", graph) for graph in GRAPHS), *COMPILED],
    ids=lambda g: getattr(g, "__name__", g),
)
def test_factor_and_solutions(backend, graph):
    adjacency = sparse.csr_matrix(graph(49))
    pattern = find_pattern(adjacency)
    matrix = matrix_of(adjacency)
    right = RNG.normal(size=49)
    values, b = pt.vector("values", shape=(len(pattern.first),)), pt.vector("b", shape=(49,))
    factor = SparseFactor.of(values, pattern)
    outputs = [factor.solve(b), pt.log(factor.diagonal).sum()]
    outputs += [draw_sparse_normal(values, scale * b, b, pattern) for scale in (0.0, 2.0)]
    compiled = (interpret if backend == "interpreted" else get_backend(backend).function)([values, b], outputs)
    solved, half, coloured, drawn = compiled(matrix[pattern.first, pattern.second], right)
    np.testing.assert_allclose(drawn, 2.0 * np.linalg.solve(matrix, right) + coloured, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(solved, np.linalg.solve(matrix, right), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(half, 0.5 * np.linalg.slogdet(matrix)[1], rtol=1e-10)
    # Coloured noise has the inverse as its covariance: with y = L'^-1 z, y' A y = z' z.
    np.testing.assert_allclose(coloured @ matrix @ coloured, right @ right, rtol=1e-9)


@pytest.mark.parametrize(
    ("graph", "most"), [(chain, 3), (arrow, 4), (tree, 6), (nothing, 1)], ids=lambda g: getattr(g, "__name__", g)
)
def test_orders_make_few_elements(graph, most):
    """Chains, hierarchies and trees take a few operations per element, whatever their length."""
    pattern = find_pattern(sparse.csr_matrix(graph(900)))
    assert pattern.num_operations <= 900 * most**2
    probes, _ = find_probes(sparse.csr_matrix(graph(900)))
    assert len(probes) <= 8


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.__name__)
def test_probes_show_every_element(graph):
    adjacency = sparse.csr_matrix(graph(49))
    matrix, pattern = matrix_of(adjacency), find_pattern(adjacency)
    probes, probe_of = find_probes(adjacency)
    products = matrix @ probes.T
    has_own = probes.sum(axis=1) == 1
    first, second = pattern.first, pattern.second
    is_hub = has_own[probe_of]
    rows, columns = np.where(is_hub[first], second, first), np.where(is_hub[first], first, second)
    np.testing.assert_allclose(products[rows, probe_of[columns]], matrix[first, second], rtol=1e-12)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.__name__)
def test_compiled_loops_find_the_pattern_of_a_dense_factor(graph, monkeypatch):
    """Without fill that cancels, the pattern is that of the factor of any matrix with these elements."""
    monkeypatch.setattr("graphs.backends.numba.machine_code.plain.FEWEST_COMPILED", 0)
    adjacency = sparse.csr_matrix(graph(49))
    pattern = find_pattern(adjacency)
    dense = np.linalg.cholesky(matrix_of(adjacency)[np.ix_(pattern.order, pattern.order)])
    columns = np.repeat(np.arange(49), np.diff(pattern.starts))
    found = np.zeros((49, 49), bool)
    found[pattern.rows, columns] = True
    assert not dense[~found].any()
    assert pattern.num_operations == (found.sum(axis=0) ** 2).sum()
    by_rows = np.repeat(np.arange(49), np.diff(pattern.row_starts))
    np.testing.assert_array_equal(pattern.rows[pattern.row_places], by_rows)
    np.testing.assert_array_equal(columns[pattern.row_places], pattern.row_columns)


def test_what_takes_too_many_operations_is_refused_before_anything_is_eliminated(monkeypatch):
    """A column of c elements takes c squared; the elements that are given are a lower bound."""
    monkeypatch.setattr("graphs.sparse.pattern._eliminated", lambda *_: pytest.fail("eliminated"))
    adjacency = sparse.csr_matrix(chain(100))
    assert find_pattern(adjacency, most=300) is None


def test_the_bound_of_operations_is_exact_where_all_columns_are_alike():
    adjacency = sparse.csr_matrix(chain(100))
    num_operations = find_pattern(adjacency).num_operations
    assert num_operations == 99 * 4 + 1
    assert find_pattern(adjacency, most=num_operations) is None
    assert find_pattern(adjacency, most=num_operations + 1).num_operations == num_operations


def test_what_is_not_positive_definite_is_no_number():
    pattern = find_pattern(sparse.csr_matrix(chain(3)))
    matrix = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.3], [0.0, 0.3, 1.0]])
    factor = SparseFactor.of(pt.as_tensor(matrix[pattern.first, pattern.second]), pattern)
    assert np.isnan(factor.diagonal.eval()).all()
