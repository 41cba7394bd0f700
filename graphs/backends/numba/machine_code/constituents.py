"""What an object that compiled code refers to consists of: code, values, and what Numba has registered for it."""

from __future__ import annotations

import builtins
import hashlib
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache, partial, singledispatch
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAliasType, TypeVar

import llvmlite
import numba
import numpy as np
import pytensor
import scipy
from numba.core import ccallback, imputils, types
from numba.core.compiler import CompilerBase
from numba.core.datamodel import default_manager
from numba.core.extending import _Intrinsic
from numba.core.typing import templates

FOREIGN = (llvmlite, np, numba, pytensor, scipy)
"""Packages that are known by their versions; Python and its own modules too."""

_FOREIGN_NAMES = {module.__name__ for module in FOREIGN} | sys.stdlib_module_names
_CFunc: Any = ccallback.CFunc
ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_TYPE_PARTS = ("dtype", "types", "fields", "instance_class", "instance_type", "dispatcher", "literal_value")


class Untold(Exception):
    """Of an object it cannot be told what machine code takes from it."""


def is_foreign(module: str | None) -> bool:
    """Return whether a module is of Python or of a package that is known by its version."""
    return module is not None and module.partition(".")[0] in _FOREIGN_NAMES


def parts_of(described: Any, known: Mapping[str, str | None]) -> Iterator[Any]:
    """Yield what an object consists of.

    Raises
    ------
    Untold
        If that is not known of objects of its kind.
    """
    kind = type(described)
    yield f"{kind.__module__}.{kind.__qualname__}"
    if kind in ATOMS:
        yield described
    elif isinstance(described, FunctionType):
        yield from _parts_of_function(described, known)
    elif hasattr(described, "py_func") and hasattr(described, "targetoptions"):
        compiler = getattr(described, "_compiler", None)
        yield from (described.py_func, described.targetoptions, getattr(compiler, "pipeline_class", None))
    elif isinstance(described, _Intrinsic):
        yield from (described._defn, described._prefer_literal, described._ctor_kwargs)
    elif isinstance(described, _CFunc):
        yield from (described._pyfunc, described._compiler.targetoptions, described._sig)
    elif isinstance(described, type):
        yield from _parts_of_class(described)
    elif isinstance(described, types.Type):
        yield from _parts_of_type(described)
    else:
        yield from _parts_of_value(described)


def _parts_of_type(described: types.Type) -> Iterator[Any]:
    """Yield the parts of one of Numba's types; its name may say where a function lies in this process."""
    parts = [getattr(described, name, None) for name in _TYPE_PARTS]
    is_local = " at 0x" in str(described)
    if is_local and not any(part is not None for part in parts):
        raise Untold(str(described))
    yield from ("" if is_local else str(described), type(described), *parts)


