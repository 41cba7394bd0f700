"""The syntax of functions, read from where Python finds their source."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from types import CodeType, FunctionType
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
    if not _is_source_of(definition, code):
        raise Untranslatable(f"the source of {function.__name__} has changed")
    return definition


def _is_source_of(definition: ast.FunctionDef, code: CodeType) -> bool:
    """Return whether Python makes code of a definition with the same names and constants: files change.

    Not the same instructions: those of ``math.exp(x)`` depend on whether the file imports ``math``.
    """
    whole = compile(ast.Module([definition], []), code.co_filename, "exec")
    made = next(constant for constant in whole.co_consts if isinstance(constant, CodeType))
    # What lies in cells of the function around it is a name of the module here.
    names = [{*each.co_names, *each.co_freevars} for each in (made, code)]
    return made.co_varnames == code.co_varnames and names[0] == names[1] and made.co_consts == code.co_consts


def names_of(function: FunctionType) -> dict[str, Any]:
    """Return what the names of a function mean that are not its own."""
    if not function.__closure__:
        return function.__globals__
    cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}
