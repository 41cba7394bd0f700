"""Products of matrices give the values of PyTensor's NumPy implementation.

Answers: PyTensor's implementation in NumPy, node by node.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from graphs.backends.numba import compile_program
from tests.graphs.backends.numba.programs import RNG, K, M, S, T, U, X, check, label


@pytest.mark.parametrize(
    "expression",
    [
        pt.dot(X, U),
        pt.dot(M, X[:4]),
        pt.dot(X[:3], M),
        pt.dot(M, M.T),
        pt.dot(M.T, M),
        M @ X[1:],
        T @ M.T,
        T @ X[:4],
        T.transpose(0, 2, 1) @ M,
        pt.dot(pt.as_tensor(RNG.normal(size=(30, 20))), pt.outer(X, U)[:, :1].repeat(20, 1).T[:20]),
        pt.dot(pt.as_tensor(RNG.normal(size=(50, 3))), M),
        pt.dot(pt.as_tensor(RNG.normal(size=(3, 50))).T, X[:3]),
        pt.tensordot(T, M, [[1, 2], [0, 1]]),
        pt.einsum("ijk,jk->i", T, M),
        pt.einsum("ij,ik->jk", M, M),
        pt.dot(K, K),
        T @ T.transpose(0, 2, 1),
    ],
    ids=label,
)
def test_products(expression):
    check(expression)


TALL = np.random.default_rng(1).normal(size=(40, 10))


SHORT, LONG = pt.tile(X, 2), pt.tile(U, 8)


@pytest.mark.parametrize(
    "outputs",
    [
        (pt.dot(TALL, SHORT), pt.dot(pt.constant(TALL).T, LONG)),
        (pt.dot(LONG, TALL), pt.dot(SHORT, TALL.T)),
        (pt.dot(TALL, pt.outer(SHORT, M[0])), pt.dot(TALL, SHORT)),
        (pt.dot(TALL, SHORT[:, None]), pt.dot(LONG[None], TALL)),
        (pt.dot(TALL, SHORT), (pt.constant(TALL) * S).sum(axis=1)),
    ],
    ids=label,
)
def test_products_with_data(outputs):
    check(*outputs)


@pytest.mark.parametrize("width", [3, 10, 80])
def test_a_design_and_its_transpose(width):
    """The value of a regression multiplies by one, its gradient by the other; tall ones are the same memory."""
    design = np.random.default_rng(1).normal(size=(100, width))
    b = pt.tensor("b", shape=(width,))
    value = -0.5 * (pt.dot(design, b) ** 2).sum()
    program = compile_program([b], pytensor.grad(value, [b]), value=value)
    at = np.linspace(-1.0, 1.0, width)
    total, gradient = program(at)
    np.testing.assert_allclose(total, -0.5 * ((design @ at) ** 2).sum(), rtol=1e-12)
    np.testing.assert_allclose(gradient, -design.T @ (design @ at), rtol=1e-11)
    if width == 10:
        assert program.fdata.size < 1.5 * design.size
