"""Rewrite the terms of a log-probability to the sufficient statistics of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import graph_inputs, toposort
from pytensor.tensor.variable import TensorVariable

from graphs.compression.choices import chooses_by_data
from graphs.compression.rows import Rows, is_matrix_product
from graphs.compression.shapes import size_of
from graphs.compression.totals import Totals
from graphs.joint.joint_logprob import LogProb
from graphs.optional import optional

FEWEST_ROWS = 16
LEAST_GAIN = 1.5
LEAST_GAIN_OF_BRANCHES = 1.25
"""Less than of statistics: rows that are summed apart are as many, and what they read is gathered for each branch."""
_OVERHEAD = 2


@dataclass(frozen=True)
class Compressed:
    """What became of one term.

    Parameters
    ----------
    name : str
        The term.
    rows : int
        Over which it is a sum.
    numbers : int
        What is kept of the data.
    how : str
        The statistics.
    """

    name: str
    rows: int
    numbers: int
    how: str


def compressed(logprob: LogProb) -> tuple[LogProb, tuple[Compressed, ...]]:
    """Rewrite the terms that are sums over many rows to what they depend on, where that is less.

    The total and its gradient are the same but for rounding; terms that were rewritten are scalars.

    Parameters
    ----------
    logprob : LogProb
        Any.

    Returns
    -------
    LogProb
        The same function.
    tuple of Compressed
        Which terms were rewritten, and how.
    """
    terms, found = dict(logprob.terms), []
    for name, term in logprob.terms.items():
        result = compressed_sum(term)
        if result is not None:
            terms[name], rows, how = result
            found.append(Compressed(name, rows, _num_constants(terms[name]), how))
    return (replace(logprob, terms=terms), tuple(found)) if found else (logprob, ())


@optional("the compression of a term", otherwise=lambda *_: None)
def compressed_sum(term: TensorVariable) -> tuple[TensorVariable, int, str] | None:
    """Return the sum of the elements of a term, the number of rows and how they were compressed; None if they are not.

    Parameters
    ----------
    term : TensorVariable
        A log-probability, element by element.
    """
    rows = Rows(term)
    if not rows.has_known_shapes or rows.size <= FEWEST_ROWS or _num_constants(term) <= FEWEST_ROWS:
        return None
    totals = Totals(rows)
    graph = totals.of(term)
    before = _work(term)
    is_less = before >= LEAST_GAIN * _work(graph) and _num_constants(term) >= LEAST_GAIN * _num_constants(graph)
    apart = _by_branch(rows, term)
    if apart is not None and (_work(graph) if is_less else before) >= LEAST_GAIN_OF_BRANCHES * _work(apart[0]):
        return pt.cast(apart[0], "float64"), rows.size, apart[1]
    return (pt.cast(graph, "float64"), rows.size, totals.how) if is_less else None


@optional("branches at their own rows", otherwise=lambda *_: None)
def _by_branch(rows: Rows, term: TensorVariable) -> tuple[TensorVariable, str] | None:
    """Return the sum with branches that data choose at their own rows, and how; None where data choose none."""
    if not chooses_by_data(rows, term):
        return None
    divided = Totals(rows, is_divided=True)
    apart = divided.of(term)
    return (apart, divided.how) if divided.has_branches else None


def _num_constants(graph: Variable) -> int:
    """Return how many numbers of data a graph holds, single ones aside."""
    sizes = [size_of(i) or 0 for i in set(graph_inputs([graph])) if isinstance(i, Constant)]
    return sum(size for size in sizes if size > 1)


def _work(graph: TensorVariable) -> float:
    """Return about how many operations an evaluation takes."""
    varying: set[Variable] = set()
    total = 0.0
    for node in toposort([graph]):
        if any(i in varying or (i.owner is None and not isinstance(i, Constant)) for i in node.inputs):
            varying.update(node.outputs)
            arrays = node.inputs if is_matrix_product(node) else node.outputs
            total += _OVERHEAD + max(size_of(v) or 1 for v in arrays)
    return total
