"""Every operation gives the values that PyTensor's NumPy implementation gives."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.raise_op import Assert

from graphs.backends.c import settle_blas
from graphs.backends.numba import compile_program
from graphs.errors import BackendError

settle_blas()
RNG = np.random.default_rng(20240917)
DATA = {
    "x": RNG.normal(size=5),
    "u": RNG.uniform(0.05, 0.95, size=5),
    "m": RNG.normal(size=(3, 4)),
    "t": RNG.normal(size=(2, 3, 4)),
    "s": np.array(0.7),
    "k": np.array([0, 2, 1, 2, 0]),
    "j": np.array(2),
    "b": np.array([True, False, True, True, False]),
}
X, U, M, T, S = (pt.tensor(name, shape=DATA[name].shape, dtype="float64") for name in "xumts")
K = pt.tensor("k", shape=(5,), dtype="int64")
J = pt.tensor("j", shape=(), dtype="int64")
B = pt.tensor("b", shape=(5,), dtype="bool")
INPUTS = [X, U, M, T, S, K, J, B]
I8 = K.astype("int8")


def label(item: object) -> str:
    """Name an operation or expression; without addresses, which differ between test workers."""
    return str(getattr(item, "__name__", None) or item)


def check(*outputs: pt.TensorVariable, rtol: float = 1e-12) -> None:
    """Compare a program with PyTensor's NumPy implementation, without any of its rewrites."""
    program = compile_program(INPUTS, outputs)
    values = [DATA[str(variable.name)] for variable in INPUTS]
    _, out = program(np.concatenate([np.ravel(value).astype(float) for value in values]))
    with np.errstate(all="ignore"):
        expected = pytensor.function(INPUTS, outputs, mode="FAST_COMPILE", on_unused_input="ignore")(*values)
    for got, want in zip(program.unpack(out), expected, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-13)


UNARY = [
    pt.abs,
    pt.neg,
    pt.exp,
    pt.exp2,
    pt.expm1,
    pt.log1p,
    pt.sqr,
    pt.sin,
    pt.cos,
    pt.tan,
    pt.arctan,
    pt.sinh,
    pt.cosh,
    pt.tanh,
    pt.arcsinh,
    pt.sign,
    pt.floor,
    pt.ceil,
    pt.trunc,
    pt.round,
    pt.erf,
    pt.erfc,
    pt.erfcx,
    pt.sigmoid,
    pt.softplus,
    pt.isnan,
    pt.isinf,
    pt.invert,
    pt.gammaln,
    pt.gamma,
    pt.j0,
    pt.i0,
    pt.i1,
]


@pytest.mark.parametrize("operation", UNARY, ids=label)
def test_unary_operations(operation):
    if operation is pt.invert:
        check(operation(B), operation(K))
    else:
        check(operation(X), operation(M), operation(S))


@pytest.mark.parametrize(
    "operation",
    [
        pt.log,
        pt.log2,
        pt.log10,
        pt.sqrt,
        pt.reciprocal,
        pt.arcsin,
        pt.arccos,
        pt.arctanh,
        pt.psi,
        pt.erfinv,
        pt.erfcinv,
        pt.tri_gamma,
    ],
    ids=label,
)
def test_unary_operations_on_the_unit_interval(operation):
    check(operation(U))


def test_arccosh_and_log1mexp():
    check(pt.arccosh(1 + U), pt.log1mexp(-U), pt.log1mexp(-5 * U))


def test_special_functions_of_several_arguments():
    check(
        pt.gammainc(U, 2 * U),
        pt.gammaincc(U, U),
        pt.betainc(U, 2 * U, U),
        pt.kve(U, U + 1),
        pt.ive(U, U + 1),
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    "expression",
    [
        X + U,
        X - U,
        X * U,
        X / U,
        U**X,
        X**2,
        X**3,
        X // U,
        X % U,
        X + S,
        pt.maximum(X, U),
        pt.minimum(X, U),
        pt.arctan2(X, U),
        X < U,
        X <= U,
        pt.eq(X, X),
        pt.neq(X, U),
        X >= U,
        X > S,
        pt.switch(X > 0, X, U),
        pt.switch(B, X, S),
        pt.clip(X, -0.5, 0.5),
        pt.clip(X, -U, U),
        X[:3, None] * M,
        M + M[:1],
        M * M[:, :1],
        T + M,
        T * X[1:5],
        pt.second(X, U),
        pt.logaddexp(X, U),
        pt.special.xlogy(U, X + 3),
        pt.special.xlog1py(X, U),
    ],
    ids=label,
)
def test_binary_operations(expression):
    check(expression)


