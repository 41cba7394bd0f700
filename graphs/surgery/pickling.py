"""What pickle needs to be told of graphs, which may be deep, and of operations made of somebody's functions.

Pickle follows an object down to its parts, and stops where a graph is deeper than Python's stack: here variables come
after what they are made of. It knows classes and functions by their place in a module; PyMC makes a class for every
``CustomDist``, of functions that are lambdas as often as not. Those are kept by value, as cloudpickle does, together
with the functions that PyMC's dispatchers know for the class.
"""

from __future__ import annotations

import copyreg
import io
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import cloudpickle
import numpy as np
from pymc.distributions.distribution import _support_point
from pymc.distributions.shape_utils import _change_dist_size
from pymc.logprob.abstract import _icdf, _logccdf, _logcdf, _logprob
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import AbstractApply, Variable
from pytensor.graph.type import Type

from graphs.errors import ModelError
from graphs.surgery.random_graph import find_random_variables

_DISPATCHERS: dict[str, Any] = {
    "logprob": _logprob,
    "logcdf": _logcdf,
    "logccdf": _logccdf,
    "icdf": _icdf,
    "support_point": _support_point,
    "change_dist_size": _change_dist_size,
}
_LEAVES = (
    *(str, bytes, int, float, complex, type(None), np.ndarray, np.generic, np.random.Generator),
    *(type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Type),
)
_USER_OF: WeakKeyDictionary[type, str] = WeakKeyDictionary()
"""The variable for whose sake a class is kept by value."""


class PartsFirst:
    """A dataclass that holds graphs, and goes through pickle however deep these are."""

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(type(self), *(getattr(self, field.name) for field in fields(self)))  # type: ignore[arg-type]  # its subclasses are dataclasses


def reduced(make: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """Return what ``__reduce__`` returns for ``make(*arguments)``, where the arguments hold graphs.

    Raises
    ------
    ModelError
        When it is pickled: if functions of a variable cannot be.
    """
    return _made, (variables_within(*arguments), make, arguments)


def _made(in_order: list[Variable], make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return an object read by pickle; its variables have been read before it."""
    return make(*arguments)


def variables_within(*objects: Any) -> list[Variable]:
    """Return the variables that objects hold, each after those that it is made of.

    What cannot be found in a module is kept by value from now on.
    """
    found: list[Variable] = []
    seen: dict[int, Any] = {}
    stack = [(o, False) for o in objects]
    variable = ""
    while stack:
        current, is_done = stack.pop()
        if is_done:
            found.append(current)
        elif id(current) not in seen and not _is_leaf(_kind(current)):
            seen[id(current)] = current
            if isinstance(current, OpFromGraph):
                _forget_gradients(current)
            parts = list(_parts_of(current))
            if isinstance(current, Variable):
                stack.append((current, True))
                variable = current.name or variable
            elif not _is_container(_kind(current)) and _is_by_value(type(current), parts):
                _keep_by_value(type(current), variable)
            stack.extend((part, False) for part in reversed(parts))
    return found


def _forget_gradients(op: Any) -> None:
    """Drop the functions in which PyTensor has kept the gradients of an operation; it makes them when it needs them."""
    op._lop_op_cache, op._rop_op_cache = {}, None


def _kind(held: Any) -> Hashable:
    kind: Any = type(held)
    return kind


@cache
def _is_leaf(kind: Hashable) -> bool:
    return isinstance(kind, type) and issubclass(kind, _LEAVES)


@cache
def _is_container(kind: Hashable) -> bool:
    return isinstance(kind, type) and issubclass(kind, Mapping | list | tuple | set | frozenset)


def _parts_of(held: Any) -> Iterator[Any]:
    if isinstance(held, Variable):
        yield from _parts_of_tag(held)
        yield held.owner
    elif isinstance(held, AbstractApply):
        yield from held.inputs
        yield held.op
        yield from _parts_of_tag(held)
        yield from held.outputs
    elif _is_container(_kind(held)):
        yield from held
        yield from held.values() if hasattr(held, "values") else ()
    elif getattr(type(held), "__getstate__", None) is object.__getstate__:
        yield from getattr(held, "__dict__", {}).values()
        for name in _slots(type(held)):
            if hasattr(held, name):
                yield getattr(held, name)
    else:
        yield held.__getstate__()


def _parts_of_tag(held: Any) -> Iterator[Any]:
    """Return what was noted on a variable or node; where it was made is text."""
    return (part for name, part in vars(held.tag).items() if name != "trace")


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _is_importable(function_or_class: Any) -> bool:
    """Whether another process finds it where this one has it."""
    found: Any = sys.modules.get(function_or_class.__module__ or "")
    for name in function_or_class.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function_or_class


def _is_local(part: Any) -> bool:
    return isinstance(part, FunctionType) and not _is_importable(part)


def _is_by_value(kind: type, parts: list[Any]) -> bool:
    """Whether pickle, left alone, would not find the class of an object or one of its functions."""
    is_plain = getattr(kind, "__reduce__", None) is object.__reduce__
    return (is_plain and not _is_importable(kind)) or any(map(_is_local, parts))


def _keep_by_value(kind: type, variable: str) -> None:
    """Let pickle take the objects of a class, with their functions, by value."""
    _USER_OF.setdefault(kind, variable)
    copyreg.pickle(kind, _by_value)


def _by_value(held: Any) -> tuple[Any, ...]:
    kind = type(held)
    state = held.__getstate__()
    if isinstance(state, dict):
        state = {key: _ByValue(part, _USER_OF[kind]) if _is_local(part) else part for key, part in state.items()}
    if _is_importable(kind):
        return copyreg.__newobj__, (kind,), state  # type: ignore[attr-defined]  # typeshed lacks it
    known = {name: d.registry[kind] for name, d in _DISPATCHERS.items() if kind in d.registry}
    return _blank, (_dumped((kind, known), _USER_OF[kind]), _USER_OF[kind]), state


def _blank(dumped: bytes, variable: str) -> Any:
    """Return an object without a state, of a class that is known to PyMC's dispatchers afterwards."""
    kind, known = cloudpickle.loads(dumped)
    for name, function in known.items():
        if kind not in _DISPATCHERS[name].registry:
            _DISPATCHERS[name].register(kind, function)
    _keep_by_value(kind, variable)
    return kind.__new__(kind)


class _ByValue:
    """A function, which is itself again when it is read."""

    def __init__(self, function: Callable[..., Any], variable: str):
        self.function = function
        self.variable = variable

    def __reduce__(self) -> tuple[Any, ...]:
        return cloudpickle.loads, (_dumped(self.function, self.variable),)


def _dumped(held: Any, variable: str) -> bytes:
    buffer = io.BytesIO()
    try:
        _ValuePickler(buffer).dump(held)
    except Exception as error:  # what a function holds may refuse in any way
        raise ModelError(
            f"The functions that {variable or held} is made of cannot be pickled: {' '.join(str(error).split())}. "
            "Let them use numbers, arrays and what is imported: no open files, locks, generators or compiled "
            "functions; or put them in a module of their own.",
            variable,
        ) from error
    return buffer.getvalue()


class _ValuePickler(cloudpickle.Pickler):
    """Takes functions and classes by value, without the random variables that PyMC's functions hold on to.

    What is registered for a class made by ``CustomDist`` refers to the parameters of the first variable, of which it
    uses the number and the types.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Variable) and obj.owner is not None and find_random_variables([obj]):
            return _unowned, (obj.type,)
        return super().reducer_override(obj)


def _unowned(kind: Any) -> Variable:
    variable: Variable = kind()
    return variable
