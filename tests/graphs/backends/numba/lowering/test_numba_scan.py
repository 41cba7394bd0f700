"""Loops of continuous variables: values and gradients are those of PyTensor's own loop, to rounding.

Answers: PyTensor's implementation in NumPy, node by node; recursions by hand, and SciPy's distributions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.scan.utils import until
from scipy import stats

from graphs.backends.c import settle_blas
from graphs.backends.numba import compile_program
from graphs.errors import BackendError
from tests.laws.operations import assert_is_compiled

settle_blas()
RNG = np.random.default_rng(20240918)
Y = pt.tensor("y", shape=(12,), dtype="float64")
A = pt.tensor("a", shape=(), dtype="float64")
B = pt.tensor("b", shape=(), dtype="float64")
V = pt.tensor("v", shape=(3,), dtype="float64")
M = pt.tensor("m", shape=(3, 3), dtype="float64")
R = pt.tensor("r", shape=(12, 3), dtype="float64")
INPUTS = [Y, A, B, V, M, R]
DATA = [RNG.normal(size=v.type.shape) * 0.4 + 0.1 for v in INPUTS]


def scan(step: Callable, **options) -> pt.TensorVariable | list[pt.TensorVariable]:
    return pytensor.scan(step, return_updates=False, **options)


def arma() -> pt.TensorVariable:
    errors = scan(
        lambda now, last, error, a, b: now - a * last - b * error,
        sequences=[{"input": Y, "taps": [0, -1]}],
        outputs_info=[Y[0]],
        non_sequences=[A, B],
    )
    return (errors**2).sum()


def garch() -> pt.TensorVariable:
    variance = scan(
        lambda y, last, a, b: 0.1 + pt.exp(a) * y**2 + pt.sigmoid(b) * last,
        sequences=[Y[:-1]],
        outputs_info=[pt.constant(0.7, dtype="float64")],
        non_sequences=[A, B],
    )
    return (Y[1:] ** 2 / variance + pt.log(variance)).sum()


def three_lags() -> pt.TensorVariable:
    x = scan(
        lambda y, first, third, a, b: pt.tanh(a * first + b * third + y),
        sequences=[Y],
        outputs_info=[{"initial": V, "taps": [-1, -3]}],
        non_sequences=[A, B],
    )
    return (x**2).sum() + x[-1]


def last_of_two_lags() -> pt.TensorVariable:
    x = scan(
        lambda first, second, a: pt.sin(a * first - second),
        outputs_info=[{"initial": V[:2], "taps": [-1, -2]}],
        non_sequences=[A],
        n_steps=7,
    )
    return x[-1]


def last_two_vectors() -> pt.TensorVariable:
    x = scan(
        lambda r, first, second, m: pt.tanh(m @ first - second + r),
        sequences=[R],
        outputs_info=[{"initial": R[:2], "taps": [-1, -2]}],
        non_sequences=[M],
    )
    return (x[-1] * x[-2]).sum()


def runge_kutta() -> pt.TensorVariable:
    def f(z, a, b):
        return pt.stack([(a - b * z[1]) * z[0], (-b + a * z[0]) * z[1]])

    def step(z, a, b):
        k1 = f(z, a, b)
        k2 = f(z + 0.05 * k1, a, b)
        k3 = f(z + 0.05 * k2, a, b)
        return z + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + f(z + 0.1 * k3, a, b))

    z = scan(step, outputs_info=[pt.exp(V[:2])], non_sequences=[A, B], n_steps=20)
    return (pt.log(z[::5]) ** 2).sum()


def linear_state() -> pt.TensorVariable:
    x, s = scan(
        lambda r, x, s, m: [m @ x + r, s + (x * r).sum()],
        sequences=[R],
        outputs_info=[V, pt.constant(0.0, dtype="float64")],
        non_sequences=[M],
    )
    return (x**2).sum() + s[-1] ** 2


def matrix_power() -> pt.TensorVariable:
    p = scan(lambda p, m: p @ m, outputs_info=[pt.eye(3)], non_sequences=[M], n_steps=4)
    return p[-1].sum() + p[1, 0, 2]


def filter_of_kalman() -> pt.TensorVariable:
    def step(y, mean, covariance, m):
        mean, covariance = m @ mean, m @ covariance @ m.T + pt.eye(3)
        variance = covariance[0, 0] + 0.5
        gain = covariance[:, 0] / variance
        residual = y - mean[0]
        term = -0.5 * residual**2 / variance - 0.5 * pt.log(variance)
        return mean + gain * residual, covariance - pt.outer(gain, covariance[0]), term

    _, _, terms = scan(step, sequences=[Y], outputs_info=[V, pt.eye(3), None], non_sequences=[M])
    return terms.sum()


def states_that_change_places() -> pt.TensorVariable:
    x, z = scan(lambda r, x, z, a: [z * a, x + r], sequences=[R], outputs_info=[V, 2 * V], non_sequences=[A])
    return (x * z).sum() + (x[-1] - z[-1]).prod()


def numbers_that_change_places() -> pt.TensorVariable:
    x, z = scan(lambda y, x, z: [z, pt.sin(x) + y], sequences=[Y], outputs_info=[A, B])
    return x.sum() + z[-1]


def backwards() -> pt.TensorVariable:
    x = scan(lambda y, x, a: a * x + y, sequences=[Y], outputs_info=[B], non_sequences=[A], go_backwards=True)
    return (x * Y).sum()


def indexed_inside() -> pt.TensorVariable:
    x = scan(
        lambda t, x, y, a: x + a * y[t] * y[(t * 5) % 12],
        sequences=[pt.arange(12)],
        outputs_info=[B],
        non_sequences=[Y, A],
    )
    return (x**2).sum()


def nested() -> pt.TensorVariable:
    def outer(r, total, a):
        inner = scan(lambda e, x, a: pt.tanh(a * x + e), sequences=[r], outputs_info=[total], non_sequences=[a])
        return inner[-1]

    x = scan(outer, sequences=[R], outputs_info=[B], non_sequences=[A])
    return (x**2).sum()


def only_collected() -> pt.TensorVariable:
    x = scan(lambda r, m: pt.exp(m @ r), sequences=[R], non_sequences=[M])
    return pt.log(x.sum())


def one_step() -> pt.TensorVariable:
    x = scan(lambda y, x, a: a * x + y, sequences=[Y[:1]], outputs_info=[B], non_sequences=[A])
    return x.sum()


def counted() -> pt.TensorVariable:
    n, x = scan(
        lambda y, n, x: [n + pt.cast(y > 0, "int64"), x + n * y],
        sequences=[Y],
        outputs_info=[pt.constant(0, dtype="int64"), A],
    )
    return x[-1] * n[-1] + x.sum()


def initial_row_of_length_one() -> pt.TensorVariable:
    x = scan(lambda r, x: x * 0.5 + r[:1], sequences=[R], outputs_info=[pt.atleast_1d(A)])
    return (x**2).sum()


MODELS = [
    arma, garch, three_lags, last_of_two_lags, last_two_vectors, runge_kutta, linear_state, matrix_power,
    filter_of_kalman, states_that_change_places, numbers_that_change_places, backwards, indexed_inside, nested,
    only_collected, one_step, counted, initial_row_of_length_one,
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_value_and_gradient_are_those_of_a_loop_in_python(model):
    value = model()
    gradients = pt.grad(value, INPUTS, disconnected_inputs="ignore")
    program = assert_is_compiled(INPUTS, gradients, DATA, value=value, rtol=1e-10, atol=1e-12, value_rtol=1e-12)
    assert not any("foreign" in line for line in program.source.splitlines())


def test_draws_inside_a_loop_are_new_at_every_step():
    def step(last, rng, a):
        rng, x = rng.normal(a * last, 2.0)
        return x, rng

    rng = pt.random.shared_rng(seed=1)
    x, _ = scan(step, outputs_info=[pt.constant(0.0, dtype="float64"), rng], non_sequences=[A], n_steps=4000)
    program = compile_program([A], [x], rng=rng)
    assert "foreign" not in program.source
    words = np.array([3, 5, 7, 9], dtype=np.uint64)
    drawn = program(np.array([0.8]), rng=words)[1]
    noise = (drawn - 0.8 * np.concatenate([[0.0], drawn[:-1]])) / 2
    # Fixed seed; a wrong law would have p-values near zero, a right one has less than 0.001 once in a thousand.
    assert stats.kstest(noise, "norm").pvalue > 0.001
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 4 / np.sqrt(4000)


def test_what_nobody_reads_is_not_stored():
    """Of a long recursion of which only the end is used no more than the end is kept."""
    x = scan(lambda x, a: pt.cos(a * x), outputs_info=[B], non_sequences=[A], n_steps=10_000)
    program = compile_program([A, B], [x[-1]])
    assert program.work_size < 10
    expected = 0.3
    for _ in range(10_000):
        expected = np.cos(0.9 * expected)
    assert program(np.array([0.9, 0.3]))[1][0] == pytest.approx(expected, rel=1e-12)


def test_a_loop_that_stops_on_a_condition_gives_its_last_value():
    """Such a loop is left to PyTensor; of its whole trace no length is known."""

    def step(x, a):
        return a * x, until(a * x < 0.1)

    x = scan(step, outputs_info=[B], non_sequences=[A], n_steps=50)
    program = compile_program([A, B], [x[-1]])
    assert program(np.array([0.8, 1.0]))[1][0] == pytest.approx(0.8**11, rel=1e-12)
    with pytest.raises(BackendError, match=r"Scan.*backend="):
        compile_program([A, B], [x.sum()])
