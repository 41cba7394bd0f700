"""What stands beside a random variable in arithmetic: whatever people hold their numbers in is read, or refused.

PyTensor takes lists and arrays. Of others it loses what is missing (pandas), or makes an array of Python objects out of
the product (masked arrays), or leaves the operation to a library that knows nothing of graphs (pandas, xarray).
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.basic import Variable
from pytensor.graph.utils import add_tag_trace
from pytensor.tensor.variable import TensorConstant, _tensor_py_operators
from scipy.sparse import issparse

from graphs.errors import ModelError, PPLError
from graphs.surgery.traces import untraced
from ppl.reading.arrays import read_complete

OPERATORS = {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@"},
    **{"and": "&", "or": "|", "xor": "^", "lt": "<", "le": "<=", "gt": ">", "ge": ">="},
    **{"divmod": "divmod", "eq": "==", "ne": "!="},
}
_SWAPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
EQUALITIES = {"eq": pt.eq, "ne": pt.neq}
_BEFORE_PANDAS = 10_000
"""Columns and tables, whose priorities are at most 4,000, leave the operation to the variable."""
ASK_NOBODY: dict[Any, Collection[str]] = {
    np.ma.MaskedArray: (*_SWAPPED, *EQUALITIES),
    **dict.fromkeys((pd.Series, pd.DataFrame, pd.Index), ("matmul", *EQUALITIES)),
    **dict.fromkeys((xr.DataArray, xr.Variable, xr.Dataset), OPERATORS),
}
"""Operators of others that do not leave the operation to the variable; and all those that change in place."""
_WITH_DOT: tuple[Any, ...] = (pd.Series, pd.DataFrame, xr.DataArray)
_NUMBERS = (bool, int, float, complex)
_CONTAINERS = (
    *(np.ndarray, list, tuple, array, memoryview),
    *(pd.Series, pd.DataFrame, pd.Index, pd.api.extensions.ExtensionArray),
)
_NO_NUMBERS = (str, bytes, Mapping, Set, type(None), type(pd.NA), FunctionType, type, Iterator, date, timedelta)


class OperandError(ModelError, ValueError):
    """What was combined with a variable does not go with it."""


class PositionError(ModelError, IndexError, TypeError, NotImplementedError):
    """There is no such element, or PyTensor has no such index; code of others that asks for it catches these."""


class OperationError(OperandError, TypeError, NotImplementedError):
    """PyTensor has no such operation; code of others that asks for it catches these."""


def install() -> None:
    """Let PyTensor's variables read their operands and their indices."""
    _tensor_py_operators.__pandas_priority__ = _BEFORE_PANDAS
    for name, symbol in OPERATORS.items():
        for method in (f"__{name}__", f"__r{name}__"):
            if method in vars(_tensor_py_operators) and name not in EQUALITIES:
                setattr(_tensor_py_operators, method, _reading(getattr(_tensor_py_operators, method), symbol))
    for kind, names in ASK_NOBODY.items():
        for name in OPERATORS:
            for method in ([f"__{name}__"] if name in names else []) + [f"__i{name}__"]:
                if hasattr(kind, method):
                    setattr(kind, method, _asking(getattr(kind, method), name))
    for kind in _WITH_DOT:
        kind.dot = _asking(kind.dot, "matmul")
    _tensor_py_operators.__invert__ = _inverting(_tensor_py_operators.__invert__)
    _tensor_py_operators.__getitem__ = _indexed(_tensor_py_operators.__getitem__)
    _tensor_py_operators.__setitem__ = _not_set


def _reading(method: Callable[[Any, Any], Any], symbol: str) -> Callable[[Any, Any], Any]:
    @functools.wraps(method)
    def operate(self: Any, other: Any, *more: Any) -> Any:
        other = other if isinstance(other, Variable) else read_operand(other, self, symbol)
        written = _written(self, symbol, other)
        # One line of source stands for all that PyTensor makes of it.
        with untraced():
            result = fitting(lambda: method(self, other, *more), self, written, [self, other])
        if result is NotImplemented and not hasattr(other, method.__name__.replace("__", "__r", 1)):
            raise OperationError(f"{written}: numbers are needed, or what numpy.asarray makes numbers of.", self.name)
        return add_tag_trace(result) if isinstance(result, Variable) else result

    return operate


