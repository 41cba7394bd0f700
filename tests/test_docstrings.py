"""Every public function and method says what its parameters are.

Answers: the signatures, as Python has them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

import ppl

PACKAGES = ("ppl", "graphs", "samplers")
BETWEEN_ROOMS = {
    "ppl.Until": "names_among",
    "ppl.CompiledModel": "attributes begin expansion_for explaining",
    "samplers.Sweep": "elements",
}
"""Methods that other rooms call, and users do not: one line is enough."""


def callables_of(package: str) -> Iterator[tuple[str, Any]]:
    """Functions, classes, and methods that a class does not take over from another, distributions apart.

    PyMC describes the parameters of these.
    """
    module = import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        if package == "ppl" and name in ppl.distributions.__all__:
            continue
        if inspect.isfunction(thing):
            yield f"{package}.{name}", thing
        if inspect.isclass(thing):
            for method, value in vars(thing).items():
                is_inherited = any(hasattr(base, method) for base in thing.__mro__[1:])
                function = getattr(value, "__func__", value)
                is_ours = method in BETWEEN_ROOMS.get(f"{package}.{name}", "").split()
                if inspect.isfunction(function) and not (method.startswith("_") or is_inherited or is_ours):
                    yield f"{package}.{name}.{method}", function


def described(docstring: str) -> set[str]:
    """Return the names in the section on parameters of a numpydoc docstring."""
    [*sections] = re.findall(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^(\S.*?)(?: :.*)?$", "\n".join(sections), flags=re.MULTILINE)
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


@pytest.mark.parametrize("package", PACKAGES)
def test_parameters_are_described(package):
    silent = {
        name: missing
        for name, function in callables_of(package)
        if (
            missing := {*inspect.signature(function).parameters}
            - {"self", "cls"}
            - described(inspect.getdoc(function) or "")
        )
    }
    assert silent == {}


def test_public_functions_have_examples():
    """Those of the first door; methods of classes are shown in the examples of these."""
    functions = [getattr(ppl, name) for name in ppl.__all__ if name not in ppl.distributions.__all__]
    assert [f.__name__ for f in functions if inspect.isfunction(f) and ">>>" not in (inspect.getdoc(f) or "")] == []