def _parts_of_function(function: FunctionType, known: Mapping[str, str | None]) -> Iterator[Any]:
    """Yield the parts of a function: its code, what its names mean there, and what Numba knows of it."""
    if is_foreign(function.__module__):
        yield _name(function)
        return
    yield from (function.__code__, function.__defaults__, function.__kwdefaults__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet given a value
            yield "empty"
    names = sorted(_names(function.__code__))
    for name in names:
        if name in known:
            if known[name] is None:
                raise Untold(name)
            yield from (name, known[name])
        elif name in function.__globals__:
            value = function.__globals__[name]
            yield name
            if isinstance(value, ModuleType) and not is_foreign(value.__name__):
                # Of a module of ours the attributes that may be meant.
                yield {other: vars(value)[other] for other in names if other in vars(value)}
            else:
                yield value
        elif hasattr(builtins, name):
            yield name
    yield from _registered(function)


def _names(code: CodeType) -> set[str]:
    """Return the global names and attributes that code mentions, in the functions that it defines too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _parts_of_class(described: type) -> Iterator[Any]:
    """Yield the parts of a class."""
    yield f"{described.__module__}.{described.__qualname__}"
    if is_foreign(described.__module__):
        return
    if issubclass(described, CompilerBase):
        yield compilers()
        return
    yield described.__bases__
    for name, value in sorted(vars(described).items()):
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if isinstance(value, property):
            yield from (name, value.fget, value.fset)
        elif isinstance(value, FunctionType) or _is_constant(name, value):
            yield from (name, value)
    yield from _registered(described)
    yield default_manager._handlers.get(described)


@cache
def compilers() -> str:
    """Return a hash of what makes machine code of functions."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *(here.parent / "translation").glob("*.py")])
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _is_constant(name: str, value: Any) -> bool:
    return name == "_fields" or (type(value) in ATOMS and not name.startswith("__"))


@singledispatch
def _parts_of_value(value: Any) -> Iterator[Any]:
    """Yield the parts of what is neither a function nor a type."""
    kind = type(value)
    name, module = getattr(value, "__name__", None), getattr(value, "__module__", None) or kind.__module__
    if isinstance(name, str) and is_foreign(module):  # a ufunc, say
        yield _name(value)
    elif not is_foreign(kind.__module__) and hasattr(value, "__dict__"):
        yield from (kind, vars(value))
    else:
        raise Untold(repr(value))


@_parts_of_value.register(tuple)
@_parts_of_value.register(list)
def _(value: Any) -> Iterator[Any]:
    yield from (len(value), type(value), *value)


@_parts_of_value.register(set)
@_parts_of_value.register(frozenset)
def _(value: Any) -> Iterator[Any]:
    if not all(type(element) in ATOMS for element in value):
        raise Untold(repr(value))
    yield from sorted(map(repr, value))


@_parts_of_value.register
def _(value: Mapping) -> Iterator[Any]:
    for key, element in value.items():
        yield from (key, element)


@_parts_of_value.register
def _(value: CodeType) -> Iterator[Any]:
    # All but the lines where it stands.
    yield from (value.co_code, value.co_exceptiontable, value.co_flags)
    yield from (value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_nlocals)
    yield from (value.co_names, value.co_varnames[: value.co_argcount + value.co_kwonlyargcount])
    yield from (value.co_cellvars, value.co_freevars)
    yield from value.co_consts


@_parts_of_value.register(np.ndarray)
@_parts_of_value.register(np.generic)
def _(value: Any) -> Iterator[Any]:
    if value.dtype.hasobject:
        raise Untold(repr(value))
    yield from (value.dtype.str, np.shape(value), np.asarray(value).tobytes())


@_parts_of_value.register
def _(value: np.dtype) -> Iterator[Any]:
    yield repr(value)


@_parts_of_value.register
def _(value: partial) -> Iterator[Any]:
    yield from (value.func, value.args, value.keywords)


@_parts_of_value.register
def _(value: Enum) -> Iterator[Any]:
    yield from (type(value), value.name, value.value)


@_parts_of_value.register
def _(value: MethodType) -> Iterator[Any]:
    yield from (value.__func__, value.__self__)


@_parts_of_value.register
def _(value: ModuleType) -> Iterator[Any]:
    yield value.__name__


@_parts_of_value.register(BuiltinFunctionType)
@_parts_of_value.register(TypeAliasType)
@_parts_of_value.register(TypeVar)
def _(value: Any) -> Iterator[Any]:
    yield _name(value)


def _name(value: Any) -> str:
    module = getattr(value, "__module__", None) or type(value).__module__
    return f"{module}.{getattr(value, '__qualname__', None) or value.__name__}"


def _registered(subject: Any) -> list[Any]:
    """Return what Numba compiles in the place of a function, or to operate on a type: none refers to it."""
    return _registrations(len(imputils.builtin_registry.functions), len(templates.builtin_registry.globals)).get(
        subject, []
    )


@cache
def _registrations(num_functions: int, num_globals: int) -> dict[Any, list[Any]]:
    """Return what is registered for our functions and types; the numbers tell when there is more."""
    found: dict[Any, list[Any]] = {}
    for implementation, function, kinds in imputils.builtin_registry.functions[:num_functions]:
        if not is_foreign(getattr(implementation, "__module__", None)):
            for subject in (function, *kinds):
                if not isinstance(subject, str):
                    found.setdefault(subject, []).extend([getattr(function, "__name__", function), implementation])
    for subject, kind in templates.builtin_registry.globals[:num_globals]:
        if isinstance(subject, FunctionType) and not is_foreign(subject.__module__):
            for template in getattr(kind, "templates", ()):
                found.setdefault(subject, []).extend(_parts_of_template(template))
    return found


def _parts_of_template(template: Any) -> list[Any]:
    """Return what tells Numba of the type of a function: ours is an overload, or in the closure of Numba's."""
    own = vars(template)
    if "_overload_func" in own:
        return [own["_overload_func"].__func__, own["_jit_options"], own["prefer_literal"]]
    generic = own.get("generic")
    return [cell.cell_contents for cell in getattr(generic, "__closure__", None) or ()]
