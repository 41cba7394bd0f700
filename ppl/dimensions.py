"""Names and labels of axes, gathered from declarations and from the model's own arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.random_graph import static_shape
from ppl.declaration import Declaration

Labels = dict[str, tuple[Any, ...]]


def find_dimensions(
    variables: Mapping[str, TensorVariable],
    declarations: Mapping[str, Declaration],
    coords: Mapping[str, Sequence[Any]],
    dims: Mapping[str, Sequence[str] | str],
) -> tuple[dict[str, tuple[str, ...]], Labels]:
    """Return the dims of each variable and the labels of each dim, checked against the variables' shapes.

    Raises
    ------
    ModelError
        If a name is unknown, an axis has no name, or lengths or labels disagree.
    """
    labels: Labels = {dim: tuple(values) for dim, values in coords.items()}
    found: dict[str, tuple[str, ...]] = {}
    for name, declaration in declarations.items():
        if declaration.dims is not None:
            found[name] = declaration.dims
        for dim, values in declaration.coords.items():
            if labels.setdefault(dim, tuple(values)) != tuple(values):
                raise ModelError(f"The dim {dim!r} of {name} has other labels than elsewhere in the model.", name)
    for name, given in dims.items():
        if name not in variables:
            raise ModelError(
                f"dims names {name!r}, which is not in the model; its variables are {', '.join(variables)}.", name
            )
        found[name] = (given,) if isinstance(given, str) else tuple(given)
    _check_lengths(variables, found, labels)
    return found, labels


def _check_lengths(
    variables: Mapping[str, TensorVariable], dims: Mapping[str, tuple[str, ...]], labels: Labels
) -> None:
    lengths: dict[str, tuple[int, str]] = {}
    for name, axes in dims.items():
        shape = static_shape(variables[name])
        if len(shape) != len(axes):
            raise ModelError(f"{name} has {len(shape)} axes but dims {axes}: name every axis.", name)
        for dim, length in zip(axes, shape, strict=True):
            if dim in labels and len(labels[dim]) != length:
                raise ModelError(
                    f"{name} has length {length} along {dim!r}, but coords has {len(labels[dim])} labels for it.", name
                )
            first, other = lengths.setdefault(dim, (length, name))
            if first != length:
                raise ModelError(
                    f"{name} has length {length} along {dim!r}, but {other} has length {first} along it.", name
                )
