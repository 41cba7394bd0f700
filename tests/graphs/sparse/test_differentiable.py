"""Log-determinants and solutions of sparse matrices, and their gradients, against dense algebra and 50 digits.

Answers: dense matrix algebra, and mpmath at 50 digits.
"""

from __future__ import annotations

from dataclasses import replace

import mpmath
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import NullTypeGradError
from pytensor.graph.replace import vectorize_graph
from scipy.sparse import csr_matrix

from graphs.backends import get_backend
from graphs.sparse.inverse_kernels import log_determinant, selected_inverse
from graphs.sparse.kernels import factorize
from graphs.sparse.ops import SparseCholesky, SparseFactor
from graphs.sparse.pattern import find_pattern
from graphs.surgery.interpreting import interpret

RNG = np.random.default_rng(5)
SIZE = 24


def chain(size=SIZE):
    return np.eye(size, k=1) + np.eye(size, k=-1)


def band():
    return sum(np.eye(SIZE, k=k) + np.eye(SIZE, k=-k) for k in (1, 2, 5))


def hierarchy():
    """Pairs under two parents: the elements of the inverse that a column takes lie far apart."""
    matrix = np.zeros((SIZE, SIZE))
    for i in range(0, SIZE - 2, 2):
        for a, b in ((i, i + 1), (i, SIZE - 2), (i + 1, SIZE - 1)):
            matrix[a, b] = matrix[b, a] = 1.0
    return matrix


def scattered():
    upper = np.triu(np.random.default_rng(3).uniform(size=(SIZE, SIZE)) < 0.12, 1)
    return (upper + upper.T).astype(float)


PATTERNS = {
    "chain": chain(),
    "band": band(),
    "hierarchy": hierarchy(),
    "scattered": scattered(),
    "dense": np.ones((8, 8)),
    "diagonal": np.zeros((5, 5)),
}


def pattern_of(adjacency, is_listed):
    pattern = find_pattern(csr_matrix(adjacency))
    return pattern if is_listed else replace(pattern, targets=np.empty(0, np.int64))


def matrix_of(adjacency):
    """Return a positive definite matrix of the pattern."""
    lower = np.tril(RNG.normal(size=adjacency.shape) * (adjacency != 0), -1)
    matrix = lower + lower.T
    return matrix + np.diag(np.abs(matrix).sum(axis=1) + RNG.uniform(0.5, 2.0, size=len(matrix)))


def ill_conditioned(adjacency, condition):
    """Return a graph's Laplacian plus so little of the identity that the condition number is the given one."""
    weights = np.tril(RNG.uniform(0.5, 2.0, size=adjacency.shape) * (adjacency != 0), -1)
    laplacian = np.diag((weights + weights.T).sum(axis=1)) - weights - weights.T
    largest = np.linalg.eigvalsh(laplacian)[-1]
    return laplacian + np.eye(len(adjacency)) * largest / condition


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        *((name, "interpreted") for name in PATTERNS),
        ("scattered", "numba"),
        ("hierarchy", "c"),
        ("hierarchy", "jax"),
        *(pytest.param(name, "numba", marks=pytest.mark.slow) for name in PATTERNS if name != "scattered"),
    ],
)
def test_values_and_gradients_are_those_of_dense_algebra(name, backend):
    adjacency = PATTERNS[name]
    pattern, matrix = pattern_of(adjacency, True), matrix_of(adjacency)
    size, first, second = pattern.size, pattern.first, pattern.second
    right, weights = RNG.normal(size=(2, size))
    values, b = pt.vector("values", shape=(len(first),)), pt.vector("b", shape=(size,))
    factor = SparseFactor.of(values, pattern)
    total, solved = factor.log_determinant(), factor.solve(b)
    weighted = (weights * solved).sum()
    outputs = [total, pt.grad(total, values), factor.inverse(), solved, *pt.grad(weighted, [values, b])]
    function = interpret if backend == "interpreted" else get_backend(backend).function
    found = function([values, b], outputs)(matrix[first, second], right)
    inverse, times = np.linalg.inv(matrix), np.where(first == second, 1.0, 2.0)
    x, y = inverse @ right, inverse @ weights
    slope = -0.5 * (np.outer(x, y) + np.outer(y, x))
    expected = [np.linalg.slogdet(matrix)[1], times * inverse[first, second], inverse[first, second]]
    expected += [x, times * slope[first, second], y]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_gradients_of_solutions_have_gradients():
    """The derivative of ``-(y x' + x y') / 2`` along a symmetric matrix E: x changes by ``-A^-1 E x``, y alike."""
    adjacency = PATTERNS["scattered"]
    pattern, matrix, direction = pattern_of(adjacency, True), matrix_of(adjacency), matrix_of(adjacency)
    first, second = pattern.first, pattern.second
    right, weights = RNG.normal(size=(2, pattern.size))
    values = pt.vector("values", shape=(len(first),))
    [slope] = pt.grad((weights * SparseFactor.of(values, pattern).solve(right)).sum(), [values])
    change = pt.grad((slope * direction[first, second]).sum(), values)
    found = get_backend("numba").function([values], [change])(matrix[first, second])[0]
    inverse, times = np.linalg.inv(matrix), np.where(first == second, 1.0, 2.0)
    x, y = inverse @ right, inverse @ weights
    dx, dy = (-inverse @ direction @ v for v in (x, y))
    product = np.outer(dx, y) + np.outer(x, dy)
    np.testing.assert_allclose(found, times * -0.5 * (product + product.T)[first, second], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["chain", "band", "hierarchy", "scattered", "dense"])
