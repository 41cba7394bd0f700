"""Names and labels of axes, gathered from declarations and from the model's own arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import static_shape
from ppl.declaring.declaration import Declaration, read_dims
from ppl.reading.labels import Labels, are_same_labels, check_dim, read_labels


def find_dimensions(
    variables: Mapping[str, TensorVariable],
    declarations: Mapping[str, Declaration],
    coords: Mapping[str, Sequence[Any]],
    dims: Mapping[str, Sequence[str] | str],
) -> tuple[dict[str, tuple[str, ...]], dict[str, Labels]]:
    """Return the dims of each variable and the labels of each dim, checked against the variables' shapes.

    Raises
    ------
    ModelError
        If a name is unknown, an axis has no name, or lengths or labels disagree.
    """
    labels = {dim: read_labels(values, dim) for dim, values in coords.items()}
    found: dict[str, tuple[str, ...]] = {}
    for name, declaration in declarations.items():
        if declaration.dims is not None:
            found[name] = declaration.dims
        _add_labels(labels, declaration.coords, name)
    for name, given in dims.items():
        if name not in variables:
            raise ModelError(
                f"dims names {name!r}, which is not in the model; its variables are {', '.join(variables)}.", name
            )
        axes = read_dims(given, name)
        assert axes is not None
        found[name] = axes.dims
        _add_labels(labels, axes.coords, name)
    _check_lengths(variables, found, labels)
    return found, labels


def _add_labels(labels: dict[str, Labels], coords: Mapping[str, Labels], name: str) -> None:
    for dim, values in coords.items():
        if not are_same_labels(labels.setdefault(dim, values), values):
            raise ModelError(f"The dim {dim!r} of {name} has other labels than elsewhere in the model.", name)


def check_clashes(groups: Sequence[Mapping[str, int]], dims: Mapping[str, tuple[str, ...]]) -> None:
    """Raise if an axis has a name that results cannot hold, or that of a variable in the same group.

    Parameters
    ----------
    groups : sequence of mapping of str to int
        Variables that stand beside each other in results, and how many axes each has.
    dims : mapping of str to tuple of str
        The names of axes; those of a variable ``x`` that are not given are ``x_dim_0``, ``x_dim_1``, ...
    """
    for name, axes in dims.items():
        for dim in axes:
            check_dim(dim, name)
    for group in groups:
        for name, num_axes in group.items():
            for dim in dims.get(name, automatic_dims(name, num_axes)):
                if dim in group:
                    raise ModelError(
                        f"{dim!r} is a variable and an axis of {name}: in the results labels of that name would take "
                        "its place. Rename one of the two (an axis by dims=...).",
                        dim,
                    )


def automatic_dims(name: str, num_axes: int) -> tuple[str, ...]:
    """Return ArviZ's names of axes that have none."""
    return tuple(f"{name}_dim_{i}" for i in range(num_axes))


def _check_lengths(
    variables: Mapping[str, TensorVariable], dims: Mapping[str, tuple[str, ...]], labels: Mapping[str, Labels]
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
