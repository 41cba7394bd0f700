"""Elementwise operations and reductions give the values of PyTensor's NumPy implementation.

Answers: PyTensor's implementation in NumPy, node by node.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

from tests.graphs.backends.numba.programs import RNG, B, J, K, M, S, T, U, X, check, label

I8 = K.astype("int8")

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
