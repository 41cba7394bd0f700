"""The shape of every variable of a graph: from its type, or by running the graph on examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import applys_between
from pytensor.raise_op import CheckAndRaise
from pytensor.scan.op import Scan
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType

from graphs.backends.numba.compiler.values import Shape
from graphs.errors import BackendError
from graphs.surgery.examples import EXAMPLES, example_array
from graphs.surgery.rebuilding import opened


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
        observed, *others = _all_observed(fgraph, unknown)
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


def has_static_shapes(fgraph: FunctionGraph) -> bool:
    """Whether no shape in a graph depends on values, as that of what a loop draws in rows of growing length."""
    try:
        static_shapes(fgraph)
    except BackendError:
        return False
    return True


def _tensors(fgraph: FunctionGraph) -> list[Variable]:
    """Return all tensor variables of a graph."""
    nodes = fgraph.toposort()
    variables = [*fgraph.inputs, *(v for node in nodes for v in (*node.inputs, *node.outputs)), *fgraph.outputs]
    return [v for v in dict.fromkeys(variables) if hasattr(v.type, "broadcastable")]


def _all_observed(fgraph: FunctionGraph, unknown: Sequence[Variable]) -> list[dict[Variable, Shape]]:
    """Return the shapes on each example on which the graph can be run, one at least."""
    found, failures = [], []
    for example in EXAMPLES:
        try:
            found.append(_observed_shapes(fgraph, unknown, example))
        except BackendError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    return found


def _observed_shapes(
    fgraph: FunctionGraph, unknown: Sequence[Variable], example: float | None
) -> dict[Variable, Shape]:
    """Run the ancestors of variables of unknown shape on inputs that are of one example."""
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
            values[variable] = example_array(example, variable.type.shape, variable.type.dtype)
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
    is_fixed = isinstance(node.op, Scan) and not keeps_steps_until(node.op)
    if is_fixed and has_static_shapes(inner_graph(node, [np.shape(value) for value in inputs])):
        values.update(zip(node.outputs, _scan_examples(node, inputs), strict=True))
        return
    if isinstance(node.op, CheckAndRaise):
        values[node.outputs[0]] = inputs[0]
        return
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    try:
        with np.errstate(all="ignore"):
            node.op.perform(node, inputs, storage)
    except Exception as error:  # any Op may refuse example values in its own way; only their shape matters
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


def keeps_steps_until(op: Scan) -> bool:
    """Whether a scan stops on a condition and keeps all that came before: how much is not known."""
    return bool(op.info.as_while) and op.info.n_untraced_sit_sot < len(op.inner_outputs) - 1


def inner_graph(node: Apply, shapes: Sequence[Shape]) -> FunctionGraph:
    """Return the graph of one step of a scan, its inputs of static shape.

    Parameters
    ----------
    node : Apply
        The scan.
    shapes : sequence of tuple of int
        Shapes of the node's inputs.
    """
    op: Any = node.op
    tapped = zip(op.info.tap_array, shapes[1 + op.info.n_seqs :], strict=False)
    cores = [shape[1:] for shape in op.outer_seqs(shapes)]
    cores += [shape[1:] for taps, shape in tapped for _ in taps]
    cores += [*op.outer_untraced_sit_sot(shapes), *op.outer_non_seqs(shapes)]
    inputs = [
        TensorType(v.type.dtype, core)(name=v.name) if isinstance(v.type, TensorType) else v.type(name=v.name)
        for v, core in zip(op.inner_inputs, cores, strict=True)
    ]
    outputs = opened(op.inner_outputs, dict(zip(op.inner_inputs, inputs, strict=True)))
    return FunctionGraph(inputs, outputs, clone=False)


def _scan_examples(node: Apply, inputs: Sequence[Any]) -> list[Any]:
    """Return values of the shapes that a scan gives: those of its buffers, or a row per step."""
    op: Any = node.op
    fgraph = inner_graph(node, [np.shape(value) for value in inputs])
    shapes = static_shapes(fgraph)
    rows = op.inner_nitsot_outs(fgraph.outputs)
    lengths = op.outer_nitsot(inputs)
    traced = [np.zeros((int(n), *shapes[row]), row.type.dtype) for n, row in zip(lengths, rows, strict=True)]
    states = [*op.outer_mitmot(inputs), *op.outer_mitsot(inputs), *op.outer_sitsot(inputs)]
    return [*states, *traced, *op.outer_untraced_sit_sot(inputs)]
