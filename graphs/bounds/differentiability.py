"""Which variables a log-density has no gradient with respect to, and which operations are to blame.

An operation may have no gradient at all (Python code that PyTensor cannot look into), none with respect to some inputs
(the order of a Bessel function), or one that is not a number. All are found here, before anything is differentiated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.null_type import NullType
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.graph.traversal import toposort

from graphs.surgery.random_graph import depends_on
from graphs.warned import filtered

_OWN_PACKAGES = ("pytensor", "pymc", "graphs", "samplers")
"""Their operations know what they do when they call an input disconnected: nothing flows through a shape."""
_KNOWN: dict[Any, Sequence[NoGradient | None]] = {}
"""What was found for each kind of node, one standing for all: to differentiate is what takes the time."""
_MOST_KINDS = 1000


@dataclass(frozen=True)
class NoGradient:
    """Why there is no gradient.

    Parameters
    ----------
    op : str
        The operation without one.
    reason : str
        What it said.
    """

    op: str
    reason: str

    def __str__(self) -> str:
        return f"{self.op} has no gradient ({self.reason})"


def without_gradient(graphs: Sequence[Variable], variables: Iterable[Variable]) -> dict[Variable, NoGradient]:
    """Find the variables with respect to which graphs have no gradient.

    Parameters
    ----------
    graphs : sequence of Variable
        The terms of a log-density, say.
    variables : iterable of Variable
        What they would be differentiated with respect to.

    Returns
    -------
    dict of Variable to NoGradient
        Those without a gradient, and the first operation above which they lie.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> order, x = pt.dscalars("order", "x")
    >>> {v.name: str(why).partition(" (")[0] for v, why in without_gradient([pt.jv(order, x)], [order, x]).items()}
    {'order': 'Jv has no gradient'}
    """
    wanted = list(variables)
    found: dict[Variable, NoGradient] = {}
    for source, why in _faults(graphs, wanted):
        left = [v for v in wanted if v not in found]
        found |= {v: why for v in left if depends_on(source, [v])}
    return found


def _faults(graphs: Sequence[Variable], variables: Sequence[Variable]) -> list[tuple[Variable, NoGradient]]:
    """Return the inputs that depend on variables and that their operation has no gradient with respect to."""
    reached: set[Variable] = set(variables)
    above: list[tuple[Apply, list[int], Sequence[Sequence[bool]]]] = []
    for node in toposort(list(graphs)):
        inputs = [i for i, variable in enumerate(node.inputs) if variable in reached]
        if not inputs:
            continue
        pattern = _connections(node)
        above.append((node, inputs, pattern))
        for i in inputs:
            reached.update(out for out, is_connected in zip(node.outputs, pattern[i], strict=True) if is_connected)
    # What all that use it call disconnected is not differentiated.
    wanted: set[Variable] = set(graphs)
    faults = []
    for node, inputs, pattern in reversed(above):
        if not any(out in wanted for out in node.outputs):
            continue
        faults += [(node.inputs[i], why) for i in reversed(inputs) if (why := _missing(node)[i]) is not None]
        for i in inputs:
            if any(is_connected and out in wanted for out, is_connected in zip(node.outputs, pattern[i], strict=True)):
                wanted.add(node.inputs[i])
    return faults[::-1]


def _connections(node: Apply) -> Sequence[Sequence[bool]]:
    """Return, for each input, through which outputs a gradient flows."""
    own = getattr(node.op, "connection_pattern", None)
    return own(node) if own is not None else [[True] * len(node.outputs)] * len(node.inputs)


def _missing(node: Apply) -> Sequence[NoGradient | None]:
    """Return for each input why there is no gradient with respect to it, None where there is one."""
    inner = getattr(node.op, "fgraph", None) if isinstance(node.op, HasInnerGraph) else None
    if inner is not None:
        faults = _faults(inner.outputs, inner.inputs)
        tried = _tried(node) if faults else [None] * len(node.inputs)
        return [None if why is None else faults[0][1] for why in tried]
    if not _is_own(node.op):
        return _tried(node)
    types = tuple((getattr(v.type, "dtype", v.type), getattr(v.type, "ndim", 0)) for v in node.inputs)
    kind = (type(node.op), node.op, types)
    if kind not in _KNOWN:
        if len(_KNOWN) >= _MOST_KINDS:
            _KNOWN.clear()
        _KNOWN[kind] = _tried(node)
    return _KNOWN[kind]


def _is_own(op: Op) -> bool:
    return type(op).__module__.partition(".")[0] in _OWN_PACKAGES


def _tried(node: Apply) -> list[NoGradient | None]:
    """Differentiate one node."""
    name, op = str(node.op), node.op
    if type(op).pullback is Op.pullback and type(op).L_op is Op.L_op and type(op).grad is Op.grad:
        return [NoGradient(name, "it defines none")] * len(node.inputs)
    dtypes = [str(getattr(out.type, "dtype", "")) for out in node.outputs]
    if any(dtype.startswith("complex") for dtype in dtypes):
        return [NoGradient(name, "it gives complex numbers")] * len(node.inputs)
    if not any(dtype.startswith("float") for dtype in dtypes):
        return [None] * len(node.inputs)
    given: list[Any] = [
        out.type() if dtype.startswith("float") else DisconnectedType()()
        for out, dtype in zip(node.outputs, dtypes, strict=True)
    ]
    try:
        # That a user's operation names its gradient in an old way is said when it is compiled.
        with filtered("ignore", category=FutureWarning):
            terms = op.pullback(node.inputs, node.outputs, given)
    except Exception as error:  # operations may raise anything
        reason = str(error).partition("\n")[0]
        return [NoGradient(name, f"{type(error).__name__}{f': {reason}' if reason else ''}")] * len(node.inputs)
    return [_read(name, v, term, not _is_own(op)) for v, term in zip(node.inputs, terms, strict=True)]


def _read(name: str, variable: Variable, term: Variable, is_foreign: bool) -> NoGradient | None:
    """Return what is wrong with a gradient."""
    if isinstance(term.type, NullType):
        return NoGradient(name, str(term.type.why_null or "undefined").partition("\n")[0])
    is_continuous = str(getattr(variable.type, "dtype", "")).startswith("float")
    if isinstance(term.type, DisconnectedType) and is_foreign and is_continuous:
        return NoGradient(name, "it calls its input disconnected")
    if isinstance(term, Constant) and np.isnan(np.asarray(term.data, float)).any():
        return NoGradient(name, "not a number")
    return None
