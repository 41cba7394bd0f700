"""Deterministics that were declared and not given to a model, which nothing that it was given depends on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from weakref import WeakSet

from pytensor.graph.basic import Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.random_graph import creation_number

_DECLARED: WeakSet[TensorVariable] = WeakSet()


def remember(deterministic: TensorVariable) -> None:
    """Keep in mind, as long as it lives, that a deterministic was declared: no graph leads from a variable to it."""
    _DECLARED.add(deterministic)


def forgotten(variables: Iterable[Variable], kept: Collection[str]) -> tuple[str, ...]:
    """Return the deterministics that depend on random variables of a model and are not among what it keeps, by name."""
    declared = sorted((d for d in _DECLARED if d.name not in kept), key=creation_number)
    dependent = set(variables)
    for node in toposort(declared):
        if not dependent.isdisjoint(node.inputs):
            dependent.update(node.outputs)
    return tuple(dict.fromkeys(str(d.name) for d in declared if d in dependent))
