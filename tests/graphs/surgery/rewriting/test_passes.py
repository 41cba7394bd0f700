"""PyTensor's rewrites, looked up once, do what they do when they are looked up each time.

Answers: graphs that PyTensor rewrote.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode, optdb
from pytensor.graph.basic import equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import SequentialGraphRewriter, dfs_rewriter, node_rewriter
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.scalar.basic import UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.special import softmax
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rewriting.passes import Passes


def _sum_by_loop() -> TensorVariable:
    totals = pytensor.scan(lambda a, total: total + a, [x], [pt.constant(np.zeros(()))], return_updates=False)
    return totals[-1]


def _misfit() -> TensorVariable:
    design = np.random.default_rng(1).normal(size=(5, 3))
    return -0.5 * pt.sum(((np.arange(5.0) - pt.dot(design, x)) / pt.exp(m[0, 0])) ** 2) - pt.sum(x**2 / 3)


QUERY = RewriteDatabaseQuery(include=["fast_run"], exclude=["inplace", "fusion", "BlasOpt", "cxx_only"])
x, m = pt.dvector("x"), pt.dmatrix("m")
GRAPHS: dict[str, Callable[[], TensorVariable]] = {
    "elements": lambda: pt.log(1 + pt.exp(x)) * 2 / x,
    "parts of a product": lambda: pt.dot(m, m.T)[1:3, 0],
    "a diagonal": lambda: pt.diagonal(pt.diag(x) + 0.0).sum(),
    "a written element": lambda: pt.set_subtensor((x * 1)[2], 0.0)[2:],
    "a symbolic function": lambda: pt.logsumexp(x - 1.0),
    "a loop": _sum_by_loop,
    "products with diagonals": lambda: pt.dot(pt.diag(x), m) @ pt.diag(m[0]) + pt.eye(3),
    "the choice of columns": lambda: m @ pt.eye(3)[:, np.array([2, 0])],
    "a product with itself": lambda: pt.linalg.cholesky(m @ m.T + pt.diag(pt.exp(x))),
    "the slope of a regression": lambda: pytensor.grad(_misfit(), x),
    "slopes of slopes": lambda: pytensor.grad((pytensor.grad(_misfit(), x) * m[0]).sum(), x),
    "constants by way of others": lambda: x * pt.exp(pt.constant(np.arange(3.0)) + 1).sum(),
    "a gradient": lambda: pytensor.grad(pt.sum(softmax(m[0]) * m[1]), m),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_become_those_of_pytensor(name: str) -> None:
    """Whatever was rewritten before, and again."""
    passes = Passes(lambda: Mode("py", QUERY).optimizer)
    graph = GRAPHS[name]()
    expected = FunctionGraph([x, m], [graph], clone=True)
    Mode("py", QUERY).optimizer.rewrite(expected)
    for other in (*GRAPHS.values(), lambda: graph):
        found = FunctionGraph([x, m], [other()], clone=True)
        passes.rewrite(found)
    assert equal_computations(found.outputs, expected.outputs, found.inputs, expected.inputs)


class Doubled(UnaryScalarOp):
    """Twice a number."""

    def impl(self, x: float) -> float:
        """Return the value."""
        return 2 * x


@contextmanager
def _registered(rewrite: object) -> Iterator[None]:
    canonicalize = optdb["canonicalize"]
    canonicalize.register("of a test", rewrite, "fast_run")
    try:
        yield
    finally:
        canonicalize.remove_tags("of a test", "fast_run")


def test_rewrites_that_are_registered_later_are_applied() -> None:
    """Libraries register their own when they are imported."""
    doubled = Elemwise(Doubled(upgrade_to_float))
    passes = Passes(lambda: Mode("py", QUERY).optimizer)
    before = FunctionGraph([x], [doubled(x)], clone=True)
    passes.rewrite(before)

    @node_rewriter([doubled])
    def as_sum(fgraph: FunctionGraph, node: object) -> list[TensorVariable]:
        return [node.inputs[0] + node.inputs[0]]

    with _registered(as_sum):
        after = FunctionGraph([x], [doubled(x)], clone=True)
        passes.rewrite(after)
    assert [type(f.outputs[0].owner.op.scalar_op) is Doubled for f in (before, after)] == [True, False]


def test_nothing_is_kept_of_a_graph() -> None:
    """A loop holds data."""
    passes = Passes(lambda: optdb.query(RewriteDatabaseQuery(include=["canonicalize"])))
    op = Elemwise(Doubled(upgrade_to_float, name=f"own {np.random.default_rng(0).integers(10**9)}"))
    fgraph = FunctionGraph([x], [op(x)], clone=True)
    passes.rewrite(fgraph)
    kept = weakref.ref(op)
    del op, fgraph
    gc.collect()
    assert kept() is None


def test_a_rewrite_that_fails_leaves_the_graph_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    @node_rewriter([Elemwise])
    def fails(fgraph: FunctionGraph, node: object) -> list[TensorVariable]:
        raise OverflowError("on purpose")

    passes = Passes(lambda: SequentialGraphRewriter(dfs_rewriter(fails)))
    graph = FunctionGraph([x], [pt.exp(x)], clone=True)
    passes.rewrite(graph)
    assert not caplog.records
    assert equal_computations(graph.outputs, [pt.exp(x)], graph.inputs, [x])
    with pytensor.config.change_flags(on_opt_error="raise"), pytest.raises(OverflowError):
        passes.rewrite(graph)
