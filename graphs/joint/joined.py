"""Joins whose pieces depend on each other, such as a chain: its first state, and the steps that start from there."""

from __future__ import annotations

from collections.abc import Mapping

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.random_graph import is_random
from graphs.surgery.rebuilding import substitute


def with_known_rows(outcome: TensorVariable, value: Variable) -> TensorVariable:
    """Return a join whose pieces depend on the values of random variables that are rows of it.

    PyMC replaces a piece by its value where others depend on that piece. They may depend on what it is made of:
    ``[first]``, a vector, where the steps start from ``first``.

    Parameters
    ----------
    outcome : TensorVariable
        A join, or anything else, which is returned as it is.
    value : Variable
        Its value.
    """
    node = outcome.owner
    if node is None or not isinstance(node.op, Join):
        return outcome
    values = pt.moveaxis(pt.as_tensor(value), node.op.axis, 0)
    known: dict[Variable, Variable] = {}
    place = 0
    for piece in node.inputs:
        for number, row in enumerate(_rows(piece, node.op.axis)):
            if is_random(row):
                known[row] = pt.cast(values[place + number], row.type.dtype)
        if piece.type.shape[node.op.axis] is None:
            break
        place += piece.type.shape[node.op.axis]
    if not known:
        return outcome
    given = {row: _given(row, known) for row in known}
    pieces = (
        substitute([piece], given if any(row in known for row in _rows(piece, node.op.axis)) else known)[0]
        for piece in node.inputs
    )
    joined: TensorVariable = pt.join(node.op.axis, *pieces)
    return joined


def _rows(piece: Variable, axis: int) -> list[Variable]:
    """Return what a piece of a join is made of, a row each; nothing where it is none of these."""
    node = piece.owner
    if node is None:
        return []
    if isinstance(node.op, MakeVector):
        return list(node.inputs)
    is_row = isinstance(node.op, DimShuffle) and list(node.op.new_order) == [
        *range(axis),
        "x",
        *range(axis, piece.type.ndim - 1),
    ]
    return list(node.inputs) if is_row else []


def _given(row: Variable, known: Mapping[Variable, Variable]) -> Variable:
    """Return a random variable whose parents are values where these are known."""
    node = row.owner
    new = node.clone_with_new_inputs(substitute(node.inputs, known))
    return new.outputs[node.outputs.index(row)]
