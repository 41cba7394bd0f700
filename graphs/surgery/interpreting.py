"""Evaluate graphs that are needed once or twice: compiling them would take longer than running them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytensor
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.tensor.elemwise import Elemwise

from graphs.surgery.inlining import inline_graphs
from graphs.surgery.rewriting.passes import Passes
from graphs.surgery.traces import forgetting, untraced

MOST_OPERANDS = 31
"""Of an operation on elements and its result, PyTensor's Python implementation takes 32."""


class OpeningRewriter(GraphRewriter):
    """Makes nodes of a graph such that NumPy evaluates each."""

    def apply(self, fgraph: FunctionGraph) -> None:
        """Open nodes that hold a graph, which gcc would compile for half a second each; split long sums."""
        inline_graphs(fgraph)
        for node in fgraph.toposort():
            op = node.op
            if (
                isinstance(op, Elemwise)
                and len(node.inputs) > MOST_OPERANDS
                and getattr(op.scalar_op, "associative", False)
            ):
                fgraph.replace_all([(node.outputs[0], _nested(op, node.inputs))], reason="opening")


def _nested(op: Elemwise, operands: Sequence[Variable]) -> Variable:
    """Return a sum or product of many as one of a few."""
    while len(operands) > MOST_OPERANDS:
        batches = [operands[i : i + MOST_OPERANDS] for i in range(0, len(operands), MOST_OPERANDS)]
        operands = [batch[0] if len(batch) == 1 else op(*batch) for batch in batches]
    result: Variable = op(*operands)
    return result


# PyTensor's rewrites know some of these nodes, and come first.
INTERPRETED = forgetting(Mode(linker="py", optimizer="fast_compile").register((OpeningRewriter(), 49.0)))
_PASSES = Passes(lambda: INTERPRETED.optimizer)


class _LookedUp(GraphRewriter):
    """The rewrites of `INTERPRETED`, which to look up takes longer than to rewrite."""

    def apply(self, fgraph: FunctionGraph) -> None:
        _PASSES.rewrite(fgraph)


_AT_ONCE = Mode(linker="py", optimizer=_LookedUp())


def without_c() -> AbstractContextManager[Any]:
    """Let PyTensor compile nothing to C: whatever the mode, it does so with the bodies of loops and inner graphs.

    That takes seconds, and a Python loop as long for each thousand steps: it is for what is evaluated once.
    """
    flags: AbstractContextManager[Any] = pytensor.config.change_flags(cxx="")
    return flags


def interpret(inputs: Sequence[Variable], outputs: Any) -> Callable[..., Any]:
    """Return a function of arrays that evaluates graphs node by node in NumPy.

    Parameters
    ----------
    inputs : sequence of Variable
        Inputs; those that are not needed are ignored.
    outputs : Variable or sequence of Variable
        Graphs.
    """
    with untraced():
        function: Callable[..., Any] = pytensor.function(list(inputs), outputs, mode=_AT_ONCE, on_unused_input="ignore")
    return function
