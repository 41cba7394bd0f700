"""Lengths of axes that are not said where a variable is declared, but by the model: labels, data, other variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.fixing import value_of_data
from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import substitute
from ppl.reading.labels import read_labels


def unknown_length(dim: str) -> TensorVariable:
    """Return an input that stands for the length of a dim until a model tells it."""
    variable = named_input(f"length of {dim}", (), "int64")
    variable.tag.length_of = dim
    return variable


def with_lengths(
    observed: Mapping[TensorVariable, Any], extra: Sequence[TensorVariable], coords: Mapping[str, Sequence[Any]]
) -> tuple[Mapping[TensorVariable, Any], list[TensorVariable]]:
    """Put lengths that were left open into the graphs of a model.

    Parameters
    ----------
    observed : mapping of TensorVariable to array
        The observed variables and their data.
    extra : sequence of TensorVariable
        What else belongs to the model.
    coords : mapping of str to sequence
        Labels that the model was given.

    Raises
    ------
    ModelError
        If a length is not known: no labels, no variable and no data have that dim.
    """
    variables = [v for v in observed if isinstance(v, TensorVariable)]
    graph = list(ancestors([*variables, *extra]))
    unknown = {v: v.tag.length_of for v in graph if hasattr(v.tag, "length_of")}
    if not unknown:
        return observed, list(extra)
    lengths = _known_lengths(graph, {v: observed[v] for v in variables}, coords)
    for dim in unknown.values():
        if dim not in lengths:
            raise ModelError(
                f"The length of the dim {dim!r} is not known: give its labels to the model, "
                f"coords={{{dim!r}: [...]}}, or its length where a variable is declared, dims={{{dim!r}: 8}}."
            )
    replacements: dict[Variable, Variable] = {v: pt.constant(lengths[dim], dtype="int64") for v, dim in unknown.items()}
    try:
        new = [_tensor(v) for v in substitute([*variables, *extra], replacements)]
    except (ValueError, TypeError) as error:
        found = ", ".join(f"{dim!r}: {lengths[dim]}" for dim in dict.fromkeys(unknown.values()))
        raise ModelError(f"The lengths of dims do not fit the variables ({found}): {error}") from error
    others = {v: data for v, data in observed.items() if v not in variables}
    return {**dict(zip(new, (observed[v] for v in variables), strict=False)), **others}, new[len(variables) :]


def _known_lengths(
    graph: Iterable[Variable], observed: Mapping[TensorVariable, Any], coords: Mapping[str, Sequence[Any]]
) -> dict[str, int]:
    """Return what labels, then other variables, then data tell."""
    lengths = {dim: len(read_labels(labels, dim)) for dim, labels in coords.items()}
    declared = {v: d for v in graph if (d := getattr(v.tag, "declaration", None)) is not None and d.dims}
    for declaration in declared.values():
        for dim, labels in declaration.coords.items():
            lengths.setdefault(dim, len(labels))
    shapes = [(d.dims, v.type.shape) for v, d in declared.items()]
    given: dict[TensorVariable, Any] = {
        v: value_of_data(data) if isinstance(data, Variable) else data for v, data in observed.items()
    }
    shapes += [(declared[v].dims, np.shape(data)) for v, data in given.items() if v in declared]
    for dims, shape in shapes:
        for dim, length in zip(dims, shape, strict=False):
            if length is not None and len(dims) == len(shape):
                lengths.setdefault(dim, int(length))
    return lengths


def _tensor(variable: Variable) -> TensorVariable:
    assert isinstance(variable, TensorVariable)
    return variable