def _inverting(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(method)
    def invert(self: Any) -> Any:
        return fitting(lambda: method(self), self, f"~{called(self)}")

    return invert


def _asking(method: Callable[[Any, Any], Any], name: str) -> Callable[[Any, Any], Any]:
    """Return an operator of somebody else that is the variable's beside a variable."""

    @functools.wraps(method)
    def operate(self: Any, other: Any, *more: Any) -> Any:
        return operated(name, self, other) if isinstance(other, Variable) else method(self, other, *more)

    return operate


def operated(name: str, left: Any, right: Any) -> Any:
    """Return an operation of which one side or both are variables; an equality is that of the elements.

    Raises
    ------
    ModelError
        If the other side is no numbers, or its shape does not fit.
    """
    variable, other = (left, right) if isinstance(left, Variable) else (right, left)
    symbol = OPERATORS[name]
    if name not in EQUALITIES:
        method = name if variable is left else _SWAPPED.get(name, f"r{name}")
        return getattr(variable, f"__{method}__")(other)
    left, right = (s if isinstance(s, Variable) else read_operand(s, variable, symbol) for s in (left, right))
    written = _written(variable, symbol, other)
    return fitting(lambda: EQUALITIES[name](left, right), variable, written, [variable, other])


def _written(variable: Any, symbol: str, other: Any) -> str:
    return f"{called(variable)} {symbol} {called(other)}"


def fitting(operation: Callable[[], Any], variable: Any, what: str, sides: Collection[Any] = ()) -> Any:
    """Return the result of an operation, or raise what PyTensor says of it, with the names and shapes of both sides."""
    try:
        return operation()
    except (ValueError, TypeError, NotImplementedError, IndexError, AttributeError) as error:
        if isinstance(error, PPLError):
            raise
        said = (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
        remedy = "pytensor.tensor has the operations of variables"
        if isinstance(error, ValueError) and sides:
            shapes = " and ".join(str(getattr(getattr(side, "type", side), "shape", ())) for side in sides)
            remedy = f"Their shapes are {shapes}; axes are matched from the last, and have one length or 1: x[:, None] "
            remedy += "adds an axis"
        kind = OperandError if isinstance(error, ValueError) else OperationError
        raise kind(f"{what}: {said}. {remedy}.", variable.name) from error


def read_operand(given: Any, variable: Any, symbol: str = "*") -> Any:
    """Return what is combined with a variable as PyTensor reads it.

    Parameters
    ----------
    given : object
        Numbers, in anything that holds them; others are returned as they are, for their own operators.
    variable : TensorVariable
        What it is combined with.
    symbol : str
        How, for the message.

    Raises
    ------
    ModelError
        If numbers are missing, or it holds something else.
    """
    if isinstance(given, _NUMBERS) or _is_plain(given) or _has_variables(given):
        return given
    name = called(variable)
    if isinstance(given, _NO_NUMBERS):
        kind = "None" if given is None else f"of type {type(given).__name__}"
        raise OperandError(f"What is combined with {name} by {symbol} is {kind}: numbers are needed.", variable.name)
    if isinstance(given, (*_CONTAINERS, Decimal, Fraction)) or issparse(given) or hasattr(given, "__array__"):
        what = f"The numbers that are combined with {name} by {symbol} ({type(given).__name__})"
        return read_complete(given, what, variable.name or "")
    return given


def _is_plain(given: Any) -> bool:
    return (type(given) is np.ndarray or isinstance(given, np.generic)) and given.dtype.kind in "biufc"


def _has_variables(given: Any) -> bool:
    if isinstance(given, np.ndarray):
        return given.dtype == object and any(isinstance(part, Variable) for part in given.ravel())
    return isinstance(given, list | tuple) and any(isinstance(p, Variable) or _has_variables(p) for p in given)


def called(operand: Any) -> str:
    """Return what a message calls an operand."""
    if isinstance(operand, Variable):
        return operand.name or "an expression"
    return f"an array of {operand.dtype}" if isinstance(operand, np.ndarray) else type(operand).__name__


def _not_set(self: Any, where: Any, given: Any) -> None:
    raise OperandError(
        f"{called(self)} is a variable, whose elements are not set: {self.name or 'x'}[where].set(values) is a new "
        "expression with other elements.",
        self.name,
    )


def _indexed(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(method)
    def index(self: Any, where: Any) -> Any:
        parts = tuple(_read_index(part, self) for part in (where if isinstance(where, tuple) else (where,)))
        _check_bounds(self, parts)
        try:
            return method(self, parts if isinstance(where, tuple) else parts[0])
        except (IndexError, TypeError, NotImplementedError) as error:
            if isinstance(error, PPLError):
                raise
            said = " ".join(str(error).split()).rstrip(".")
            raise PositionError(f"{called(self)}[...], of shape {self.type.shape}: {said}.", self.name) from error

    return index


def _check_bounds(variable: Any, parts: Sequence[Any]) -> None:
    """Refuse positions that no element has; a program that ran would name nothing but the length."""
    for axis, (part, length) in enumerate(zip(parts, variable.type.shape, strict=False)):
        positions = part.data if isinstance(part, TensorConstant) else part
        is_array = isinstance(positions, np.ndarray) and positions.dtype.kind in "iu"
        if not is_array and (isinstance(positions, bool) or not isinstance(positions, int | np.integer | slice)):
            return  # which axis the next one is of is not known
        # Libraries take the first of none where nothing comes of it.
        if not length or isinstance(positions, slice) or (is_array and not positions.size):
            continue
        least, most = (positions.min(), positions.max()) if is_array else (positions, positions)
        if least < -length or most >= length:
            wrong = most if most >= length else least
            remedy = ", where positions count from 0" if wrong == length else ""
            raise PositionError(
                f"Index {wrong} is out of bounds for {called(variable)}, which has {length} elements along axis "
                f"{axis}{remedy}.",
                variable.name,
            )


def _read_index(given: Any, variable: Any) -> Any:
    """Return an index, which is whole numbers or a mask where it is an array."""
    if isinstance(given, Variable | slice | int | np.integer | type(None) | type(Ellipsis)) or _has_variables(given):
        return given
    if type(given) is np.ndarray and given.dtype.kind in "biu":
        return _constant(given)
    if not isinstance(given, (*_CONTAINERS, float, np.generic)) and not hasattr(given, "__array__"):
        return given
    read = read_complete(given, f"The indices of {called(variable)} ({type(given).__name__})", variable.name or "")
    if read.dtype.kind not in "biu" and read.size:
        raise OperandError(
            f"The indices of {called(variable)} have the type {read.dtype}: whole numbers are needed, .astype(int).",
            variable.name,
        )
    return _constant(read) if read.size else given


def _constant(given: np.ndarray) -> Any:
    """Return positions as a constant: PyTensor would ask every element of an array whether it is a truth value."""
    return pt.constant(given) if given.dtype.kind in "iu" and given.ndim and given.size else given
