"""One word has one meaning: classes and functions have names of their own.

Answers: the names in the files, read by Python.
"""

from __future__ import annotations

import ast

from tests.test_architecture import LAYERS, ROOT, modules, tree_of

ONE_MEANING = {
    "add added chosen log_of log_sum multiplied multiply power product scaled times": "of another algebra",
    "digamma log1mexp softplus": "of graphs, of numbers and of vectors",
    "forward gradient inverses log_determinants trace_back": "in JAX and in machine code",
    "adapt_scale find_step_size start_averaging start_inverse_mass_matrix": "in JAX and in machine code",
    "folded": "of graphs, and of one node",
    "propose": "of another sampler",
    "compile em": "of graphs or log-densities, and of models",
    "install": "of a module that changes others",
}
"""Functions of one name in several files, and how they differ."""


def test_a_class_has_a_name_of_its_own():
    places: dict[str, list[str]] = {}
    for path in modules(*LAYERS):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.strip("_"), []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_public_function_has_a_name_of_its_own():
    places: dict[str, list[str]] = {}
    for path in modules(*LAYERS):
        for node in tree_of(path).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    shared = {name: found for name, found in places.items() if len(found) > 1}
    known = {name for names in ONE_MEANING for name in names.split()}
    assert {name: found for name, found in shared.items() if name not in known} == {}
    assert known <= set(shared), "a reason that is needed no more"
