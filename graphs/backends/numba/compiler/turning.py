"""Loops over arrays of two axes, of which the inner one is to be the longer.

What is computed in an inner loop of five or thirty elements is hardly vectorised, or its remainder is not: a likelihood
of 1000 persons by 5 items took six times as long as one of 5 items by 1000 persons, which is the same. Where such an
array is made of vectors and data alone and only summed up, nobody sees on which axis it lies.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise

LONGEST_ROW = 64
"""Longer rows are vectorised as they are: sums over 20,000 rows of 100 took 1.7 times as long when they were turned, as
their totals do not fit into the cache."""


def turn(fgraph: FunctionGraph) -> None:
    """Exchange the axes of what is longer on the first of two, where only reductions read it.

    Parameters
    ----------
    fgraph : FunctionGraph
        Changed in place; its values are the same up to the order of sums.
    """
    meant = _meant(fgraph)
    if not meant:
        return
    turned: dict[Variable, Variable] = {}
    reductions: list[Apply] = []
    for node in fgraph.toposort():
        if node in meant:
            turned[node.outputs[0]] = node.op(*(turned[i] if i in turned else _turned(i) for i in node.inputs))
        elif isinstance(node.op, CAReduce) and node.inputs[0] in turned:
            reductions.append(node)
    for node in reductions:
        axis = node.op.axis
        op = node.op if axis is None else node.op.clone(axis=tuple(sorted(1 - a for a in axis)))
        fgraph.replace(node.outputs[0], op(turned[node.inputs[0]]), reason="turn", import_missing=True)


def _meant(fgraph: FunctionGraph) -> set[Apply]:
    """Return the operations whose results are to be turned."""
    meant = {node for node in fgraph.apply_nodes if isinstance(node.op, Elemwise) and _is_long(node.outputs)}
    waiting = list(meant)
    while waiting:
        node = waiting.pop()
        if node in meant and not _can_be_turned(fgraph, node, meant):
            meant.remove(node)
            # What it reads and what reads it may have to stay, too.
            waiting += [i.owner for i in node.inputs if i.owner in meant]
            waiting += [client for client, _ in fgraph.clients[node.outputs[0]] if client in meant]
    return meant


def _is_long(outputs: list[Variable]) -> bool:
    shape: tuple[int | None, ...] = getattr(outputs[0].type, "shape", ())
    if len(outputs) > 1 or len(shape) != 2:
        return False
    first, last = shape
    return first is not None and last is not None and 1 < last < min(first, LONGEST_ROW)


def _can_be_turned(fgraph: FunctionGraph, node: Apply, meant: set[Apply]) -> bool:
    """Return whether all that an operation reads can be had turned, and only reductions read it otherwise."""
    [output] = node.outputs
    reads = all(i.owner in meant or isinstance(i, Constant) or 1 in i.type.shape for i in node.inputs)
    return reads and all(client in meant or isinstance(client.op, CAReduce) for client, _ in fgraph.clients[output])


def _turned(variable: Variable) -> Variable:
    """Return a vector or data with exchanged axes."""
    if isinstance(variable, Constant):
        return pt.constant(np.ascontiguousarray(variable.data.T), dtype=variable.type.dtype)
    if variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        inner = variable.owner.inputs[0]
        return inner.dimshuffle(*reversed(variable.owner.op.new_order))
    return variable.dimshuffle(1, 0)
