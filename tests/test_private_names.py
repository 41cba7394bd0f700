"""`private_names.py` has all that we use of other packages without their promise, and all of it exists.

Answers: the code itself, read by Python's parser, and the packages that are installed.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.private_names import INTERNAL, USES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("graphs", "samplers", "ppl")
DOCUMENTED = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}  # of named tuples
ASKING = {"getattr", "setattr", "hasattr", "delattr"}


def is_private(name: str) -> bool:
    is_display = re.fullmatch(r"_repr_\w+", name)  # what notebooks look for
    return bool(re.match(r"_[^_]", name)) and not is_display and name not in DOCUMENTED


def is_internal(path: str) -> bool:
    return any(f"{path}.".startswith(f"{module}.") for module in INTERNAL)


@functools.cache
def is_module(path: str) -> bool:
    try:
        return find_spec(path) is not None
    except ModuleNotFoundError:  # of a part before the last
        return False


def imported_from_others(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a file gives to what it imports from other packages, and what that is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name.split(".")[0], a.name if a.asname else "") for a in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] not in PACKAGES:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def own_members(node: ast.AST) -> Iterator[str]:
    """What a piece of code itself defines in classes, or gives to ``self``."""
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            if isinstance(part, ast.FunctionDef):
                yield part.name
            targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
        yield node.attr


def private_uses(tree: ast.Module) -> set[str]:
    """What a file uses of others: full names where an import tells them, else the last part behind a dot."""
    imported = dict(imported_from_others(tree))
    found = {path for path in imported.values() if is_private(path.rpartition(".")[2]) or is_internal(path)}
    found = {path for path in found if not is_module(path)}  # of a module its attributes count
    own = {name for node in ast.walk(tree) for name in own_members(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            holder = imported.get(node.value.id, "") if isinstance(node.value, ast.Name) else ""
            if is_internal(holder):
                found.add(f"{holder}.{node.attr}")
            elif is_private(node.attr) and node.attr not in own:
                found.add(f".{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ASKING:
            asked = node.args[1]
            if isinstance(asked, ast.Constant) and is_private(asked.value):
                found.add(f".{asked.value}")
    return found


def files() -> list[str]:
    return [p.relative_to(ROOT).as_posix() for folder in PACKAGES for p in sorted((ROOT / folder).rglob("*.py"))]


def listed(file: str) -> set[str]:
    return {name for use in USES if file in use.files for name in use.names}


def is_in(used: str, names: set[str]) -> bool:
    return used in names or (used.startswith(".") and any(name.endswith(used) for name in names))


def test_the_list_has_all_private_names_that_are_used():
    """A name with an underscore of a class of ours in another file is found, too: it belongs to its file."""
    missing = [
        f"{file}: {used}"
        for file in files()
        for used in sorted(private_uses(ast.parse((ROOT / file).read_text(encoding="utf-8"))))
        if not is_in(used, listed(file))
    ]
    assert missing == []


def own_classes() -> Iterator[type]:
    for file in files():
        name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        yield from (c for c in vars(importlib.import_module(name)).values() if getattr(c, "__module__", None) == name)


def test_the_list_has_all_private_names_that_are_overridden():
    missing = []
    for kind in filter(inspect.isclass, own_classes()):
        written = {*own_members(ast.parse(dedent(inspect.getsource(kind))).body[0])}
        file = kind.__module__.replace(".", "/") + ".py"
        foreign = [base for base in kind.__mro__ if base.__module__.split(".")[0] not in PACKAGES]
        missing += [
            f"{file}: {kind.__name__}.{name}"
            for name in sorted(written)
            if is_private(name) and any(name in vars(base) for base in foreign) and not is_in(f".{name}", listed(file))
        ]
    assert missing == []


def attribute(holder: Any, name: str) -> Any:
    """What an object has under a name; of what only its instances have, how their class writes it."""
    if hasattr(holder, name):
        return getattr(holder, name)
    if isinstance(holder, type):
        for base in holder.__mro__[:-1]:
            if re.search(rf"\bself\.{name}\b", inspect.getsource(base)):
                return f"self.{name}"
    raise AttributeError(f"{holder} has no {name}")


def find(path: str) -> Any:
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        if is_module(".".join(parts[:length])):
            return functools.reduce(attribute, parts[length:], importlib.import_module(".".join(parts[:length])))
    raise ModuleNotFoundError(path)


@pytest.mark.parametrize("path", sorted({name for use in USES for name in use.names}))
def test_every_listed_name_exists(path):
    find(path)


def stands_in(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None or (name.startswith("_") and 'f"_{' in text)  # put together


def test_every_listed_name_is_used_where_the_list_says():
    stale = []
    for use in USES:
        texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in use.files}
        lasts = [name.rpartition(".")[2] for name in use.names]
        stale += [last for last in lasts if not any(stands_in(last, text) for text in texts.values())]
        stale += [file for file, text in texts.items() if not any(stands_in(last, text) for last in lasts)]
    assert stale == []
