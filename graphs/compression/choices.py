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
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.compression.restriction import Choices, Restriction, is_partly_never
from graphs.compression.rows import Rows
from graphs.compression.shapes import is_uniform, shape_of

MOST_PARTS = 4
"""Groups of rows that take the same branches: each is a graph of its own, which has to be compiled."""

LEAST_SHARE = 0.2
"""Of the choices, those that groups of rows make as a whole: where they are fewer, most branches stay as they are."""


def chooses_by_data(rows: Rows, variable: TensorVariable) -> bool:
    """Whether data choose between branches anywhere above a variable, or rule some of the rows out."""
    for node in toposort([variable]):
        if not any(rows.is_varying(i) for i in node.inputs):
            continue
        if isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Switch):
            condition = rows.constant(node.inputs[0])
            if condition is not None and not is_uniform(condition.astype(bool)):
                return True
        constants = [rows.constant(i) for i in node.inputs if i.type.dtype == "float64"]
        if any(constant is not None and is_partly_never(constant) for constant in constants):
            return True
    return False


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
    everything = np.arange(int(np.prod(shape)))
    choices = Choices(len(everything), everything)
    Restriction(rows, shape, everything, choices)(variable)
    parts = _parts(choices.found)
    num_made = sum(all(is_uniform(mask[part]) for part in parts) for mask in choices.found)
    if num_made < LEAST_SHARE * len(choices.found):
        return []
    return [(Restriction(rows, shape, part)(variable), len(part)) for part in parts]


def _parts(masks: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.int64]]:
    """Return the rows that take the same branches, by as many of the choices as leave few such groups."""
    parts: list[NDArray[np.int64]] = []
    for mask in masks:
        finer = [each for part in parts or [np.arange(len(mask))] for each in (part[mask[part]], part[~mask[part]])]
        finer = [part for part in finer if len(part)]
        if len(finer) <= MOST_PARTS:
            parts = finer
    return parts
