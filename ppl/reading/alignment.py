"""Arrays that say which axis is which: xarray's axes are read by their names, not by their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from ppl.declaring.declaration import Dims, declaration_of, read_dims
from ppl.reading.labels import are_same_labels, read_labels


def own_dims(array: Any) -> Dims | None:
    """Return the dims of an xarray array, with the labels that it has."""
    dims, coords = getattr(array, "dims", None), getattr(array, "coords", None)
    if dims is None or coords is None:
        return None
    return {str(d): read_labels(coords[d], str(d)) if d in coords else array.sizes[d] for d in dims}


def with_axes_in_order(array: Any, dims: Sequence[str] | None, what: str, name: str) -> Any:
    """Return an xarray array with its axes in the order of ``dims``; what has no names of its own as it is.

    Parameters
    ----------
    array : array_like
        Data.
    dims : sequence of str, optional
        Names of the axes of the variable that they belong to.
    what : str
        How a message calls them: "The data of y".
    name : str
        The variable.

    Raises
    ------
    ModelError
        If an axis has the name of another axis, and they cannot be exchanged.
    """
    own = tuple(own_dims(array) or ())
    if dims is None or len(own) != len(dims) or own == tuple(dims):
        return array
    if set(own) == set(dims):
        return array.transpose(*dims)
    for dim, wanted in zip(own, dims, strict=True):
        if dim != wanted and dim in dims:
            raise ModelError(
                f"{what} have the axes {own}, {name} has {tuple(dims)}: {dim!r} is another axis there. "
                "Give them the same names, in any order (rename), or .to_numpy() for the order alone.",
                name,
            )
    return array


def data_in_order(rv: Any, data: Any, dims: Mapping[str, Sequence[str] | str]) -> Any:
    """Return data with the axes of their variable, named where that was declared or by the model's ``dims``."""
    name = str(getattr(rv, "name", None) or "the variable")
    axes = read_dims(dims.get(name), name)
    declaration = declaration_of(rv) if isinstance(rv, TensorVariable) else None
    own = axes.dims if axes is not None else declaration.dims if declaration is not None else None
    return with_axes_in_order(data, own, f"The data of {name}", name)


def check_labels(array: Any, dims: Sequence[str], coords: Mapping[str, Sequence[Any]], what: str, name: str) -> None:
    """Raise if an xarray array has the model's labels along an axis, but at other places.

    Raises
    ------
    ModelError
        If labels are shared, and not the same. Labels of another kind, such as numbers in the place of names, are none
        of the model's.
    """
    own: Any = own_dims(array)
    for dim, labels in own.items() if isinstance(own, Mapping) else ():
        if dim not in dims or dim not in coords or isinstance(labels, int):
            continue
        if not are_same_labels(labels, tuple(coords[dim])) and set(labels) & set(coords[dim]):
            raise ModelError(
                f"{what} have other labels along {dim!r} than the model, or in another order: {_some(labels)}, there "
                f"{_some(coords[dim])}. Give data.sel({dim}=labels), or .to_numpy() for the order alone.",
                name,
            )


def _some(labels: Sequence[Any]) -> str:
    return ", ".join(map(str, labels[:4])) + (", ..." if len(labels) > 4 else "")
