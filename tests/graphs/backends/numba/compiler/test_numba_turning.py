"""What is turned so that its inner loop is the longer one has the values and gradients of NumPy.

Answers: PyTensor's implementation in NumPy, node by node.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.elemwise import Elemwise

from graphs.backends.numba import compile_program
from graphs.backends.numba.compiler.prepare import rewritten
from graphs.backends.numba.compiler.turning import turn

rng = np.random.default_rng(1)
N, K = 40, 3
SEEN = rng.integers(0, 2, size=(N, K))
u, v, s, whole = pt.tensor("u", shape=(N,)), pt.tensor("v", shape=(K,)), pt.scalar("s"), pt.tensor("w", shape=(N, K))
VALUES = {"u": rng.normal(size=N), "v": rng.normal(size=K), "s": np.array(0.7), "w": rng.normal(size=(N, K))}
BOTH = s * u[:, None] - v[None, :]
GRAPHS = {
    "likelihood": (SEEN * BOTH - pt.softplus(BOTH)).sum(),
    "rows": (pt.exp(BOTH).sum(axis=1) * u).sum(),
    "columns": (pt.sqr(BOTH).sum(axis=0) * v).sum(),
    "largest": pt.max(BOTH, axis=1).sum() + pt.max(BOTH, axis=0).sum() - pt.min(BOTH),
    "products": pt.log(pt.abs(pt.prod(BOTH / 2.0, axis=1))).sum(),
    "switch": pt.switch(pt.gt(BOTH, 0.2), BOTH, pt.as_tensor(SEEN)).sum(),
    "mean and spread": ((BOTH - BOTH.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).sum(),
    "softmax": (pt.special.log_softmax(BOTH, axis=1) * SEEN).sum(),
    "beside a matrix": (SEEN * BOTH * whole).sum() + (pt.exp(BOTH) * SEEN).sum(),
    "read as it lies": pt.sum((pt.exp(BOTH) * SEEN)[3]) + pt.exp(BOTH).sum(),
    "product of matrices": pt.dot(pt.exp(BOTH), v).sum(),
    "constant along rows": (pt.exp(u)[:, None] * np.ones((N, K))).sum(),
}


def _arguments(graph):
    variables = [x for x in (u, v, s, whole) if x in pytensor.graph.traversal.graph_inputs([graph])]
    return variables, [VALUES[x.name] for x in variables]


@pytest.mark.parametrize("name", GRAPHS)
def test_values_and_gradients(name):
    """Against PyTensor's own evaluation by NumPy, operation by operation."""
    graph = GRAPHS[name]
    variables, values = _arguments(graph)
    gradients = pytensor.grad(graph, variables)
    program = compile_program(variables, gradients, value=graph)
    value, out = program(np.concatenate([np.ravel(x) for x in values]))
    expected = pytensor.function(variables, [graph, *gradients], mode=pytensor.compile.Mode("py", None))(*values)
    assert value == pytest.approx(float(expected[0]), rel=1e-12)
    np.testing.assert_allclose(out, np.concatenate([np.ravel(x) for x in expected[1:]]), rtol=1e-11, atol=1e-11)


def _shapes(graph, turned):
    variables, _ = _arguments(graph)
    fgraph = rewritten(variables, [graph])
    if turned:
        turn(fgraph)
    return {node.outputs[0].type.shape for node in fgraph.apply_nodes if isinstance(node.op, Elemwise)}


@pytest.mark.parametrize("name", ["likelihood", "rows", "columns", "switch"])
def test_the_longer_axis_is_the_last(name):
    assert (N, K) in _shapes(GRAPHS[name], turned=False)
    assert (N, K) not in _shapes(GRAPHS[name], turned=True)
    assert (K, N) in _shapes(GRAPHS[name], turned=True)


@pytest.mark.parametrize("name", ["product of matrices", "read as it lies"])
def test_what_others_read_stays(name):
    assert (N, K) in _shapes(GRAPHS[name], turned=True)
