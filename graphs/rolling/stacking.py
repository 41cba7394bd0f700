"""What a Python loop computed step by step and then stacked, as one graph of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable

from graphs.rolling.gathering import Places, stacked
from graphs.rolling.rolling import FEWEST, Signatures, Stacker
from graphs.surgery.rebuilding import rebuild


def has_long_stacks(nodes: Iterable[Apply]) -> bool:
    """Whether many things that were computed are stacked."""
    return any(sum(part.owner is not None for part in stacked(node.op, node.inputs)[1]) >= FEWEST for node in nodes)


def with_stacks(graphs: Sequence[Variable], places: Places) -> list[Variable]:
    """Compute rows of the same form together where they are stacked.

    Parameters
    ----------
    graphs : sequence of Variable
        In which stacks are looked for. They have no random variables.
    places : mapping of Variable to (TensorVariable, int)
        Of variables that are elements of an array along its first axis, the array, and which element.

    Examples
    --------
    >>> rate = pt.dscalar("rate")
    >>> [graph] = with_stacks([pt.stack([pt.exp(-rate * float(t)) for t in range(100)])], {})
    >>> len(list(toposort([graph]))) < 10, graph.eval({rate: 0.5}).shape
    (True, (100,))
    """
    if not has_long_stacks(toposort([graph for graph in graphs if graph.owner is not None])):
        return list(graphs)
    signatures = Signatures()
    memo = rebuild(graphs, lambda node, inputs: _together(node, inputs, signatures, places))
    return [memo.get(graph, graph) for graph in graphs]


def _together(node: Apply, inputs: Sequence[Variable], signatures: Signatures, places: Places) -> list[Variable] | None:
    rows, parts = stacked(node.op, inputs)
    if len(parts) < FEWEST:
        return None
    [out] = node.outputs
    pieces: list[Variable] = []
    is_shorter = False
    for _, run in groupby(zip(rows, parts, strict=True), lambda pair: signatures.of_graph(pair[1])):
        own_rows, own_parts = zip(*run, strict=True)
        array = _batched(own_parts, places)
        is_shorter |= array is not None
        # Scalars are joined as they are, arrays as rows that have the first axis.
        pieces += [array] if array is not None else [row if row.type.ndim else row[None] for row in own_rows]
    if not is_shorter:
        return None
    pieces = [pt.cast(piece, out.type.dtype) for piece in pieces]
    return [pieces[0] if len(pieces) == 1 else pt.concatenate(pieces, axis=0)]


def _batched(rows: Sequence[Variable], places: Places) -> TensorVariable | None:
    """Return an array of rows of the same form; None where each is to stay alone."""
    first = rows[0]
    if len(rows) < FEWEST or first.owner is None:
        return None
    # What cannot be vectorised says so in as many ways as there are operations; its rows then stay alone.
    try:
        found = Stacker(len(rows), places).batched(tuple(rows))
    except (NotImplementedError, ValueError, TypeError):
        return None
    has_rows = isinstance(found, TensorVariable) and found.type.ndim == first.type.ndim + 1
    return found if has_rows else None
