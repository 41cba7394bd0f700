"""Which variables of a trace are judged: what was drawn, and which of it cannot run away."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite

from xarray import DataTree

from ppl.planning.plans import Assignment

_DRAWN, _BOUNDED = "parameters", "bounded"


def drawn_attributes(assignments: Iterable[Assignment]) -> dict[str, str]:
    """Return the attributes that tell the variables that were drawn from what is computed from them."""
    drawn = [a for a in assignments if a.method != "marginalize" and _can_vary(a)]
    return {
        _DRAWN: json.dumps([a.name for a in drawn]),
        _BOUNDED: json.dumps([a.name for a in drawn if _is_bounded(a)]),
    }


def constant_variables(assignments: Iterable[Assignment]) -> tuple[str, ...]:
    """Return the variables that have one possible value."""
    return tuple(each.name for a in assignments if not _can_vary(a) for each in a.each())


def drawn_variables(trace: DataTree) -> tuple[str, ...]:
    """Return the variables that were drawn, as far as the trace says and still has them; none if it does not say."""
    return _names(trace, _DRAWN)


def bounded_variables(trace: DataTree) -> tuple[str, ...]:
    """Return the drawn variables with bounds on both sides, as far as the trace says."""
    return _names(trace, _BOUNDED)


def attribute(trace: DataTree, name: str, default: str = "") -> str:
    """Return what a trace or, where groups were taken out of it, its posterior says."""
    return str(trace.attrs[name] if name in trace.attrs else trace["posterior"].attrs.get(name, default))


def _names(trace: DataTree, key: str) -> tuple[str, ...]:
    kept = trace["posterior"].data_vars
    return tuple(name for name in json.loads(attribute(trace, key, "[]")) if name in kept)


def _can_vary(assignment: Assignment) -> bool:
    support = assignment.support
    is_single = support.kind == "simplex" and assignment.shape[-1] == 1
    return not is_single and support.lower != support.upper


def _is_bounded(assignment: Assignment) -> bool:
    support = assignment.support
    return support.kind == "simplex" or (isfinite(support.lower) and isfinite(support.upper))
