"""Sums over rows of which data say which branch of a function they take: each branch is evaluated at its own rows.

A density of censored, inflated, truncated or binary data chooses by data between functions, ``switch(y > 0, f, g)``.
Element by element both are computed for all rows and one is thrown away, with its gradient. The sum over all rows is
that of ``f`` over the rows that take it, and of ``g`` over the others, where each may have sufficient statistics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.scalar.basic as ps
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.compression.restriction import Restriction
from graphs.compression.rows import ELEMENTWISE, Rows
from graphs.compression.shapes import is_uniform, shape_of, size_of
from graphs.surgery.rebuilding import substitute

MOST_PARTS = 4
"""Groups of rows that take the same branches: each is a graph of its own, which has to be compiled."""


def by_branch(rows: Rows, variable: TensorVariable) -> list[tuple[TensorVariable, int]]:
    """Return a variable at the rows that take the same branches, and the number of these rows; nothing without any.

    Parameters
    ----------
    rows : Rows
        What is known of the graph.
    variable : TensorVariable
        Of known shape.
    """
    shape = shape_of(variable)
    switches = _switches(rows, variable)
    masks = [np.broadcast_to(mask, shape).ravel() for _, mask in switches]
    found = []
    for pattern, elements in _parts(masks):
        taken = variable
        for (node, _), is_first in zip(switches, pattern, strict=False):
            # One after the other: branches hold choices further down.
            branch = node.inputs[1 if is_first else 2].astype(node.outputs[0].type.dtype)
            [taken] = substitute([taken], {node.outputs[0]: branch})
        found.append((Restriction(Rows(taken), shape, elements)(taken), len(elements)))
    return found


def _switches(rows: Rows, variable: TensorVariable) -> list[tuple[Apply, NDArray[np.bool_]]]:
    """Return the choices by data on the way from a variable down through operations on elements, topmost first."""
    found: list[tuple[Apply, NDArray[np.bool_]]] = []
    waiting: list[Variable] = [variable]
    seen: set[Variable] = set()
    while waiting:
        each = waiting.pop(0)
        if each in seen or each.owner is None or rows.constant(each) is not None:
            continue
        seen.add(each)
        node = each.owner
        if not isinstance(node.op, ELEMENTWISE) or size_of(each) is None:
            continue
        is_choice = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Switch)
        condition = _condition(rows, node) if is_choice else None
        if condition is not None and not is_uniform(condition):
            found.append((node, condition))
        waiting += node.inputs
    return found


def _condition(rows: Rows, node: Apply) -> NDArray[np.bool_] | None:
    constant = rows.constant(node.inputs[0])
    return None if constant is None else constant.astype(bool)


def _parts(masks: Sequence[NDArray[np.bool_]]) -> list[tuple[tuple[bool, ...], NDArray[np.int64]]]:
    """Return the rows that take the same branches, by as many of the choices as leave few such groups."""
    parts: list[tuple[tuple[bool, ...], NDArray[np.int64]]] = []
    for count in range(1, len(masks) + 1):
        patterns, where = np.unique(np.stack(masks[:count]), axis=1, return_inverse=True)
        if patterns.shape[1] > MOST_PARTS:
            break
        parts = [(tuple(map(bool, p)), np.flatnonzero(where.ravel() == i)) for i, p in enumerate(patterns.T)]
    return parts
