"""What a declaration adds to a variable of the graph: its name, axes, change of variables and starting value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pymc.logprob.transforms import Transform
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import why_not_a_name
from ppl.modelling.lengths import unknown_length
from ppl.reading.labels import Labels, check_dim, read_labels

Dims = str | Sequence[str] | Mapping[str, int | Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Declaration:
    """What was said about a named variable; kept in its ``tag.declaration``.

    Parameters
    ----------
    name : str
        The variable's name.
    dims : tuple of str, optional
        Names of its axes, one for each.
    transform : Transform, None or "default"
        The change of variables to the unconstrained space: resolved, so that it is the whole of it; ``"default"``
        is PyMC's for the distribution, ``None`` is none.
    initval : object, optional
        Starting value, as given.
    coords : mapping of str to tuple
        Labels along those of ``dims`` that were given any.
    """

    name: str
    dims: tuple[str, ...] | None = None
    transform: Transform | Literal["default"] | None = "default"
    initval: Any = None
    coords: Mapping[str, Labels] = field(default_factory=dict)


@dataclass(frozen=True)
class Axes:
    """Names of axes, with the lengths and labels that came with them."""

    dims: tuple[str, ...]
    lengths: tuple[int | None, ...]
    coords: Mapping[str, Labels]

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The whole shape, ``None`` where a length is not known."""
        known = tuple(length for length in self.lengths if length is not None)
        return known if len(known) == len(self.lengths) else None

    def shape_with(self, own: tuple[int | None, ...]) -> tuple[Any, ...]:
        """Return the whole shape of a variable whose parameters have the shape ``own``.

        What is said nowhere is an input, for which a model puts the length that it finds.
        """
        from_parameters = (*(None,) * (len(self.dims) - len(own)), *own)
        return tuple(
            length if length is not None else own if own not in (None, 1) else unknown_length(dim)
            for dim, length, own in zip(self.dims, self.lengths, from_parameters, strict=True)
        )


def declaration_of(variable: Variable) -> Declaration | None:
    """Return the declaration of a variable, ``None`` if it was not declared by this package.

    Examples
    --------
    >>> import ppl
    >>> declaration_of(ppl.Normal("mu", 0, 1)).name
    'mu'
    """
    declaration: Declaration | None = getattr(variable.tag, "declaration", None)
    return declaration


def check_name(name: object, function: str) -> str:
    """Return ``name``, or raise if it is not the name of a variable."""
    if isinstance(name, str) and (why := why_not_a_name(name)):
        raise ModelError(f"{name!r} cannot be the name of a variable: {why}. Give it another one.", name)
    if isinstance(name, str) and name.strip():
        return name
    found = f"{name!r}" if isinstance(name, str) else f"{name!r}, of type {type(name).__name__}"
    raise ModelError(
        f"The first argument of ppl.{function} is the variable's name, a string that is not empty; found {found}. "
        f'Write ppl.{function}("x", ...).'
    )


def read_dims(dims: Dims | None, name: str) -> Axes | None:
    """Read ``"school"``, ``("school", "year")``, ``{"school": 8}`` or ``{"school": [labels]}``."""
    if dims is None:
        return None
    if isinstance(dims, str):
        dims = (dims,)
    if not isinstance(dims, Iterable):
        raise ModelError(f"The dims of {name} are a string, or one for each axis, not {dims!r}.", name)
    names = tuple(check_dim(dim, name) for dim in dims)
    if len(set(names)) < len(names):
        raise ModelError(f"The dims of {name} are {names}; a name cannot stand for two axes.", name)
    lengths: list[int | None] = []
    coords: dict[str, Labels] = {}
    for dim in names:
        given = dims[dim] if isinstance(dims, Mapping) else None
        if given is None:
            lengths.append(None)
        elif isinstance(given, int | np.integer) and not isinstance(given, bool):
            if given < 0:
                raise ModelError(f"The axis {dim!r} of {name} cannot have the length {given}.", name)
            lengths.append(int(given))
        else:
            coords[dim] = read_labels(given, dim)
            lengths.append(len(coords[dim]))
    return Axes(names, tuple(lengths), coords)


def check_axes(variable: TensorVariable, axes: Axes | None, name: str) -> None:
    """Raise if the variable's axes are not those that were named."""
    if axes is None:
        return
    if len(axes.dims) > variable.type.ndim:
        first = axes.dims[-1]
        raise ModelError(
            f"{name} has dims {axes.dims} but {variable.type.ndim} axes, and the length of {first!r} is not known "
            f"where it is declared: give size=..., or the length with the name, dims={{{first!r}: 8}}.",
            name,
        )
    if len(axes.dims) < variable.type.ndim:
        raise ModelError(
            f"{name} has {variable.type.ndim} axes, of static shape {variable.type.shape}, but dims {axes.dims}: "
            "name every axis.",
            name,
        )
    for dim, length, actual in zip(axes.dims, axes.lengths, variable.type.shape, strict=True):
        if length is not None and actual is not None and length != actual:
            raise ModelError(f"The axis {dim!r} of {name} has length {actual}, but dims says {length}.", name)


def declare(variable: TensorVariable, declaration: Declaration) -> TensorVariable:
    """Name a variable of the graph and keep what was said about it."""
    variable.name = declaration.name
    variable.tag.declaration = declaration
    return variable
