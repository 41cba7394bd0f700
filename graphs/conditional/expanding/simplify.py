"""Simplify the graphs of parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Constant, Variable, clone_get_equiv
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import WalkingGraphRewriter, node_rewriter
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import graph_inputs
from pytensor.scalar.basic import Second
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.rewriting.math import local_sum_prod_of_mul_or_div
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.evaluating import evaluate
from graphs.surgery.rewriting.graph import Graph
from graphs.surgery.rewriting.passes import Passes
from graphs.surgery.traces import FORGET

_LARGEST_FOLDED = 100_000
_CANONICALIZE = Passes(lambda: optdb.query(RewriteDatabaseQuery(include=["canonicalize"])))


@node_rewriter([Elemwise])
def _fill_by_shape(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Replace an array that is filled by the value, repeated where its shape is not that of the array."""
    if not isinstance(node.op.scalar_op, Second) or None in node.outputs[0].type.shape:
        return None
    value = node.inputs[1]
    if value.type.dtype != node.outputs[0].type.dtype:
        return None
    shape = node.outputs[0].type.shape
    if isinstance(value, Constant) and np.prod(shape, dtype=int) <= _LARGEST_FOLDED:
        # An Alloc of a constant would be left to PyTensor to fold, which takes C's digamma: good to 1e-9 only.
        return [pt.constant(np.broadcast_to(value.data, shape).copy())]
    return [value if value.type.shape == shape else pt.alloc(value, *shape)]


_factor_out = WalkingGraphRewriter(local_sum_prod_of_mul_or_div, order="out_to_in")
_fill = WalkingGraphRewriter(_fill_by_shape, order="in_to_out")


def simplify(outputs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Canonicalize graphs, on the same inputs and without changing the given ones.

    Factors are taken out of sums, and what depends on data alone is evaluated.
    """
    fgraph = _as_function_graph(outputs)
    # Before PyTensor does: it compiles C code for each operation that it evaluates.
    _fold_data(fgraph)
    _CANONICALIZE.rewrite(fgraph)
    _fill.rewrite(fgraph)
    _factor_out.rewrite(fgraph)
    _fold_data(fgraph)
    return list(fgraph.outputs)


def with_data_folded(outputs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Evaluate what depends on data alone; all else stays as it is."""
    fgraph = _as_function_graph(outputs)
    _fold_data(fgraph)
    return list(fgraph.outputs)


def _as_function_graph(outputs: Sequence[TensorVariable]) -> FunctionGraph:
    inputs = [i for i in graph_inputs(outputs) if not isinstance(i, Constant)]
    equivalent = clone_get_equiv(inputs, outputs, copy_inputs=False, copy_orphans=False)
    return Graph(inputs, [equivalent[output] for output in outputs], clone=False, features=[FORGET])


def _fold_data(fgraph: FunctionGraph) -> None:
    """Evaluate what depends on constants only; canonicalization leaves writes into constant arrays alone."""
    fixed: set[Variable] = set()
    for node in fgraph.toposort():
        if all(isinstance(i, Constant) or i in fixed for i in node.inputs):
            fixed.update(node.outputs)
    frontier = [
        v
        for v in fixed
        if not isinstance(v.owner.op, Alloc)
        and any(not client.outputs or not set(client.outputs) <= fixed for client, _ in fgraph.clients[v])
    ]
    for variable, value in zip(frontier, _values_of(frontier), strict=True):
        # Broadcast copies of small constants are better left to the loops that read them.
        if value is not None and (value.size <= 1 or value.size <= min(_num_data(variable), _LARGEST_FOLDED)):
            fgraph.replace(variable, pt.constant(value.astype(variable.type.dtype)), import_missing=True)


def _values_of(graphs: Sequence[Variable]) -> list[NDArray | None]:
    """Return the values of graphs of constants, all at once where that can be done; None of those without one."""
    arrays = [v for v in graphs if isinstance(v, TensorVariable)]
    found = evaluate(arrays, {})
    each = found if found is not None else [value[0] if (value := evaluate([v], {})) else None for v in arrays]
    values = dict(zip(arrays, each, strict=True))
    return [values.get(v) for v in graphs]


def _num_data(graph: Variable) -> int:
    """Return how many numbers a graph is made of."""
    return sum(np.size(i.data) for i in graph_inputs([graph]) if isinstance(i, Constant))
