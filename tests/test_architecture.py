"""The invariants of ARCHITECTURE.md that can be read off the files.

Answers: ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("graphs", "samplers", "ppl")  # each may import itself and those before it
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
MAX_LINES = 300  # of a file
WHERE_USED = ("arviz", "arviz_base", "arviz_stats", "blackjax", "dask", "jax", "matplotlib", "scipy.stats", "zarr")
"""Packages that take longer to import than many models to sample, and that many sessions never use."""
MAX_FUNCTION_LINES = 60  # without the docstring: those of public functions are long by our rules
MAX_FILES = 15  # in one folder
MACHINE_PATH = re.compile(r"(?<![\w./~$}])/(?:home|Users|root|work|tmp|opt)/\w")


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_packages(path: Path) -> Iterator[tuple[int, str]]:
    """The top-level packages that a module imports anywhere in it, with the line."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]


def repository_files() -> list[Path]:
    """The files that git would track; without git, those of the folders that hold sources."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        return [ROOT / name for name in listed if (ROOT / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        return modules(*LAYERS, "tests", "benchmarks", "notebooks")


def test_packages_that_are_slow_to_import_are_imported_where_they_are_used():
    code = f"import sys, ppl; print(*(name for name in {WHERE_USED!r} if name in sys.modules))"
    imported = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert imported.split() == []


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_from_ppl_to_samplers_to_graphs(layer):
    above = LAYERS[LAYERS.index(layer) + 1 :]
    upward = [
        f"{path.relative_to(ROOT)}:{line} imports {package}"
        for path in modules(layer)
        for line, package in imported_packages(path)
        if package in above
    ]
    assert upward == []


def test_the_packages_do_not_import_their_tests():
    from_tests = [
        f"{path.relative_to(ROOT)}:{line} imports {package}"
        for path in modules(*LAYERS)
        for line, package in imported_packages(path)
        if package in {"tests", "benchmarks", "notebooks", "pytest", "hypothesis"}
    ]
    assert from_tests == []


def test_no_module_is_a_drawer_for_odds_and_ends():
    paths = modules(*LAYERS, "tests", "benchmarks", "notebooks")
    assert [str(path) for path in paths if {path.stem, path.parent.name} & FORBIDDEN_NAMES] == []


LONG_FILES = {
    "graphs/log_scale/logarithms.py": "one class, whose rules call each other by way of what it remembers",
    "graphs/marginal/lifting/indexing.py": "one rule, of indexing by states, in its steps",
    "graphs/recursion/loops/forward.py": "the sum and its twin, the maximum, work in one memory",
    "samplers/trajectories/tree.py": "one algorithm, in the order of its paper",
    "tests/graphs/marginal/marginal_models.py": "a list of models, a few lines each",
    "tests/graphs/marginal/models/chains.py": "a list of models, a few lines each",
    "tests/graphs/marginal/models/mixtures.py": "a list of models, a few lines each",
    "tests/private_names.py": "one list, to be read from top to bottom",
}
"""Files of more lines, and why they are not two."""

LONG_FUNCTIONS = {
    "move_nuts": "compiled as one: parts of it would be functions of all its local variables",
    "nuts_block": "two functions that JAX traces, and what both see",
}
"""Functions of more lines, and why they are not two."""


def test_files_are_short():
    """A file past the limit usually holds two subjects; where it does not, the reason is written down."""
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(*LAYERS, "tests", "benchmarks")
    }
    long = {name: length for name, length in lengths.items() if length > MAX_LINES}
    assert {name: length for name, length in long.items() if name not in LONG_FILES} == {}
    assert set(LONG_FILES) <= set(long), "a reason that is needed no more"


def num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From ``def`` to the last line, without the docstring."""
    described = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    docstring = 0 if described is None else int(described.end_lineno or 0) - described.lineno + 1
    return int(function.end_lineno or 0) - function.lineno + 1 - docstring


def test_functions_are_short():
    """A function past the limit usually has a part with a name; where it has none, the reason is written down."""
    lengths = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": num_lines(function)
        for path in modules(*LAYERS, "tests", "benchmarks", "notebooks")
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES}
    assert {name: length for name, length in long.items() if name.split()[1] not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= {name.split()[1] for name in long}, "a reason that is needed no more"


def test_no_file_names_a_place_on_somebody_s_machine():
    found = []
    for path in repository_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{i}: {line.strip()[:80]}"
            for i, line in enumerate(lines, 1)
            if MACHINE_PATH.search(line)
        ]
    assert found == []


