"""The invariants of ARCHITECTURE.md that can be read off the files."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("graphs", "samplers", "ppl")  # each may import itself and those before it
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
MAX_LINES = 400
MAX_FILES = 15  # in one folder
MACHINE_PATH = re.compile(r"(?<![\w./~$}])/(?:home|Users|root|work|tmp|opt)/\w")


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported_packages(path: Path) -> Iterator[tuple[int, str]]:
    """The top-level packages that a module imports anywhere in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


def test_files_are_short():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(*LAYERS, "tests", "benchmarks")
    }
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


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
    silent = [
        str(path.relative_to(ROOT))
        for path in modules(layer)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
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


def test_no_module_imports_itself_by_way_of_others():
    paths = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in modules(*LAYERS)}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    needs = {name: {*imported_modules(tree, paths)} - {name} for name, tree in trees.items()}
    TopologicalSorter(needs).prepare()  # raises an error that names the circle
