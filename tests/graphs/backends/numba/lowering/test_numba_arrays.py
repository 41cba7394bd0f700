"""Shapes, indexing, linear algebra and gradients give the values of PyTensor's NumPy implementation.

Answers: PyTensor's implementation in NumPy, node by node.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from graphs.backends import get_backend
from graphs.surgery.interpreting import interpret
from tests.graphs.backends.numba.programs import DATA, B, J, K, M, S, T, U, X, check, label


@pytest.mark.parametrize(
    "expression",
    [
        M.T,
        M.T + 1,
        T.transpose(2, 0, 1),
        T.transpose(1, 0, 2).sum(axis=0),
        M.reshape((4, 3)),
        M.T.reshape((2, 6)),
        M.T.ravel(),
        T.reshape((6, 4)) + M[0],
        X.dimshuffle("x", 0, "x"),
        pt.zeros((3, 2)),
        pt.ones((2,)) * S,
        pt.full((2, 3), S),
        pt.alloc(X, 2, 5),
        pt.join(0, X, U),
        pt.join(1, M, M * 2, M[:, :1]),
        pt.stack([S, S + 1, 2.0]),
        pt.stack([X, U], axis=1),
        pt.concatenate([X[:1], U, S[None]]),
        pt.split(X, splits_size=[2, 3])[1],
        pt.split(M, splits_size=[1, 3], axis=1)[0],
        pt.eye(3),
        pt.eye(3) * S,
        pt.diag(X),
        pt.diag(M[:, :3]),
        pt.diagonal(T, axis1=0, axis2=2),
        pt.tril(M),
        pt.triu(M),
        pt.arange(5),
        pt.arange(2, 12, 3),
        pt.arange(5) * S,
        pt.repeat(X, 2),
        pt.tile(X, 2),
        pt.flip(X),
        pt.roll(X, 2),
        pt.cumsum(X),
        pt.cumsum(M, axis=1),
        pt.cumprod(M, axis=0),
        pt.diff(X),
        pt.sort(X),
        pytest.param(pt.argsort(X), marks=pytest.mark.slow, id="argsort"),
        pt.outer(X, U),
        pt.specify_shape(X, (5,)),
        pt.expand_dims(M, 1),
        pt.squeeze(M[:1]),
        pt.shape(M),
        pt.moveaxis(T, 0, 2),
        pt.swapaxes(T, 0, 1),
        pt.broadcast_to(X, (3, 5)),
        pt.broadcast_to(X[:, None], (5, 2)) * 2,
        pt.searchsorted(pt.cumsum(U), X),
        pt.bincount(pt.clip(K, 0, 3), minlength=4),
        pt.linspace(0, 1, 5) * S,
        X[:, None][:, 0],
        pt.atleast_2d(X),
        M.ravel()[2:7],
        pt.zeros_like(M) + 1,
        X.copy(),
    ],
    ids=label,
)
def test_shapes(expression):
    check(expression)


@pytest.mark.parametrize(
    "expression",
    [
        X[0],
        X[-1],
        X[1:4],
        X[::-1],
        X[::2],
        X[4:0:-2],
        M[1],
        M[:, 2],
        M[1:, ::2],
        M[-1, -2],
        X[J],
        X[J - 5],
        M[J],
        M[J, 1:],
        M[:, J],
        T[1, :, J],
        X[K],
        X[-K],
        X[K - 3],
        X[np.array([0, 0, -1, 3])],
        M[K],
        M[:, K],
        M[K, K],
        M[K[:, None], K[None, :3]],
        T[:, K],
        T[0, K, 1:3],
        T[K[:2] % 2, :, K[:2]],
        M[np.array([2, 0])][:, np.array([1, -1])],
        (2 * X)[K],
        (2 * X)[K] * U[K],
        X[np.array([True, False, True, False, True])],
        M[np.array([[True] * 4, [False] * 4, [True, False, True, False]])],
        X[K].sum(),
        (X[K] * X[K]).sum(),
        pt.take(M, K, axis=0),
        pt.take_along_axis(M, pt.argsort(M, axis=1), axis=1),
        M[K][:, 1],
        X[K][1:],
        X[K].reshape((5, 1)) * U,
        M[J, J],
        M.T[K],
        M[::-1][K],
    ],
    ids=label,
)
def test_indexing(expression):
    check(expression)


@pytest.mark.parametrize(
    "expression",
    [
        pt.set_subtensor(X[1:3], U[:2]),
        pt.inc_subtensor(X[1:3], S),
        pt.set_subtensor(X[J], S),
        pt.inc_subtensor(M[1], M[0]),
        pt.set_subtensor(M[:, ::2], 0.0),
        pt.inc_subtensor(M[::-1, 1], X[:3]),
        pt.inc_subtensor(X[K], U),
        pt.set_subtensor(X[K[:2]], U[:2]),
        pt.inc_subtensor(M[K], M[0]),
        pt.inc_subtensor(pt.zeros(5)[K], U),
        pt.inc_subtensor(pt.zeros((3, 4))[K, K], U),
        pt.inc_subtensor(X[np.array([0, -1, 0])], 1.0),
        pt.set_subtensor(pt.zeros((2, 5))[0], X),
        pt.inc_subtensor(M[:, K], 1.0),
        pt.set_subtensor(pt.set_subtensor(pt.zeros(6)[:3], X[:3])[3:], U[:3]),
        pt.inc_subtensor((2 * X)[1:], 1.0) + (2 * X),
        pt.set_subtensor(pt.zeros(1)[0], S),
        pt.set_subtensor(K[0], J),
        pt.set_subtensor(pt.empty(3)[:], S),
        pt.set_subtensor(X[B.eval({B: DATA["b"]})], 0.0),
        pt.inc_subtensor(M[K[:, None], K[None, :]], S),
    ],
    ids=label,
)
def test_writing_through_indices(expression):
    check(expression)


COVARIANCE = pt.eye(3) * 2 + M @ M.T


@pytest.mark.parametrize(
    "expression",
    [
        pt.linalg.cholesky(COVARIANCE),
        pt.linalg.solve_triangular(pt.linalg.cholesky(COVARIANCE), X[:3], lower=True),
        pt.linalg.cho_solve((pt.linalg.cholesky(COVARIANCE), True), X[:3]),
        pt.linalg.cho_solve((pt.linalg.cholesky(COVARIANCE, lower=False), False), M),
        pt.linalg.cho_solve((pt.linalg.cholesky(pt.stack([COVARIANCE, 2 * COVARIANCE])), True), T[:2, :3]),
        pt.linalg.inv(COVARIANCE),
        pt.linalg.det(COVARIANCE),
        pt.linalg.slogdet(COVARIANCE)[1],
        pt.linalg.solve(COVARIANCE, M),
        pt.linalg.eigh(COVARIANCE)[0],
        pt.linalg.cholesky(pt.stack([COVARIANCE, 2 * COVARIANCE])),
        pt.linalg.svd(M)[1],
        pytest.param(pt.linalg.expm(COVARIANCE / 9), marks=pytest.mark.slow, id="expm"),
        pt.linalg.kron(M, COVARIANCE),
    ],
    ids=label,
)
def test_linear_algebra(expression):
    check(expression, rtol=1e-9)


@pytest.mark.parametrize(
    "expression",
    [
        pt.special.softmax(X),
        pt.special.softmax(M, axis=0),
        pt.special.log_softmax(M, axis=1),
        pt.logsumexp(M, axis=1),
        pt.logsumexp(M),
        pt.logsumexp(M - 1e3, axis=0),
        pt.log(pt.exp(M).sum(axis=1)),
        pt.logsumexp(pt.log(pt.zeros(3)) + S),
        pt.grad(pt.logsumexp(M, axis=1).sum(), M),
        pt.grad(pt.special.log_softmax(M, axis=1)[:, 1].sum(), M),
        pt.grad(pt.special.softmax(X)[2], X),
        pt.grad(pt.prod(X), X),
        pt.grad(pt.max(X), X),
        pt.grad(pt.cumsum(X)[3] ** 2, X),
        pt.grad((X[K] ** 2).sum(), X),
        pt.grad(pt.linalg.slogdet(COVARIANCE)[1], M),
        pt.grad(pt.linalg.cholesky(COVARIANCE).sum(), M),
        pt.grad(pt.gammaln(U).sum(), U),
        pt.grad(pt.softplus(X).sum(), X),
        pt.grad(pt.erf(X).sum(), X),
        pt.grad((M @ X[:4]).var(), X),
        pt.grad(pt.sort(X)[1], X),
        pt.grad(pt.concatenate([X, X**2])[3:7].sum(), X),
        pt.grad(pt.betainc(S + 1, 2.0, U).sum(), S),
        pt.jacobian(X[:3] ** 2, X),
        pt.hessian((X**3).sum(), X),
    ],
    ids=label,
)
def test_softmax_and_gradients(expression):
    check(expression, rtol=1e-9)


def test_scans():
    powers = pytensor.scan(lambda a, b: a * b + 1.0, sequences=[X], outputs_info=[S], return_updates=False)
    check(powers, powers[-1], pt.grad(powers[-1], X), rtol=1e-10)


@pytest.mark.parametrize("mode", ["add", "mul"])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
@pytest.mark.parametrize("shape", [(6,), (1,), (6, 2), (1, 3), (3, 1), (2, 3, 4)])
def test_cumulative_sums_along_every_axis(shape, dtype, mode):
    """A vector and a matrix in the same process, along the same axis."""
    x = pt.tensor("x", shape=shape, dtype=dtype)
    cumulate, numpys = {"add": (pt.cumsum, np.cumsum), "mul": (pt.cumprod, np.cumprod)}[mode]
    values = (3 * np.random.default_rng(1).normal(size=shape)).astype(dtype)
    graphs = [cumulate(x, axis=axis) for axis in range(len(shape))]
    if dtype == "float64" and mode == "add":
        graphs += [cumulate(x.T, axis=0), pytensor.grad((cumulate(x, axis=0) ** 2).sum(), x)]
    found = get_backend("numba").function([x], graphs)(values)
    expected = interpret([x], graphs)(values)
    for axis in range(len(shape)):
        np.testing.assert_allclose(found[axis], numpys(values, axis=axis), rtol=1e-14)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
