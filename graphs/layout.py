"""Named arrays in one flat float64 vector, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError


@dataclass(frozen=True)
class Layout:
    """Where each named array lies in a flat float64 vector.

    Integers and booleans are stored as float64, which is exact up to 2**53.

    Parameters
    ----------
    names : tuple of str
        Names of the arrays, in order.
    shapes : tuple of tuple of int
        Their shapes.
    dtypes : tuple of str
        Their dtypes once unpacked.

    Examples
    --------
    >>> layout = Layout(("a", "k"), ((2,), ()), ("float64", "int64"))
    >>> vector = layout.pack({"a": [1.0, 2.0], "k": 3})
    >>> vector
    array([1., 2., 3.])
    >>> layout.unpack(vector)["k"]
    array(3)
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, variables: Iterable[TensorVariable]) -> Layout:
        """Lay out variables of fully static shape under their own names.

        Parameters
        ----------
        variables : iterable of TensorVariable
            With names, in the order of the vector.

        Raises
        ------
        ModelError
            If a length is not known.
        """
        variables = tuple(variables)
        for variable in variables:
            if None in variable.type.shape:
                raise ModelError(
                    f"{variable.name or variable} has the shape {variable.type.shape}; a flat state needs every "
                    "length to be known: give the value variable a static shape.",
                    variable.name,
                )
        return cls(
            tuple(str(v.name) for v in variables),
            tuple(tuple(int(n) for n in v.type.shape) for v in variables),
            tuple(v.type.dtype for v in variables),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each array."""
        return tuple(prod(shape) for shape in self.shapes)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Position of the first element of each array."""
        return tuple(np.cumsum((0, *self.sizes))[:-1].tolist())

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(self.sizes)

    def name_of(self, element: int) -> str:
        """Return the name of the array that an element of the flat vector belongs to.

        Parameters
        ----------
        element : int
            Its position, from zero.
        """
        return next(
            n for n, start, size in zip(self.names, self.offsets, self.sizes, strict=True) if element < start + size
        )

    def only(self, names: Iterable[str] | None) -> Layout:
        """Return the layout of some of the arrays, in their order here.

        Parameters
        ----------
        names : iterable of str, or None
            Which; all if None.
        """
        if names is None:
            return self
        chosen = set(names)
        rows = [row for row in zip(self.names, self.shapes, self.dtypes, strict=True) if row[0] in chosen]
        return Layout(tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows))

    def elements(self, names: Iterable[str] | None) -> NDArray[np.int64]:
        """Return the positions of the elements of some of the arrays, in order.

        Parameters
        ----------
        names : iterable of str, or None
            Which; all if None.
        """
        slices = [self.slice_of(name) for name in self.only(names).names]
        return np.concatenate([np.zeros(0, np.int64), *(np.arange(s.start, s.stop) for s in slices)])

    def slice_of(self, name: str) -> slice:
        """Return the slice of the flat vector that holds an array.

        Parameters
        ----------
        name : str
            Of the array.
        """
        i = self.names.index(name)
        return slice(self.offsets[i], self.offsets[i] + self.sizes[i])

    def pack(self, values: Mapping[str, object]) -> NDArray[np.float64]:
        """Return the flat vector of values.

        Parameters
        ----------
        values : mapping of str to array
            One for each name, of its declared shape: nothing is broadcast.

        Raises
        ------
        ModelError
            If one is missing or has another shape.
        """
        vector = np.empty(self.size)
        for name, shape, offset, size in zip(self.names, self.shapes, self.offsets, self.sizes, strict=True):
            if name not in values:
                raise ModelError(f"No value for {name}; values are needed for {', '.join(self.names)}.", name)
            value = np.asarray(values[name])
            if value.shape != shape:
                raise ModelError(f"The value of {name} has shape {value.shape}; its shape is {shape}.", name)
            vector[offset : offset + size] = value.ravel()
        return vector

    def unpack(self, vector: NDArray[np.float64], *, copy: bool = True) -> dict[str, NDArray]:
        """Return the named arrays of a flat vector, or of an array of them.

        Parameters
        ----------
        vector : float64 array, shape (..., size)
            Vectors on the last axis.
        copy : bool, default True
            If not, those of float64 are views where NumPy can make them.

        Returns
        -------
        dict of str to array
            Of shape ``(..., *shape)``, in their dtypes.
        """
        batch = vector.shape[:-1]
        return {
            name: vector[..., offset : offset + size].reshape(batch + shape).astype(dtype, copy=copy)
            for name, shape, dtype, offset, size in zip(
                self.names, self.shapes, self.dtypes, self.offsets, self.sizes, strict=True
            )
        }