@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_ill_conditioned_matrices_lose_no_more_digits_than_they_have_to(name, is_listed, condition):
    """A last digit of the matrix changes the inverse by the condition number times that, relatively."""
    adjacency = PATTERNS[name]
    pattern, matrix = pattern_of(adjacency, is_listed), ill_conditioned(adjacency, condition)
    p, values = pattern, matrix[pattern.first, pattern.second]
    factor = factorize(values, p.places, p.starts, p.rows, p.row_starts, p.row_columns, p.row_places, p.targets)
    found = log_determinant(values, factor, p.first, p.second, p.places, p.starts, p.rows, p.targets)
    elements = selected_inverse(factor, p.places, p.starts, p.rows, p.targets)
    with mpmath.workdps(50):
        exact = mpmath.matrix(matrix.tolist())
        expected = float(mpmath.log(mpmath.det(exact)))
        inverse = np.array((exact**-1).tolist(), float)
    rounding = np.finfo(float).eps * condition * len(matrix)
    assert abs(found - expected) <= rounding
    np.testing.assert_allclose(elements, inverse[p.first, p.second], rtol=0, atol=rounding * np.abs(inverse).max())


def test_pivots_of_any_magnitude_give_a_finite_log_determinant():
    pivots = 10.0 ** RNG.uniform(-300, 300, size=500)
    pattern = find_pattern(csr_matrix((500, 500)))
    found = SparseFactor.of(pt.as_tensor(pivots), pattern).log_determinant().eval()
    np.testing.assert_allclose(found, np.log(pivots).sum(), rtol=1e-13, atol=1e-9)


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_what_is_not_positive_definite_is_no_number(backend):
    pattern = find_pattern(csr_matrix(chain(3)))
    values = pt.vector("values", shape=(5,))
    total = SparseFactor.of(values, pattern).log_determinant()
    matrix = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.3], [0.0, 0.3, 1.0]])
    evaluate = get_backend(backend).function([values], [total, pt.grad(total, values)])
    for output in evaluate(matrix[pattern.first, pattern.second]):
        assert np.isnan(output).all()


def test_values_and_gradients_share_one_factor():
    pattern = find_pattern(csr_matrix(chain()))
    values, b = pt.vector("values", shape=(len(pattern.first),)), pt.vector("b", shape=(SIZE,))
    # Built one by one, as laws and densities build them.
    total, solved = SparseFactor.of(values, pattern).log_determinant(), SparseFactor.of(values, pattern).solve(b)
    gradients = pt.grad(total + pt.sqr(solved).sum(), [values, b])
    compiled = pytensor.function([values, b], [total, solved, *gradients])
    nodes = [node for node in compiled.maker.fgraph.toposort() if isinstance(node.op, SparseCholesky)]
    assert len(nodes) == 1


def test_what_has_no_gradient_says_what_has_one():
    pattern = find_pattern(csr_matrix(chain(3)))
    values = pt.vector("values", shape=(5,))
    factor = SparseFactor.of(values, pattern)
    with pytest.raises(NullTypeGradError, match=r"SparseFactor\.log_determinant"):
        pt.grad(factor.diagonal.sum(), values)
    with pytest.raises(NullTypeGradError, match="gradient of its log-determinant"):
        pt.grad(pt.grad(factor.log_determinant(), values).sum(), values)


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_batches_of_matrices(backend):
    pattern = find_pattern(csr_matrix(band()))
    matrices, rights = np.array([matrix_of(band()) for _ in range(3)]), RNG.normal(size=(3, SIZE))
    values, b = pt.vector("values", shape=(len(pattern.first),)), pt.vector("b", shape=(SIZE,))
    factor = SparseFactor.of(values, pattern)
    many, many_rights = pt.matrix("many", shape=(3, len(pattern.first))), pt.matrix("rights", shape=(3, SIZE))
    given = {values: many, b: many_rights}
    total, solved = vectorize_graph([factor.log_determinant(), factor.solve(b)], given)
    gradient = pt.grad(total.sum(), many)
    compiled = get_backend(backend).function([many, many_rights], [total, solved, gradient])
    found = compiled(matrices[:, pattern.first, pattern.second], rights)
    inverses, times = np.linalg.inv(matrices), np.where(pattern.first == pattern.second, 1.0, 2.0)
    np.testing.assert_allclose(found[0], np.linalg.slogdet(matrices)[1], rtol=1e-10)
    np.testing.assert_allclose(found[1], (inverses @ rights[:, :, None])[:, :, 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[2], times * inverses[:, pattern.first, pattern.second], rtol=1e-9, atol=1e-12)
