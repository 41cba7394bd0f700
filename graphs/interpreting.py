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

from graphs.inlining import inline_graphs
from graphs.traces import forgetting


class Inlining(GraphRewriter):
    """Evaluates node by node also what nodes hold: PyTensor would let gcc compile it, for half a second each."""

    def apply(self, fgraph: FunctionGraph) -> None:
        """Replace nodes that hold a graph by that graph."""
        inline_graphs(fgraph)


# PyTensor's rewrites know some of these nodes, and come first.
INTERPRETED = forgetting(Mode(linker="py", optimizer="fast_compile").register((Inlining(), 49.0)))


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
    function: Callable[..., Any] = pytensor.function(list(inputs), outputs, mode=INTERPRETED, on_unused_input="ignore")
    return function
