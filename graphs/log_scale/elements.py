"""Single elements of short arrays, as graphs of elements of what the arrays are made of."""

from __future__ import annotations

from functools import reduce
from typing import Any, cast

import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Dot
from pytensor.tensor.subtensor import Subtensor, get_constant_idx
from pytensor.tensor.variable import TensorVariable

LONGEST = 16
"""Elements of longer arrays are taken as they are."""


def indexed(x: Variable) -> tuple[TensorVariable, int] | None:
    """Return the short vector and the place of an element of it; None for what is no single element.

    Examples
    --------
    >>> v = pt.dvector("v", shape=(3,))
    >>> indexed(v[-1])
    (v, 2)
    """
    if x.owner is None or not isinstance(x.owner.op, Subtensor) or x.type.ndim or x.owner.inputs[0].type.ndim != 1:
        return None
    vector, length = pt.as_tensor(x.owner.inputs[0]), length_of(x.owner.inputs[0])
    [index] = get_constant_idx(x.owner.op.idx_list, x.owner.inputs, allow_partial=True)
    if length is None or isinstance(index, Variable) or not -length <= int(index) < length:
        return None
    return vector, int(index) % length


def length_of(vector: Variable) -> int | None:
    """Return the length of a short vector; None of a long one, or one of unknown length."""
    [length] = vector.type.shape
    return length if length is not None and length <= LONGEST else None


def vectors_of_product(x: Variable) -> list[TensorVariable] | None:
    """Return the two vectors of a scalar product as PyTensor writes it; None for what is none.

    Examples
    --------
    >>> v, w = pt.dvectors("v", "w")
    >>> vectors_of_product(pt.dot(v, w))
    [v, w]
    """
    if x.type.ndim:
        return None
    while x.owner is not None and isinstance(x.owner.op, DimShuffle):
        x = x.owner.inputs[0]
    if x.owner is None or not isinstance(x.owner.op, Dot):
        return None
    return [_as_vector(pt.as_tensor(i)) for i in x.owner.inputs]


def _as_vector(row: TensorVariable) -> TensorVariable:
    """Return the vector of which a matrix of one row, or of one column, is made."""
    node = row.owner
    if isinstance(row, Constant):
        return pt.constant(row.data.ravel())
    if node is not None and isinstance(node.op, DimShuffle) and node.inputs[0].type.ndim <= 1:
        return node.inputs[0] if node.inputs[0].type.ndim else pt.expand_dims(node.inputs[0], 0)
    if node is not None and isinstance(node.op, Elemwise) and len(node.outputs) == 1:
        return cast(Any, node.op)(*(_as_vector(pt.as_tensor(i)) for i in node.inputs))
    return row.dimshuffle(0 if row.type.broadcastable[1] else 1)


def element_of(vector: TensorVariable, place: int) -> TensorVariable:
    """Return an element of a short vector, of what the vector is made of where that is known.

    Examples
    --------
    >>> x, y = pt.dscalars("x", "y")
    >>> element_of(pt.exp(pt.stack([x, y]))[1:], 0).owner.inputs
    [y]
    """
    node = vector.owner
    if node is None or node.outputs[0] is not vector:
        return vector[place]
    if isinstance(node.op, MakeVector):
        return pt.as_tensor(node.inputs[place])
    if isinstance(node.op, Join):
        found = _of_joined(node.inputs, place)
        return vector[place] if found is None else found
    if isinstance(node.op, Elemwise) and len(node.outputs) == 1:
        inputs = [_of_input(i, 0 if i.type.broadcastable[0] else place) for i in map(pt.as_tensor, node.inputs)]
        return cast(Any, node.op)(*inputs)
    if isinstance(node.op, CumOp) and length_of(node.inputs[0]) is not None:
        parts = [element_of(pt.as_tensor(node.inputs[0]), k) for k in range(place + 1)]
        return reduce(pt.mul if node.op.mode == "mul" else pt.add, parts)
    if isinstance(node.op, Subtensor):
        return _of_slice(vector, place)
    return vector[place]


def _of_input(vector: TensorVariable, place: int) -> TensorVariable:
    if isinstance(vector, Constant):
        return pt.constant(vector.data[place])
    return element_of(vector, place)


def _of_joined(parts: list[Variable], place: int) -> TensorVariable | None:
    for part in map(pt.as_tensor, parts):
        length = length_of(part)
        if length is None:
            return None
        if place < length:
            return _of_input(part, place)
        place -= length
    return None


def _of_slice(vector: TensorVariable, place: int) -> TensorVariable:
    node: Any = vector.owner
    if node.inputs[0].type.ndim != 1 or (length := length_of(node.inputs[0])) is None:
        return vector[place]
    [index] = get_constant_idx(node.op.idx_list, node.inputs, allow_partial=True)
    ends = (index.start, index.stop, index.step) if isinstance(index, slice) else (index,)
    if any(isinstance(end, Variable) for end in ends) or not isinstance(index, slice):
        return vector[place]
    whole = range(length)[index]
    return element_of(pt.as_tensor(node.inputs[0]), whole[place]) if place < len(whole) else vector[place]
