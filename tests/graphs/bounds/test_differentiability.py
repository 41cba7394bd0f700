"""Variables without a gradient are found, and the operation that has none; the others keep theirs.

Answers: what `pytensor.grad` refuses.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import DisconnectedType, NullTypeGradError, grad_undefined
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy.sparse import csr_matrix

from graphs.bounds.differentiability import without_gradient
from graphs.sparse.ops import SparseFactor
from graphs.sparse.pattern import find_pattern

A, B, C = pt.dscalars("abc")
X = pt.tensor("x", shape=(4,), dtype="float64")


class Opaque(Op):
    """The identity, with a gradient as told."""

    def __init__(self, gradient):
        self.gradient = gradient

    def __str__(self):
        return "Opaque"

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0].copy()

    def pullback(self, inputs, outputs, cotangents):
        return [self.gradient(self, inputs[0], cotangents[0])]


def refuse(op, x, cotangent):
    raise NotImplementedError("not written yet")


BAD = {
    "refused": refuse,
    "undefined": lambda op, x, cotangent: grad_undefined(op, 0, x, "nobody knows"),
    "disconnected": lambda op, x, cotangent: DisconnectedType()(),
    "not a number": lambda op, x, cotangent: pt.constant(np.nan),
    "broken": lambda op, x, cotangent: 1 / 0,
}


@pytest.mark.parametrize("kind", BAD)
def test_operations_of_users(kind):
    found = without_gradient([pt.exp(Opaque(BAD[kind])(A * B)) + C**2, X.sum()], [A, B, C, X])
    assert set(found) == {A, B}
    assert {why.op for why in found.values()} == {"Opaque"}


def test_a_gradient_is_taken_where_there_is_one():
    good = Opaque(lambda op, x, cotangent: cotangent)
    assert without_gradient([good(A) * pt.log(B)], [A, B]) == {}


def test_what_is_only_used_where_nothing_flows_back_needs_no_gradient():
    """A factor of a sparse matrix has none; what is computed from it has one with respect to the matrix."""
    pattern = find_pattern(csr_matrix(np.eye(3) + np.eye(3, k=1) + np.eye(3, k=-1)))
    factor = SparseFactor.of(pt.where(pattern.first == pattern.second, 3.0 + A, B), pattern)
    assert without_gradient([factor.log_determinant()], [A, B]) == {}
    pytensor.grad(factor.log_determinant(), A)
    assert list(without_gradient([factor.log_determinant() + factor.diagonal.sum()], [A])) == [A]
    with pytest.raises(NullTypeGradError):
        pytensor.grad(factor.diagonal.sum(), A)


def test_inside_scans_and_inner_graphs():
    opaque = Opaque(refuse)
    scanned = pytensor.scan(lambda v: opaque(v) + B, outputs_info=A, n_steps=3, return_updates=False)
    inner = pytensor.compile.builders.OpFromGraph([A, C], [opaque(A) * C])
    assert {str(why.op) for why in without_gradient([scanned[-1]], [A, B]).values()} == {"Opaque"}
    assert set(without_gradient([inner(A, B)], [A, B])) == {A, B}
    plain = pytensor.scan(lambda v: v * 2 + B, outputs_info=A, n_steps=3, return_updates=False)
    assert without_gradient([plain[-1]], [A, B]) == {}


EXPRESSIONS = {
    "sort": pt.sort(X),
    "cumprod": pt.cumprod(X),
    "search": pt.searchsorted(X, A) * A,
    "eigh": pt.linalg.eigh(pt.outer(X, X))[0],
    "svd": pt.linalg.svd(pt.outer(X, X), full_matrices=False)[1],
    "full svd": pt.linalg.svd(pt.outer(X, X))[1],
    "qr": pt.linalg.qr(pt.outer(X, X))[0],
    "expm": pt.linalg.expm(pt.outer(X, X)),
    "lu": pt.linalg.lu(pt.outer(X, X))[1],
    "choose": pt.choose(pt.argmax(X), [A, B]),
    "unique": pt.unique(X).sum(),
    "jv": pt.jv(A, X),
    "kv": pt.kv(A, B),
    "gammaincinv": pt.gammaincinv(A, B),
    "owens_t": pt.owens_t(A, B),
    "convolve": pt.signal.convolve1d(X, X),
    "interp": pt.interp(A, np.arange(4.0), X),
    "switch": pt.switch(A > 0, X, B),
    "floor": pt.floor(X) * A,
    "shape": X * X.shape[0],
    "argmax": X[pt.argmax(X)],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_pytensor_cannot_differentiate(name):
    """Exactly the variables with respect to which ``pytensor.grad`` raises."""
    graph = EXPRESSIONS[name].sum()
    failing = set()
    for variable in (A, B, X):
        try:
            pytensor.grad(graph, variable, disconnected_inputs="ignore")
        except (NotImplementedError, NullTypeGradError):
            failing.add(variable)
    assert set(without_gradient([graph], [A, B, X])) == failing
