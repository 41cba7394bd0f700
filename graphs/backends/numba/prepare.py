"""From a user's graph to one that code can be generated from: rewritten, without inner graphs, of static shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode
from pytensor.compile.rewriting import inline_ofg_node
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import applys_between, graph_inputs
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.symbolic import TensorSymbolicOp
from pytensor.tensor.type import TensorType

from graphs.backends.numba.values import Shape
from graphs.errors import BackendError

REWRITES = RewriteDatabaseQuery(
    include=["fast_run"],
    exclude=["inplace", "fusion", "BlasOpt", "cxx_only", "local_careduce_fusion", "scan_reduce_trace_prealloc"],
)
"""PyTensor's rewrites without those that make sense only for its own linkers: memory reuse, fusion, BLAS."""


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
    _check_closed(inputs, outputs)
    # Generators that the caller does not name need no order of their own: a program has one.
    generators = [v for v in graph_inputs(outputs, inputs) if isinstance(v.type, RandomType) and v not in set(inputs)]
    fgraph = FunctionGraph([*inputs, *generators], outputs, clone=True)
    # PyTensor's rewrites know its own symbolic functions, such as logsumexp: those are expanded after the first pass,
    # and stabilised no more, since each pass would subtract the maximum again.
    _inline_graphs(fgraph, keep=(TensorSymbolicOp,))
    fgraph = _single_precision_as_double(fgraph)
    Mode("py", REWRITES).optimizer.rewrite(fgraph)
    if _inline_graphs(fgraph):
        Mode("py", REWRITES.excluding("stabilize", "local_log_sum_exp")).optimizer.rewrite(fgraph)
        _inline_graphs(fgraph)
    return fgraph


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
        outputs = clone_replace(fgraph.outputs, replacements, rebuild_strict=False)
    except TypeError:
        # An operation insists on single precision. Its constants are then folded in that; all else is double anyway.
        return fgraph
    return FunctionGraph(fgraph.inputs, outputs, clone=True)


def _inline_graphs(fgraph: FunctionGraph, keep: tuple[type, ...] = ()) -> bool:
    """Replace every node that holds a graph by that graph; return whether there was one."""
    found = False
    while nodes := [n for n in fgraph.toposort() if isinstance(n.op, OpFromGraph) and not isinstance(n.op, keep)]:
        found = True
        for node in nodes:
            replacements = zip(node.outputs, inline_ofg_node(node), strict=True)
            fgraph.replace_all(
                [(old, new) for old, new in replacements if fgraph.clients.get(old)],
                import_missing=True,
                reason="inline",
            )
    return found


def static_shapes(fgraph: FunctionGraph) -> dict[Variable, Shape]:
    """Return the shape of every tensor variable, found by running the graph once where its type does not tell.

    Raises
    ------
    BackendError
        If the shape of an input is unknown.
    """
    shapes: dict[Variable, Shape] = {}
    unknown: list[Variable] = []
    for variable in _tensors(fgraph):
        shape = variable.type.shape
        if None in shape:
            unknown.append(variable)
        else:
            shapes[variable] = tuple(int(n) for n in shape)
    if unknown:
        observed, *others = (_observed_shapes(fgraph, unknown, example) for example in _EXAMPLES)
        for variable in unknown:
            if any(other[variable] != observed[variable] for other in others):
                operation = variable.owner.op if variable.owner is not None else variable
                raise BackendError(
                    "The Numba backend needs shapes that do not depend on values, as where a mask selects, but that of "
                    f'{operation} does. Fix it with pytensor.tensor.specify_shape, or use backend="c".',
                    "numba",
                    str(operation),
                )
        shapes.update(observed)
    return shapes


def _tensors(fgraph: FunctionGraph) -> list[Variable]:
    """Return all tensor variables of a graph."""
    nodes = fgraph.toposort()
    variables = [*fgraph.inputs, *(v for node in nodes for v in (*node.inputs, *node.outputs)), *fgraph.outputs]
    return [v for v in dict.fromkeys(variables) if hasattr(v.type, "broadcastable")]


# Shapes that differ between these depend on values.
_EXAMPLES = (1, 0, 2)


def _observed_shapes(fgraph: FunctionGraph, unknown: Sequence[Variable], example: int) -> dict[Variable, Shape]:
    """Run the ancestors of variables of unknown shape on inputs that are full of one example value."""
    values: dict[Variable, Any] = {}
    for variable in fgraph.inputs:
        if isinstance(variable.type, RandomType):
            values[variable] = np.random.default_rng(0)
        elif None in variable.type.shape:
            raise BackendError(
                f"The shape of {variable.name or variable} is unknown ({variable.type.shape}); give it a static shape.",
                "numba",
            )
        else:
            values[variable] = np.full(variable.type.shape, example, dtype=variable.type.dtype)
    needed = set(applys_between(fgraph.inputs, unknown))
    for node in fgraph.toposort():
        if node in needed:
            _run(node, values)
    return {variable: tuple(np.shape(_known(variable, values))) for variable in unknown}


def _known(variable: Variable, values: dict[Variable, Any]) -> Any:
    """Return the example value of a variable."""
    return variable.data if isinstance(variable, Constant) else values[variable]


def _run(node: Apply, values: dict[Variable, Any]) -> None:
    """Compute a node on example values; where that fails, any value of the right shape will do."""
    inputs = [_known(variable, values) for variable in node.inputs]
    if isinstance(node.op, CheckAndRaise):
        values[node.outputs[0]] = inputs[0]
        return
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    try:
        with np.errstate(all="ignore"):
            node.op.perform(node, inputs, storage)
    except Exception as error:
        for variable, cell in zip(node.outputs, storage, strict=True):
            if None in getattr(variable.type, "shape", (None,)):
                raise BackendError(
                    f"The Numba backend cannot tell the shape of the result of {node.op}; fix it with "
                    "pytensor.tensor.specify_shape.",
                    "numba",
                    str(node.op),
                ) from error
            cell[0] = np.ones(variable.type.shape, dtype=variable.type.dtype)
    values.update({variable: cell[0] for variable, cell in zip(node.outputs, storage, strict=True)})
