"""Programs: value and context, outputs of every kind, failures, messages.

Answers: NumPy and SciPy.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import disconnected_grad
from pytensor.raise_op import Assert
from scipy.special import logsumexp, softmax

from graphs.backends.numba import compile_program
from graphs.errors import BackendError
from tests.graphs.backends.numba.programs import DATA, RNG, B, J, K, M, S, U, X, check


def test_single_precision_constants_are_doubled():
    third = np.float32(1) / np.float32(4)
    program = compile_program([X], [X * pt.as_tensor(third)])
    np.testing.assert_array_equal(program(DATA["x"])[1], DATA["x"] / 4)


def test_value_and_context():
    program = compile_program([X], [X * S], value=(X**2).sum() + S, context=[U, S])
    value, out = program(DATA["x"], np.append(DATA["u"], 0.7))
    assert value == pytest.approx((DATA["x"] ** 2).sum() + 0.7)
    np.testing.assert_allclose(out, DATA["x"] * 0.7)


def test_outputs_that_are_inputs_constants_or_equal():
    check(X, X, S, pt.as_tensor(3), pt.as_tensor([1.0, 2.0]), M.T, K, X[K], B, 2 * X, 2 * X)


def test_failed_checks_make_the_value_minus_infinity():
    checked = Assert("positive")(X.sum(), pt.all(X > 0))
    program = compile_program([X], [2 * X], value=checked)
    assert program(np.ones(5))[0] == 5.0
    value, out = program(-np.ones(5))
    assert value == -np.inf
    assert np.isnan(out).all()


def test_a_failed_factorisation_makes_the_value_minus_infinity():
    logdet = pt.log(pt.diag(pt.linalg.cholesky(pt.diag(X)))).sum()
    program = compile_program([X], [pt.grad(logdet, X)], value=logdet)
    assert program(np.full(5, 4.0))[0] == pytest.approx(5 * np.log(2))
    value, out = program(-np.ones(5))
    assert value == -np.inf or np.isnan(value)
    assert np.isnan(out).all()


def test_an_index_out_of_bounds_makes_the_value_minus_infinity():
    program = compile_program([X, J, K], [X[K]], value=X[J])
    inside = np.concatenate([DATA["x"], [-5], DATA["k"]])
    assert program(inside)[0] == DATA["x"][0]
    assert program(np.concatenate([DATA["x"], [5], DATA["k"]]))[0] == -np.inf
    assert program(np.concatenate([DATA["x"], [2], DATA["k"] + 4]))[0] == -np.inf


def test_a_range_whose_length_is_a_value_is_refused():
    n = pt.lscalar("n")
    with pytest.raises(BackendError, match="do not depend on values"):
        compile_program([n], [pt.arange(n).sum()])


def test_a_shape_that_depends_on_values_is_refused():
    with pytest.raises(BackendError, match=r"Nonzero|mask"):
        compile_program([X], [X[X > 0]])


def test_a_missing_input_is_named():
    with pytest.raises(BackendError, match="depends on u"):
        compile_program([X], [X + U])


def test_complex_numbers_are_refused():
    with pytest.raises(BackendError, match="complex128"):
        compile_program([X], [pt.real(pt.as_tensor(1j) * X)])


def test_machine_code_does_not_depend_on_the_data():
    sources = {compile_program([S], [(S * pt.as_tensor(RNG.normal(size=50))).sum()]).source for _ in range(2)}
    assert len(sources) == 1


def test_a_stable_sum_of_exponentials_is_not_stabilised_again():
    """One exponential for each element serves value and gradient; logits are far beyond what can be exponentiated."""
    x = pt.tensor("x", shape=(3, 50))
    top = disconnected_grad(pt.max(x, axis=0))
    value = (pt.log(pt.exp(x - top).sum(axis=0)) + top).sum()
    program = compile_program([x], pytensor.grad(value, [x]), value=value)
    assert program.source.count("vector_exp(") == 1
    at = 2000.0 * np.random.default_rng(1).normal(size=(3, 50))
    at[1] = at[0] + 1.0
    total, gradient = program(at.ravel())
    np.testing.assert_allclose(total, logsumexp(at, axis=0).sum(), rtol=1e-14)
    np.testing.assert_allclose(gradient.reshape(3, 50), softmax(at, axis=0), rtol=1e-12, atol=1e-300)