@pytest.mark.parametrize(
    "expression",
    [
        K + 1,
        K - J,
        K * K,
        K / 2,
        K // 2,
        -K // 2,
        K % 2,
        -K % 2,
        K**2,
        I8 * 100,
        I8 + I8,
        K & J,
        K | 4,
        K ^ 1,
        K < J,
        K + X,
        K * B,
        B + B,
        B & B,
        B | (K > 1),
        B ^ B,
        B.astype("float64") * X,
        ~B,
        -K,
        abs(-K),
        pt.sign(-K),
        pt.sqr(K),
        pt.maximum(K, 1),
        pt.switch(B, K, -K),
        (K > 0).astype("int64"),
        X.astype("int64"),
        (3 * X).astype("int8"),
        K.astype("float32").astype("float64"),
        pt.sqrt(K),
        pt.log(K + 1),
        pt.exp(B.astype("float64")),
        K / K.sum(),
        pt.eq(B, B),
        pt.true_div(K, J),
    ],
    ids=label,
)
def test_integers_and_booleans(expression):
    check(expression)


@pytest.mark.parametrize("reduce", [pt.sum, pt.prod, pt.max, pt.min, pt.mean, pt.var, pt.argmax, pt.argmin])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (0, 2), (1, 2)])
def test_reductions(reduce, axis):
    if reduce in (pt.argmax, pt.argmin) and isinstance(axis, tuple):
        pytest.skip("argmax takes one axis")
    check(reduce(T, axis=axis), reduce(2 * T + 1, axis=axis))


def test_reductions_of_integers_and_booleans():
    check(K.sum(), B.sum(), K.max(), pt.all(B), pt.any(B), (M > 0).sum(axis=0), pt.all(M > -9, axis=1), K.prod())
    check(pt.any(T > 1, axis=(0, 2)), pt.max(K.reshape((5, 1)), axis=1), K[:0].sum(), X[:0].prod(), pt.argmax(K))


def test_reductions_over_long_and_short_dimensions():
    long = pt.as_tensor(RNG.normal(size=(300, 2)))
    check((long * M[:2, 0]).sum(axis=0), (long + M[0, 0]).sum(axis=1), (long.T * S).sum(axis=1), (long * S).max(axis=0))
    wide = pt.as_tensor(RNG.normal(size=(3, 40)))
    check((wide * S).sum(axis=0), (wide * M[:, :1]).sum(axis=0), (wide + wide[:1] * S).max(axis=1))


def test_nan_spreads_through_extrema():
    y = pt.switch(X > 0.5, np.nan, X)
    check(pt.max(y), pt.min(y), pt.maximum(y, 0.0), pt.minimum(0.0, y), pt.maximum(y, y), pt.argmax(y))


def test_division_by_zero_and_logarithm_of_zero():
    zero = X - X
    check(
        S / zero, -S / zero, zero / zero, pt.log(zero), pt.log(zero - 1), pt.sqrt(zero - 1), 1 / (S - S), pt.log(S - S)
    )


def test_constants_that_are_not_finite():
    check(
        pt.switch(X > 0, X, -np.inf), pt.switch(X > 0, np.nan, np.inf), X + pt.as_tensor([1.0, np.inf, 2, 3, -np.inf])
    )


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
        pt.argsort(X),
        pt.outer(X, U),
        pt.specify_shape(X, (5,)),
        pt.expand_dims(M, 1),
        pt.squeeze(M[:1]),
        pt.shape(M),
        pt.moveaxis(T, 0, 2),
        pt.swapaxes(T, 0, 1),
        pt.broadcast_to(X, (3, 5)),
        pt.broadcast_to(X[:, None], (5, 2)) * 2,
        pt.searchsorted(pt.sort(U), X),
        pt.bincount(K, minlength=4),
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


COVARIANCE = pt.eye(3) * 2 + M @ M.T


@pytest.mark.parametrize(
    "expression",
    [
        pt.linalg.cholesky(COVARIANCE),
        pt.linalg.solve_triangular(pt.linalg.cholesky(COVARIANCE), X[:3], lower=True),
        pt.linalg.inv(COVARIANCE),
        pt.linalg.det(COVARIANCE),
        pt.linalg.slogdet(COVARIANCE)[1],
        pt.linalg.solve(COVARIANCE, M),
        pt.linalg.eigh(COVARIANCE)[0],
        pt.linalg.cholesky(pt.stack([COVARIANCE, 2 * COVARIANCE])),
        pt.linalg.svd(M)[1],
        pt.linalg.expm(COVARIANCE / 9),
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
