"""NumPy's functions of random variables: PyTensor's functions of the same name, or a refusal that says what to take.

Left to itself NumPy makes an array of Python objects out of a variable, in which it is a number that is not there.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable, _tensor_py_operators

from ppl.reading.operands import (
    ASK_NOBODY,
    EQUALITIES,
    OPERATORS,
    OperandError,
    called,
    fitting,
    operated,
    read_operand,
)

_OURS = Path(__file__).parents[1]
_OPERATOR_OF = {
    **{"subtract": "sub", "multiply": "mul", "divide": "truediv", "floor_divide": "floordiv", "remainder": "mod"},
    **{"power": "pow", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor", "equal": "eq"},
    **{"not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge"},
}
"""Names of NumPy's functions that are operators, where they differ."""


def _is_true(given: Any) -> TensorVariable:
    condition = pt.as_tensor(given)
    return condition if condition.type.dtype == "bool" else pt.neq(condition, 0)


def _clip(given: Any, low: Any = None, high: Any = None, **more: Any) -> TensorVariable:
    low, high = more.pop("min", more.pop("a_min", low)), more.pop("max", more.pop("a_max", high))
    if more:
        raise TypeError(f"unexpected arguments {', '.join(more)}")
    return pt.clip(given, -np.inf if low is None else low, np.inf if high is None else high)


_IN_ORDER = (np.clip, np.where)
"""Functions of which PyTensor's take all arguments in the same order, by other names."""
_OTHER_NAMES: dict[str, Callable[..., Any]] = {
    "absolute": pt.abs,
    "fabs": pt.abs,
    "negative": pt.neg,
    "positive": pt.as_tensor,
    "rint": pt.round,
    "degrees": pt.rad2deg,
    "radians": pt.deg2rad,
    "logical_and": lambda a, b: pt.and_(_is_true(a), _is_true(b)),
    "logical_or": lambda a, b: pt.or_(_is_true(a), _is_true(b)),
    "logical_xor": lambda a, b: pt.xor(_is_true(a), _is_true(b)),
    "logical_not": lambda a: pt.invert(_is_true(a)),
    "amax": pt.max,
    "amin": pt.min,
    "clip": _clip,
    "concat": pt.concatenate,
    "kron": pt.linalg.kron,
    "ravel": pt.flatten,
    "shape": lambda a: a.shape,
    "ndim": lambda a: a.ndim,
    "size": lambda a: a.size,
}


class _Ufunc:
    """NumPy asks the class, and is given the function; who asks the variable is told that it has operators."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        return _ufunc if instance is None else None


def install() -> None:
    """Let NumPy's functions find those of variables."""
    _tensor_py_operators.__array_ufunc__ = _Ufunc()
    _tensor_py_operators.__array_function__ = _function
    for kind in ASK_NOBODY:
        if kind.__array_ufunc__ is not np.ndarray.__array_ufunc__:
            kind.__array_ufunc__ = _asking(kind.__array_ufunc__)


def _asking(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return how somebody else reads NumPy's functions, which leaves those of variables to these."""

    @functools.wraps(method)
    def read(self: Any, ufunc: np.ufunc, called_by: str, *inputs: Any, **options: Any) -> Any:
        is_ours = any(isinstance(given, Variable) for given in inputs)
        return NotImplemented if is_ours else method(self, ufunc, called_by, *inputs, **options)

    return read


def _ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """Return a function of elements. What is changed in place becomes the variable that it is changed to.

    A number is not equal to a variable, as everywhere in PyTensor: its rewrites compare what may be either.
    """
    out = options.pop("out", ())
    name = ufunc.__name__
    is_refused = method != "__call__" or bool(options) or (bool(out) and not (len(out) == 1 and out[0] is inputs[0]))
    if is_refused:
        raise _refused(name if method == "__call__" else f"{name}.{method}", _variables(inputs, options, out))
    operator = _OPERATOR_OF.get(name, name)
    if operator in EQUALITIES and any(isinstance(i, np.ndarray) and i.ndim == 0 for i in inputs):
        return np.bool_(operator == "ne")
    if operator in OPERATORS:
        return operated(operator, *inputs)
    return _evaluated(ufunc, _OTHER_NAMES.get(name, getattr(pt, name, None)), inputs, {})


def _function(self: Any, function: Callable[..., Any], types: Any, inputs: tuple, options: Mapping[str, Any]) -> Any:
    """Return a function of arrays."""
    if _is_of_library(sys._getframe(1).f_code.co_filename):
        # NumPy's function without asking its arguments; type checkers take it for a plain function.
        return function._implementation(*inputs, **options)  # type: ignore[attr-defined]
    name = function.__name__
    place = pt.linalg if function.__module__ == "numpy.linalg" else pt
    found = getattr(place, name, None) if function.__module__ in ("numpy", "numpy.linalg") else None
    return _evaluated(function, _OTHER_NAMES.get(name, found), *_by_name(function, inputs, options))


@functools.cache
def _is_of_library(filename: str) -> bool:
    """Whether code is somebody else's.

    PyMC and its relatives put variables into arrays of objects by NumPy, ``np.atleast_1d(variables)``, and mean it.
    """
    path = Path(filename)
    return not path.is_relative_to(_OURS) and not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _by_name(function: Callable[..., Any], inputs: tuple, options: Mapping[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Return what a function needs in order, and what it can do without by its name, as orders differ."""
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*inputs, **options)
    except (TypeError, ValueError):
        return inputs, dict(options)
    if function in _IN_ORDER or any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return inputs, dict(options)
    needed = [name for name, p in signature.parameters.items() if p.default is p.empty and name in bound.arguments]
    rest = {name: value for name, value in bound.arguments.items() if name not in needed}
    return tuple(bound.arguments[name] for name in needed), {**rest.pop("kwargs", {}), **rest}


def _evaluated(function: Any, ours: Any, inputs: tuple, options: Mapping[str, Any]) -> Any:
    variable = _variables(inputs, options)
    name = function.__name__
    if not callable(ours):
        raise _refused(name, variable)

    def read(given: Any) -> Any:
        if isinstance(given, list | tuple) and next(_variables_in(given), None) is not None:
            return [read(part) for part in given]
        known = given if _is_option(given) else read_operand(given, variable, name)
        return pt.as_tensor(known) if isinstance(known, np.ndarray) and known.dtype != object else known

    return fitting(lambda: ours(*map(read, inputs), **options), variable, f"{name} of {called(variable)}")


def _is_option(given: Any) -> bool:
    return given is None or isinstance(given, Variable | str | slice | int)


def _variables_in(given: Any) -> Iterator[Variable]:
    if isinstance(given, Variable):
        yield given
    elif isinstance(given, list | tuple):
        for part in given:
            yield from _variables_in(part)


def _variables(inputs: tuple, options: Mapping[str, Any], out: tuple = ()) -> Any:
    """Return the variable that a function is called with, one with a name if there is any."""
    found = list(_variables_in([*inputs, *options.values(), *out]))
    return next((v for v in found if v.name), found[0])


def _refused(name: str, variable: Any) -> OperandError:
    return OperandError(
        f"{called(variable)} is a variable and has no numbers yet, which NumPy's {name} needs in this form: take a "
        "function of pytensor.tensor, or compute with the draws in the trace.",
        variable.name,
    )
