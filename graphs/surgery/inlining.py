"""Nodes that hold a graph: softmax and the like, and functions of people's own."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.compile.builders import OpFromGraph
from pytensor.compile.rewriting import inline_ofg_node
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.blockwise import Blockwise


def inline_graphs(fgraph: FunctionGraph, keep: tuple[type, ...] = ()) -> bool:
    """Replace every node that holds a graph by that graph; return whether there was one.

    Parameters
    ----------
    fgraph : FunctionGraph
        It is changed.
    keep : tuple of type
        Operations that are left as they are.
    """
    found = False
    while nodes := [n for n in fgraph.toposort() if _holds_graph(n.op) and not isinstance(_core(n.op), keep)]:
        found = True
        for node in nodes:
            replacements = zip(node.outputs, _opened(node), strict=True)
            fgraph.replace_all(
                [(old, new) for old, new in replacements if fgraph.clients.get(old)],
                import_missing=True,
                reason="inline",
            )
    return found


def _core(op: Op) -> Op:
    core: Op = op.core_op if isinstance(op, Blockwise) else op
    return core


def _holds_graph(op: Op) -> bool:
    return isinstance(_core(op), OpFromGraph)


def _opened(node: Apply) -> Sequence[Variable]:
    """Return the graph that a node holds, for a batch if it is applied to one."""
    if not isinstance(node.op, Blockwise):
        opened: Sequence[Variable] = inline_ofg_node(node)
        return opened
    core = node.op._create_dummy_core_node(node.inputs)
    batched: Sequence[Variable] = vectorize_graph(
        inline_ofg_node(core), dict(zip(core.inputs, node.inputs, strict=True))
    )
    return batched
