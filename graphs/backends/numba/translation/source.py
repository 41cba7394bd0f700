"""The syntax of functions, read from where Python finds their source."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from graphs.backends.numba.translation.values import Untranslatable

_DEFINITIONS: WeakKeyDictionary[FunctionType, ast.FunctionDef] = WeakKeyDictionary()


def definition_of(function: FunctionType) -> ast.FunctionDef:
    """Return the definition of a function.

    Raises
    ------
    Untranslatable
        If its source is not known, or is not a plain definition.
    """
    if function not in _DEFINITIONS:
        _DEFINITIONS[function] = _parsed(function)
    return _DEFINITIONS[function]


def _parsed(function: FunctionType) -> ast.FunctionDef:
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    try:
        text = "".join(inspect.getblock(lines[code.co_firstlineno - 1 :]))
        [definition] = ast.parse(textwrap.dedent(text)).body
    except (OSError, SyntaxError, ValueError) as error:
        raise Untranslatable(f"the source of {function.__name__} cannot be read: {error}") from error
    if not isinstance(definition, ast.FunctionDef):
        raise Untranslatable(f"{function.__name__} is not defined by def")
    arguments = definition.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        raise Untranslatable(f"{function.__name__} takes a variable number of arguments")
    if tuple(argument.arg for argument in arguments.args) != code.co_varnames[: code.co_argcount]:
        raise Untranslatable(f"the source of {function.__name__} is that of another function")
    return definition


def names_of(function: FunctionType) -> dict[str, Any]:
    """Return what the names of a function mean that are not its own."""
    if not function.__closure__:
        return function.__globals__
    cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}
