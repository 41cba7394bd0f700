"""Log-determinants of dense matrices and their gradients, against NumPy and 50 digits.

Answers: NumPy, and mpmath at 50 digits.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.tensor.linalg import cholesky

from graphs.backends import get_backend
from graphs.sparse.dense import log_determinants_of
from graphs.sparse.dense_kernels import inverses, log_determinants

RNG = np.random.default_rng(9)


def matrices(*shape):
    half = RNG.normal(size=shape)
    return half @ np.swapaxes(half, -1, -2) + np.eye(shape[-1])


def with_condition(size, condition):
    """Return a symmetric matrix with eigenvalues between one and one over the condition number."""
    basis, _ = np.linalg.qr(RNG.normal(size=(size, size)))
    whole = basis * condition ** -np.linspace(0, 1, size) @ basis.T
    return (whole + whole.T) / 2


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (4, 3, 3)])
def test_values_and_gradients_of_both_orders(shape, backend):
    """With weights w, the slope is ``w A^-1``; that of its product with E is ``-w A^-1 E A^-1``."""
    given, direction = matrices(*shape), matrices(*shape)
    weights = np.asarray(RNG.normal(size=shape[:-2]))
    variable = pt.tensor("matrices", shape=shape)
    found = log_determinants_of(variable, cholesky(variable, lower=True, on_error="nan"))
    slope = pt.grad((weights * found).sum(), variable)
    change = pt.grad((slope * direction).sum(), variable)
    results = get_backend(backend).function([variable], [found, slope, change])(given)
    inverse = np.linalg.inv(given)
    expected = [np.linalg.slogdet(given)[1], weights[..., None, None] * inverse]
    expected.append(-weights[..., None, None] * (inverse @ direction @ inverse))
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_ill_conditioned_matrices_lose_no_more_digits_than_they_have_to(condition):
    """A last digit of the matrix changes the inverse by the condition number times that, relatively."""
    given = with_condition(15, condition)
    factor = np.linalg.cholesky(given)
    [found], [inverse] = log_determinants(given[None], factor[None]), inverses(given[None], factor[None])
    with mpmath.workdps(50):
        exact = mpmath.matrix(given.tolist())
        expected = float(mpmath.log(mpmath.det(exact)))
        expected_inverse = np.array((exact**-1).tolist(), float)
    rounding = np.finfo(float).eps * condition * len(given)
    assert abs(found - expected) <= rounding
    np.testing.assert_allclose(inverse, expected_inverse, rtol=0, atol=rounding * np.abs(expected_inverse).max())


def test_pivots_of_any_magnitude_give_a_finite_log_determinant():
    pivots = 10.0 ** RNG.uniform(-150, 150, size=200)
    [found] = log_determinants(np.diag(pivots**2)[None], np.diag(pivots)[None])
    np.testing.assert_allclose(found, 2.0 * np.log(pivots).sum(), rtol=1e-13, atol=1e-9)


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_what_is_not_positive_definite_is_no_number(backend):
    variable = pt.tensor("matrices", shape=(2, 2, 2))
    found = log_determinants_of(variable, cholesky(variable, lower=True, on_error="nan"))
    evaluate = get_backend(backend).function([variable], [found, pt.grad(found.sum(), variable)])
    values, slopes = evaluate(np.array([[[1.0, 2.0], [2.0, 1.0]], [[2.0, 1.0], [1.0, 2.0]]]))
    assert np.isnan(values[0])
    assert np.isnan(slopes[0]).any()
    np.testing.assert_allclose(values[1], np.log(3.0), rtol=1e-14)
