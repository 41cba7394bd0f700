"""What the inner graph of a scan, and the nodes around the scan, look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar.basic import Cast, Identity
from pytensor.tensor.basic import AllocEmpty
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.subtensor import IncSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable


def is_float(variable: Variable) -> bool:
    """Whether a variable holds real numbers."""
    return str(variable.type.dtype).startswith("float")


def until(variables: Sequence[Variable], stop: set[Variable]) -> list[Variable]:
    """Return the ancestors of variables, not looking beyond some."""
    found: dict[Variable, None] = {}
    stack = list(variables)
    while stack:
        variable = stack.pop()
        if variable in found:
            continue
        found[variable] = None
        if variable.owner is not None and variable not in stop:
            stack.extend(i for i in variable.owner.inputs if not isinstance(i.type, RandomType))
    return list(found)


def without_casts(variable: Variable) -> Any:
    """Return what a variable is a cast or a copy of."""
    while (
        variable.owner is not None
        and isinstance(variable.owner.op, Elemwise)
        and isinstance(variable.owner.op.scalar_op, Cast | Identity)
    ):
        variable = variable.owner.inputs[0]
    return variable


def initial_rows(buffer: Variable, count: int) -> Variable:
    """Return the values before the first step."""
    node = buffer.owner
    if node is not None and isinstance(node.op, IncSubtensor) and node.op.set_instead_of_inc:
        base = node.inputs[0].owner
        if base is not None and isinstance(base.op, AllocEmpty):
            rows = node.inputs[1]
            return rows if rows.type.shape[0] == count else pt.specify_shape(rows, (count, *rows.type.shape[1:]))
    return buffer[:count]


def skips(node: Apply, count: int) -> bool:
    """Whether a node drops the values before the first step."""
    if not isinstance(node.op, Subtensor) or len(node.op.idx_list) != 1:
        return False
    [entry] = node.op.idx_list
    if not isinstance(entry, slice) or entry.stop is not None or entry.step is not None or entry.start is None:
        return False
    start = node.inputs[1]
    return isinstance(start, Constant) and int(start.data) == count


def named(variable: TensorVariable, original: Variable) -> TensorVariable:
    """Give a variable the name of another one."""
    if original.name is not None:
        variable.name = original.name
    return variable
