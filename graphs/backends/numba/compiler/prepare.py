"""From a user's graph to one that code can be generated from: rewritten, without inner graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.gradient import DisconnectedGrad
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import graph_inputs
from pytensor.scalar.basic import Exp, Sub, UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.symbolic import TensorSymbolicOp
from pytensor.tensor.type import TensorType

from graphs.errors import BackendError
from graphs.limits.constants import folded
from graphs.surgery.inlining import inline_graphs
from graphs.surgery.rebuilding import rebuild
from graphs.surgery.rewriting.graph import Graph
from graphs.surgery.rewriting.passes import Passes
from graphs.surgery.traces import FORGET, untraced

REWRITES = RewriteDatabaseQuery(
    include=["fast_run", "scan_save_mem_no_prealloc"],
    exclude=[
        *("inplace", "fusion", "BlasOpt", "cxx_only", "local_careduce_fusion", "scan_reduce_trace_prealloc"),
        "local_greedy_distributor",
        "ofg_inner_graph",
    ],
)
"""PyTensor's rewrites without those that make sense only for its own linkers: memory reuse, fusion, BLAS.

Of a scan's states those that nobody reads are not kept. Products are not multiplied out: without that the gradients of
the regressions and hierarchies of the tests have 6,400 operations where they had 7,400, and are rewritten in 11 s where
it took 14; in a recursion it takes time that grows with the square of its length, and half of all. Graphs that nodes
hold are opened, and then rewritten with all else: they are not rewritten before, each for itself.
"""
_PASSES = Passes(lambda: Mode("py", REWRITES).optimizer)
_LATER_PASSES = Passes(lambda: Mode("py", REWRITES.excluding("stabilize", "local_log_sum_exp")).optimizer)


class ShiftedExp(UnaryScalarOp):
    """The exponential of what its largest element has been subtracted from.

    PyTensor's rewrites do not know it: they would stabilise the sum of such exponentials once more, with a second
    maximum and further exponentials, and their ratios likewise.
    """

    def impl(self, x: float) -> float:
        """Return the value, for constants that are folded."""
        return float(np.exp(x))


SHIFTED_EXP = Elemwise(ShiftedExp(upgrade_to_float, name="shifted_exp"))


def rewritten(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> FunctionGraph:
    """Return the graph after PyTensor's canonicalisation, stabilisation and specialisation.

    Parameters
    ----------
    inputs, outputs : sequence of Variable
        The graph; it is copied. Inputs that it does not use are kept.

    Raises
    ------
    BackendError
        If the graph depends on a variable that is not among the inputs.
    """
    with untraced():
        return _rewritten(inputs, outputs)


def _rewritten(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> FunctionGraph:
    """Return it, whatever is noted of new variables."""
    outputs = folded(outputs)
    _check_closed(inputs, outputs)
    # Generators that the caller does not name need no order of their own: a program has one.
    generators = [v for v in graph_inputs(outputs, inputs) if isinstance(v.type, RandomType) and v not in set(inputs)]
    fgraph = Graph([*inputs, *generators], outputs, clone=True, features=[FORGET])
    # PyTensor's rewrites know its own symbolic functions, such as logsumexp: those are expanded after the first pass,
    # and stabilised no more, since each pass would subtract the maximum again.
    inline_graphs(fgraph, keep=(TensorSymbolicOp,))
    fgraph = _single_precision_as_double(fgraph)
    _exchange(fgraph, _is_shifted_exp, SHIFTED_EXP)
    _PASSES.rewrite(fgraph)
    _exchange(fgraph, lambda node: node.op == SHIFTED_EXP, pt.exp)
    if inline_graphs(fgraph):
        _LATER_PASSES.rewrite(fgraph)
        inline_graphs(fgraph)
    return fgraph


def _is_shifted_exp(node: Apply) -> bool:
    """Whether a node is an exponential of a difference whose shift the gradient takes for a constant."""
    if not (isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Exp)):
        return False
    difference = node.inputs[0].owner
    if difference is None or not isinstance(difference.op, Elemwise) or not isinstance(difference.op.scalar_op, Sub):
        return False
    shift = difference.inputs[1].owner
    while shift is not None and isinstance(shift.op, DimShuffle):
        shift = shift.inputs[0].owner
    return shift is not None and isinstance(shift.op, DisconnectedGrad)


def _exchange(fgraph: FunctionGraph, is_meant: Callable[[Apply], bool], op: Elemwise) -> None:
    """Replace the operation of some nodes."""
    for node in fgraph.toposort():
        if is_meant(node):
            fgraph.replace(node.outputs[0], op(*node.inputs), reason="exchange", import_missing=True)


def _check_closed(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
    """Check that nothing but the inputs, constants and generators is open."""
    given = set(inputs)
    for variable in graph_inputs(outputs, inputs):
        if not isinstance(variable, Constant) and variable not in given and not isinstance(variable.type, RandomType):
            raise BackendError(
                f"The graph depends on {variable.name or variable}, which is not among its inputs; pass it as an input "
                "or replace it by a constant.",
                "numba",
            )


def _single_precision_as_double(fgraph: FunctionGraph) -> FunctionGraph:
    """Replace float32 constants by float64 ones: PyTensor makes 0.25 single, and would fold constants in it."""
    replacements: dict[Variable, Variable] = {
        variable: pt.constant(np.asarray(variable.data, dtype=np.float64))
        for variable in graph_inputs(fgraph.outputs)
        if isinstance(variable, Constant)
        and isinstance(variable.type, TensorType)
        and variable.type.dtype in ("float32", "float16")
    }
    if not replacements:
        return fgraph
    try:
        memo = rebuild(fgraph.outputs, lambda node, inputs: None, replacements)
    except TypeError:
        # An operation insists on single precision. Its constants are then folded in that; all else is double anyway.
        return fgraph
    # Nodes that hold no such number are those of the old graph, which nobody has any more.
    outputs = [memo.get(output, output) for output in fgraph.outputs]
    return Graph(fgraph.inputs, outputs, clone=False, features=[FORGET])
