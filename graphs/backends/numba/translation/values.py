"""What names and expressions stand for while a function is translated."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

import numba.core.types
from numba.core import errors

types: Any = numba.core.types
"""Numba's, whose names are made when it is loaded."""


class Untranslatable(errors.NumbaError):
    """A function has something that only Numba's own compiler knows."""

    def __init__(self, what: str):
        super().__init__(what, highlighting=False)


class Static(NamedTuple):
    """What is known before anything runs: a number, a function, a module.

    Attributes
    ----------
    value : object
        The object.
    """

    value: Any


class Value(NamedTuple):
    """What is computed when the function runs.

    Attributes
    ----------
    type : numba type
        Never that of a literal.
    llvm : llvmlite.ir.Value
        As Numba represents values of this type.
    """

    type: Any
    llvm: Any


type Known = Static | Value

PLAIN_NUMBERS = (bool, int, float)


def is_number(known: Known) -> TypeGuard[Static]:
    """Return whether it is a number of Python's that is known before anything runs."""
    return isinstance(known, Static) and type(known.value) in PLAIN_NUMBERS


def holds_arrays(kind: Any) -> bool:
    """Return whether values of a type refer to memory that Numba may count references to."""
    if isinstance(kind, types.BaseTuple):
        return any(holds_arrays(part) for part in kind)
    return isinstance(kind, types.Array)


def is_inlined(function: Any) -> bool:
    """Return whether a function is never compiled by itself, but as part of whatever calls it."""
    options = getattr(function, "targetoptions", None)
    return isinstance(options, dict) and options.get("inline") == "always"