@pytest.mark.parametrize("layer", LAYERS)
def test_public_names_exist_and_have_docstrings(layer):
    package = importlib.import_module(layer)
    names = [layer, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{layer}."))]
    faults = []
    for name in names:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            thing = getattr(module, public, None)
            if thing is None and not hasattr(module, public):
                faults.append(f"{name}.{public} is in __all__ but does not exist")
            elif (inspect.isclass(thing) or inspect.isroutine(thing)) and not inspect.getdoc(thing):
                faults.append(f"{name}.{public} has no docstring")
    assert faults == []


@pytest.mark.parametrize("layer", LAYERS)
def test_every_module_says_what_it_holds(layer):
    silent = [str(path.relative_to(ROOT)) for path in modules(layer) if not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_folders_are_short():
    numbers = Counter(str(path.parent.relative_to(ROOT)) for path in modules(*LAYERS))
    assert {folder: number for folder, number in numbers.items() if number > MAX_FILES} == {}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imported_modules(node: ast.AST, known: Collection[str]) -> Iterator[str]:
    """Those of the known modules that a piece of code imports when it runs."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        full = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name in known else str(node.module) for name in full]
    yield from (name for name in names if name in known)
    for child in node.orelse if is_for_types(node) else ast.iter_child_nodes(node):
        yield from imported_modules(child, known)


def paths_by_name() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules(*LAYERS)
    }


def test_no_module_imports_itself_by_way_of_others():
    paths = paths_by_name()
    trees = {name: tree_of(path) for name, path in paths.items()}
    needs = {name: {*imported_modules(tree, paths)} - {name} for name, tree in trees.items()}
    TopologicalSorter(needs).prepare()  # raises an error that names the circle


def table_of_rooms() -> dict[str, tuple[str, str]]:
    """Of each folder, from ARCHITECTURE.md: what may live there, and what may import it."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split("\n## Rooms\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w/]+)/` \| (.+) \| (.+) \|$", section, flags=re.MULTILINE)
    return {folder: (sentence, importers) for folder, sentence, importers in rows}


def test_the_table_of_rooms_is_that_of_the_folders():
    rooms = {path.parent.relative_to(ROOT).as_posix(): path for path in modules(*LAYERS) if path.name == "__init__.py"}
    table = table_of_rooms()
    assert set(table) == {path.parent.relative_to(ROOT).as_posix() for path in modules(*LAYERS)} == set(rooms)
    docstrings = {room: ast.get_docstring(tree_of(path)) or "" for room, path in rooms.items()}
    sentences = {room: " ".join(text.split("\n\n")[0].split()) for room, text in docstrings.items()}
    assert sentences == {room: sentence for room, (sentence, _) in table.items()}


def may_import(folder: str, room: str, importers: str) -> bool:
    """Whether files of a folder may import those of a room, by the last column of the table."""
    if "everything" in importers or folder == room:
        return True
    return any(f"{folder}/".startswith(f"{name}/") for name in re.findall(r"`([\w/]+)`", importers))


def imports_between_rooms() -> Iterator[tuple[str, str, str, str]]:
    """File and line, its folder, the room that it imports from, and the name that it imports, types included.

    What an ``__init__.py`` shows of the rooms inside its own is left out: it is their face.
    """
    paths = paths_by_name()
    for path in paths.values():
        folder = path.parent.relative_to(ROOT).as_posix()
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            origin = node.module if isinstance(node, ast.ImportFrom) else None
            for alias in node.names:
                full = f"{origin}.{alias.name}" if origin else alias.name
                target = paths.get(full, paths.get(str(origin)))
                if target is None or (path.name == "__init__.py" and target.is_relative_to(path.parent)):
                    continue
                room = target.parent.relative_to(ROOT).as_posix()
                yield f"{path.relative_to(ROOT)}:{node.lineno}", folder, room, full


def test_a_room_is_imported_by_those_that_the_table_names():
    """A new importer is named in the table of ARCHITECTURE.md, or what it needs belongs in another room."""
    table = table_of_rooms()
    assert [
        f"{place} imports {name}"
        for place, folder, room, name in imports_between_rooms()
        if not may_import(folder, room, table[room][1])
    ] == []


def test_what_has_an_underscore_stays_in_its_file():
    """The face of a room: the names without an underscore in its files."""
    assert [
        f"{place} imports {name}"
        for place, _, _, name in imports_between_rooms()
        if any(part.startswith("_") for part in name.split("."))
    ] == []


def test_what_has_an_underscore_is_not_reached_through_a_module():
    paths, found = paths_by_name(), []
    for path in paths.values():
        tree = tree_of(path)
        ours = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if f"{node.module}.{alias.name}" in paths
        }
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
            if isinstance(node.value, ast.Name) and node.value.id in ours
        ]
    assert found == []
