"""Elements of arrays that are put together again: the array, or a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import ancestors
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorVariable

from graphs.rolling.products import FEWEST_PRODUCTS, with_products
from graphs.surgery.rebuilding import rebuild, substitute

type Places = Mapping[Variable, tuple[TensorVariable, int]]
"""Of variables that are elements of an array along its first axis, the array, and which element."""


def with_elements(
    graphs: Sequence[Variable], elements: Places, others: Mapping[Variable, Variable] | None = None
) -> list[Variable]:
    """Put elements of arrays in the place of variables; where all are put together again, that is the array.

    Parameters
    ----------
    graphs : sequence of Variable
        In which variables are replaced.
    elements : mapping of Variable to (TensorVariable, int)
        The variables, with an array for each, and its place along the first axis.
    others : mapping of Variable to Variable, optional
        Further variables, and what is put in their place.

    Examples
    --------
    >>> x, y = pt.dscalars("x", "y")
    >>> array = pt.dvector("array")
    >>> [graph] = with_elements([pt.stack([x, y])], {x: (array, 0), y: (array, 1)})
    >>> graph.eval({array: [1.0, 2.0, 3.0]})
    array([1., 2.])
    """
    others = others or {}
    needed = [v for v in ancestors(list(graphs), blockers=[*elements, *others]) if v in elements]
    # Most are put together with others: an index for each would take longer than all else.
    known: dict[Variable, Variable] = {
        v: elements[v][0].type.clone(shape=elements[v][0].type.shape[1:])() for v in needed
    }
    places = {known[v]: elements[v] for v in needed}
    memo = rebuild(graphs, lambda node, inputs: _put_together(node, inputs, places), {**others, **known})
    new = [memo.get(graph, graph) for graph in graphs]
    new = with_products(new, places) if len(places) >= FEWEST_PRODUCTS else new
    left = [v for v in ancestors(new) if v in places]
    return substitute(new, {v: places[v][0][places[v][1]] for v in left}) if left else new


def _put_together(node: Apply, inputs: Sequence[Variable], places: Places) -> list[Variable] | None:
    """Return what stacks elements of arrays as parts of these."""
    rows, parts = stacked(node.op, inputs)
    if not any(part in places for part in parts):
        return None
    [out] = node.outputs
    joined = below_each_other(parts, places, rows)
    return [joined if joined.type.dtype == out.type.dtype else pt.cast(joined, out.type.dtype)]


def stacked(op: Op, inputs: Sequence[Variable]) -> tuple[list[Variable], list[Variable]]:
    """Return what an operation joins along the first axis, and what stands in each row; nothing if it does not.

    What is no row, but a vector that is joined along its own axis, stands for itself by a new variable.
    """
    if isinstance(op, MakeVector):
        return list(inputs), list(inputs)
    if isinstance(op, Join) and op.axis == 0:
        parts = [_without_first_axis(row) for row in inputs]
        return list(inputs), [row.type() if part is row else part for row, part in zip(inputs, parts, strict=True)]
    return [], []


def _without_first_axis(variable: Variable) -> Variable:
    """Return x of ``x[None]``."""
    node = variable.owner
    if node is None or not isinstance(node.op, DimShuffle):
        return variable
    [x] = node.inputs
    return x if node.op.new_order == ("x", *range(x.type.ndim)) else variable


def below_each_other(
    parts: Sequence[Variable], places: Places, rows: Sequence[Variable] | None = None
) -> TensorVariable:
    """Stack variables along a new first axis; those that are elements of an array are taken from it together.

    Parameters
    ----------
    parts : sequence of Variable
        What is stacked.
    places : mapping of Variable to (TensorVariable, int)
        Of some parts, the array of which they are an element, and which.
    rows : sequence of Variable, optional
        What is joined along the first axis in the place of parts that are no elements; all others are scalars then.
    """
    runs: list[tuple[TensorVariable | None, list[int]]] = []
    for k, part in enumerate(parts):
        array, index = places.get(part, (None, k))
        if not runs or runs[-1][0] is not array:
            runs.append((array, []))
        runs[-1][1].append(index)
    pieces = [
        _joined([parts[k] for k in indices], None if rows is None else [rows[k] for k in indices])
        if array is None
        else _rows(array, indices)
        for array, indices in runs
    ]
    return pieces[0] if len(pieces) == 1 else pt.concatenate(pieces, axis=0)


def _joined(parts: Sequence[Variable], rows: Sequence[Variable] | None) -> TensorVariable:
    if rows is None or all(row is part and row.type.ndim == 0 for row, part in zip(rows, parts, strict=True)):
        return pt.stack(list(parts))
    return pt.concatenate(list(rows), axis=0)


def _rows(array: TensorVariable, indices: Sequence[int]) -> TensorVariable:
    first, count = indices[0], len(indices)
    if list(indices) == list(range(first, first + count)):
        return array if count == array.type.shape[0] else array[first : first + count]
    return array[np.array(indices)]
