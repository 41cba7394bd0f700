"""Long programs as functions that are called one after the other.

LLVM takes more than linear time for a function: one of 5,600 lines takes 19.5 seconds, its 20 parts 13.4. Arrays lie
in memory that all parts see; local variables that one part leaves to others are arguments and results.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphs.backends.numba.compiler.loops import INDENT

MOST_LINES = 400
"""Programs of so many lines stay whole."""
LINES_OF_A_PART = 200
_MEMORY = "x, context, out, rng, fdata, idata, work"


@dataclass(frozen=True)
class PartedProgram:
    """A program that calls its parts.

    Parameters
    ----------
    main : list of str
        Lines that call the parts, to stand in the place of the steps.
    functions : mapping of str to str
        By the name under which it is called, the source of a part: of a function ``PROGRAM``.
    """

    main: list[str]
    functions: Mapping[str, str]


def in_parts(
    declarations: Mapping[str, str], before: Iterable[str], steps: Sequence[Sequence[str]], after: Iterable[str]
) -> PartedProgram:
    """Put steps into functions; short programs are left as they are.

    Parameters
    ----------
    declarations : mapping of str to str
        Of each pointer, the statement that makes it.
    before : iterable of str
        Lines that come before the steps.
    steps : sequence of sequence of str
        The lines of each step.
    after : iterable of str
        Lines that come after them.
    """
    whole = [line for step in steps for line in step]
    if len(whole) <= MOST_LINES:
        return PartedProgram(whole, {})
    groups = _grouped(steps)
    trees = [ast.parse("\n".join(lines)).body for lines in groups]
    defined = _defined(ast.parse("\n".join([*declarations.values(), *before])).body)
    # Of each group, what later ones may read of it.
    wanted = [_exposed(ast.parse(_function(after)).body)]
    for tree in reversed(trees[1:]):
        wanted.append((wanted[-1] - _defined(tree)) | _exposed(tree))
    main: list[str] = []
    functions: dict[str, str] = {}
    for lines, tree, later in zip(groups, trees, reversed(wanted), strict=True):
        pointers = _needed(tree, declarations)
        assigned = _assigned(tree)
        given = sorted((_exposed(tree) | (assigned & later)) & defined - set(declarations))
        left = sorted(assigned & later)
        new = _defined(tree)
        if not set(left) <= defined | new:
            # What may be without a value cannot be returned.
            main += lines
        else:
            name = f"part{len(functions) + 1}"
            results = ", ".join(left)
            arguments = ", ".join([_MEMORY, *given])
            body = [*pointers, *lines, f"return {results or '0.0'}"]
            functions[name] = "\n".join([f"def PROGRAM({arguments}):", *(INDENT + line for line in body)]) + "\n"
            main.append(f"{results + ' = ' if results else ''}{name}({arguments})")
        defined |= new
    return PartedProgram(main, functions)


def _function(lines: Iterable[str]) -> str:
    """Return lines as a function, in which a return may stand."""
    return "\n".join(["def ending():", *(INDENT + line for line in lines)])


def _grouped(steps: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return steps taken together to parts of about equal length."""
    groups: list[list[str]] = [[]]
    for step in steps:
        if groups[-1] and len(groups[-1]) + len(step) > LINES_OF_A_PART:
            groups.append([])
        groups[-1] += step
    return groups


def _needed(tree: Sequence[ast.stmt], declarations: Mapping[str, str]) -> list[str]:
    """Return the declarations of pointers that statements use, and of those that these are made of."""
    names = _names(tree)
    waiting = [name for name in declarations if name in names]
    needed = set(waiting)
    while waiting:
        new = {n for n in _names(ast.parse(declarations[waiting.pop()]).body) if n in declarations} - needed
        needed |= new
        waiting += new
    return [statement for name, statement in declarations.items() if name in needed]


def _names(tree: Sequence[ast.stmt]) -> set[str]:
    return {node.id for statement in tree for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _assigned(tree: Sequence[ast.stmt]) -> set[str]:
    """Return the local variables that statements may assign."""
    nodes = (node for statement in tree for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _defined(tree: Sequence[ast.stmt]) -> set[str]:
    """Return the local variables that have a value after the statements, whatever happens."""
    found: set[str] = set()
    for statement in tree:
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
            found |= _assigned([statement])
        elif isinstance(statement, ast.If):
            found |= _defined(statement.body) & _defined(statement.orelse)
    return found


def _exposed(tree: Sequence[ast.stmt], defined: frozenset[str] = frozenset()) -> set[str]:
    """Return the variables that statements may read before they assign them."""
    found: set[str] = set()
    for statement in tree:
        if isinstance(statement, ast.For):
            found |= _read(statement.iter) - defined
            found |= _exposed(statement.body, defined | _assigned([ast.Expr(statement.target)]))
        elif isinstance(statement, ast.If | ast.While):
            found |= _read(statement.test) - defined
            found |= _exposed(statement.body, defined) | _exposed(statement.orelse, defined)
        elif isinstance(statement, ast.Try):
            found |= _exposed(statement.body, defined)
            found |= {name for handler in statement.handlers for name in _exposed(handler.body, defined)}
        elif isinstance(statement, ast.FunctionDef):
            found |= _exposed(statement.body, defined)
        else:
            found |= _read(statement) - defined
            if isinstance(statement, ast.AugAssign):
                found |= _assigned([statement]) - defined
        defined = defined | _defined([statement])
    return found


def _read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
