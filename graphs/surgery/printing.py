"""Readable text of anything that has a graph."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytensor
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph


def dprint(obj: Any, file: Any = None) -> str | None:
    """Print the graph of an object.

    Parameters
    ----------
    obj : Variable, sequence of Variable, mapping of str to any of these, or object with a method ``dprint``
        What to print. A subgraph that appears more than once is printed once and then referred to by its letter, in one
        call also from one graph to another.
    file : text file or "str", optional
        Where to print to, standard output by default; ``"str"`` returns the text instead.

    Returns
    -------
    str or None
        The text, if ``file="str"``.

    Raises
    ------
    TypeError
        If the object has no graph.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> dprint({"total": (2 * x).sum()})
    total =
    Sum{axes=None} [id A]
     └─ Mul [id B]
        ├─ ExpandDims{axis=0} [id C]
        │  └─ 2 [id D]
        └─ x [id E]
    """
    if not _has_own_text(obj):
        return _deliver(_text(obj, {}, {}), file)
    if file != "str":
        obj.dprint(file=file)
        return None
    returned = obj.dprint(file="str")
    return returned if isinstance(returned, str) else str(obj)


def _has_own_text(obj: Any) -> bool:
    """Variables and FunctionGraphs have a ``dprint`` too, but it is PyTensor's."""
    return hasattr(obj, "dprint") and not isinstance(obj, Variable | Apply | FunctionGraph)


def _text(obj: Any, done: dict, used_ids: dict) -> str:
    if isinstance(obj, Mapping):
        return "\n".join(f"{name} =\n{_text(graph, done, used_ids)}" for name, graph in obj.items())
    if _has_own_text(obj):
        return str(dprint(obj, file="str")).rstrip("\n")
    graphs = list(obj) if isinstance(obj, Sequence) and not isinstance(obj, str) else [obj]
    if not all(isinstance(g, Variable | Apply | FunctionGraph) or hasattr(g, "maker") for g in graphs):
        raise TypeError(f"There is no graph to print in an object of type {type(obj).__name__}.")
    text = pytensor.dprint(graphs, file="str", done=done, used_ids=used_ids)
    return str(text).rstrip("\n")


def _deliver(text: str, file: Any) -> str | None:
    if file == "str":
        return text
    print(text, file=sys.stdout if file is None else file)
    return None
