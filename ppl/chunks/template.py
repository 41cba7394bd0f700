"""The graph of a model with some number of rows in the place of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Alloc
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError, PPLError
from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import rebuild

_SHAPES: dict[type, slice] = {
    RandomVariable: slice(1, 2),
    Alloc: slice(1, None),
    Reshape: slice(1, 2),
    SpecifyShape: slice(1, None),
}
"""Which inputs of operations are lengths."""


def at_rows(
    outputs: Sequence[TensorVariable], inputs: Sequence[TensorVariable], num_rows: int
) -> tuple[list[TensorVariable], dict[TensorVariable, TensorVariable]]:
    """Return graphs with some number of rows.

    Parameters
    ----------
    outputs : sequence of TensorVariable
        Graphs, of random variables too.
    inputs : sequence of TensorVariable
        Inputs with an axis of rows first, of the same length.
    num_rows : int
        The number wanted.

    Returns
    -------
    list of TensorVariable
        The same graphs, of so many rows.
    dict of TensorVariable to TensorVariable
        Their inputs.

    Raises
    ------
    ModelError
        If what stands beside the rows has as many, and is not declared as data.
    """
    length = int(inputs[0].type.shape[0])
    new = {v: named_input(str(v.name), (num_rows, *v.type.shape[1:]), v.type.dtype) for v in inputs}
    replacements: dict[Variable, Variable] = dict(new)
    try:
        memo = rebuild(outputs, _resizing(length, num_rows), replacements)
    except (ValueError, TypeError, NotImplementedError, IndexError) as error:
        if isinstance(error, PPLError):
            raise
        names = ", ".join(str(v.name) for v in inputs)
        raise ModelError(
            f"Beside {names}, read in chunks, stands an array or a variable of {length:,} rows that is none of them "
            f"({' '.join(str(error).split())[:200]}): declare arrays, ppl.Data('x', dask.array.from_array(array)); a "
            "variable for each row cannot be had.",
            str(inputs[0].name),
        ) from error
    return [pt.as_tensor(memo.get(v, v)) for v in outputs], new


def _resizing(length: int, num_rows: int) -> Callable[[Apply, list[Variable]], list[Variable] | None]:
    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if isinstance(node.op, SymbolicRandomVariable):
            return _of_symbolic(node, inputs, length, num_rows)
        kinds = [places for kind, places in _SHAPES.items() if isinstance(node.op, kind)]
        if not kinds or not any(length in getattr(out.type, "shape", ()) for out in node.outputs):
            return None
        resized = list(inputs)
        resized[kinds[0]] = [_resized(i, length, num_rows) for i in inputs[kinds[0]]]
        if all(a is b for a, b in zip(resized, node.inputs, strict=True)):
            return None
        return list(node.op.make_node(*resized).outputs)

    return rewrite


def _resized(variable: Variable, length: int, num_rows: int) -> Variable:
    """Return lengths with the wanted number in the place of that of all rows."""
    if variable.owner is not None and isinstance(variable, TensorVariable) and variable.type.dtype == "int64":
        parts = [_resized(i, length, num_rows) for i in variable.owner.inputs]
        changed = any(a is not b for a, b in zip(parts, variable.owner.inputs, strict=True))
        return variable.owner.op.make_node(*parts).outputs[variable.index] if changed else variable
    if not isinstance(variable, Constant) or not isinstance(variable.data, np.ndarray | np.generic):
        return variable
    data = np.asarray(variable.data)
    if data.dtype.kind not in "iu" or not (data == length).any():
        return variable
    return pt.constant(np.where(data == length, num_rows, data).astype(data.dtype))


def _of_symbolic(node: Apply, inputs: list[Variable], length: int, num_rows: int) -> list[Variable] | None:
    """Make a distribution of others anew: its inner graph has lengths of its own."""
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)) and length not in node.outputs[-1].type.shape:
        return None
    op: Any = node.op
    new = dict(zip(node.inputs, inputs, strict=True))
    parameters = [new[p] for p in op.dist_params(node)]
    size = op.size_param(node)
    arguments = {} if size is None else {"size": _resized(new[size], length, num_rows)}
    made = op.rv_op(*parameters, **arguments)
    return list(made.owner.outputs)
