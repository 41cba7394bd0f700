"""Evaluate graphs for several cases at once, on a first axis, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.replace import _vectorize_node
from pytensor.tensor.basic import ScalarFromTensor, TensorFromScalar
from pytensor.tensor.subtensor import Subtensor, indices_from_subtensor
from pytensor.tensor.variable import TensorVariable


def apply_batched(node: Apply, inputs: Sequence[Variable], count: int) -> Sequence[Variable]:
    """Apply a node to inputs some of which have an additional first axis; return its outputs, with that axis.

    Parameters
    ----------
    node : Apply
        The node.
    inputs : sequence of Variable
        Its inputs as they are, or with a first axis of length ``count``.
    count : int
        Number of cases.

    Raises
    ------
    NotImplementedError
        If it is not known how.
    """
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return node.outputs
    if not any(_is_batched(a, b) for a, b in zip(inputs, node.inputs, strict=True)):
        return node.op.make_node(*inputs).outputs
    if isinstance(node.op, ScalarFromTensor | TensorFromScalar):
        return inputs
    if isinstance(node.op, Subtensor):
        return [_indexed(node, inputs, count)]
    batched = _vectorize_node(node.op, node, *inputs)
    return batched.outputs if isinstance(batched, Apply) else batched


def _is_batched(now: Variable, before: Variable) -> bool:
    return getattr(now.type, "ndim", 0) != getattr(before.type, "ndim", 0)


def _indexed(node: Apply, inputs: Sequence[Variable], count: int) -> Variable:
    """Index by one position per case."""
    array, *indices = inputs
    entries = indices_from_subtensor(list(indices), node.op.idx_list)
    for entry in entries:
        bounds = (entry.start, entry.stop, entry.step) if isinstance(entry, slice) else ()
        if any(isinstance(b, Variable) and getattr(b.type, "ndim", 0) for b in bounds):
            raise NotImplementedError("slices of different lengths")
    if _is_batched(array, node.inputs[0]):
        if not any(isinstance(e, Variable) and getattr(e.type, "ndim", 0) for e in entries):
            return array[(slice(None), *entries)]
        return array[(np.arange(count), *entries)]
    before = next(i for i, e in enumerate(entries) if not isinstance(e, slice))
    num_arrays = sum(getattr(getattr(entry, "type", None), "ndim", 0) > 0 for entry in entries)
    result = array[tuple(_as_slice(entry, count) if num_arrays == 1 else entry for entry in entries)]
    return pt.moveaxis(result, before, 0) if before else result


def _as_slice(entry: Any, count: int) -> Any:
    """Return positions that follow each other as a slice."""
    if not isinstance(entry, Constant) or np.ndim(entry.data) != 1 or count < 2:
        return entry
    first = int(entry.data[0])
    follow = first >= 0 and np.array_equal(entry.data, np.arange(first, first + count))
    return slice(first, first + count) if follow else entry


def batch_graph(output: Variable, leaves: Mapping[Variable, Variable], count: int) -> Variable:
    """Return a graph with some of its variables replaced by ones that have an additional first axis.

    Parameters
    ----------
    output : Variable
        The graph.
    leaves : mapping of Variable to Variable
        What to replace, and by what; those that are the same in all cases have no additional axis.
    count : int
        Number of cases.
    """
    done: dict[Variable, Variable] = dict(leaves)
    stack = [output]
    while stack:
        variable = stack[-1]
        node = variable.owner
        if variable in done or node is None:
            done.setdefault(variable, variable)
            stack.pop()
            continue
        missing = [i for i in node.inputs if i not in done]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        inputs = [done[i] for i in node.inputs]
        is_new = [leaves.get(i, i) is not i or done[i] is not i for i in node.inputs]
        outputs = apply_batched(node, inputs, count) if any(is_new) else node.outputs
        done.update(zip(node.outputs, outputs, strict=True))
    return done[output]


def aligned_parameter(stacked: Variable, original: Variable, ndim: int) -> Variable:
    """Put new axes between that of the cases and the parameter's own, so that it broadcasts against the value.

    Parameters
    ----------
    stacked : Variable
        The parameter, with an axis for the cases if it differs between them.
    original : Variable
        The parameter of one case.
    ndim : int
        Number of axes that a parameter of one case has at most.
    """
    assert isinstance(stacked, TensorVariable)
    assert isinstance(original, TensorVariable)
    missing = ndim - original.type.ndim
    if stacked.type.ndim == original.type.ndim or missing <= 0:
        return stacked
    order: list[Any] = [0, *["x"] * missing, *range(1, stacked.type.ndim)]
    return stacked.dimshuffle(order)
