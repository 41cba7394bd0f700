"""Shapes, and comparisons of arrays."""

from __future__ import annotations

from collections.abc import Hashable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

_FEW = 32
_SOME = 64


def shape_of(variable: TensorVariable) -> tuple[int, ...]:
    """Return the static shape."""
    return tuple(int(n) for n in variable.type.shape)


def positions_of(variable: TensorVariable) -> NDArray[np.int64]:
    """Return the position of every element in the flattened array."""
    shape = shape_of(variable)
    return np.arange(prod(shape)).reshape(shape)


def are_equal(a: NDArray, b: NDArray) -> bool:
    """Whether two arrays are equal, telling soon where they are not."""
    if a is b or a.shape != b.shape:
        return a is b
    first = (slice(0, _FEW),) * a.ndim
    return np.array_equal(a[first], b[first]) and np.array_equal(a, b)


def equality_key(array: NDArray) -> Hashable:
    """Return what is the same for arrays that are equal, whatever their types, and rarely for others."""
    some = array[tuple(slice(None, None, max(n // _SOME, 1)) for n in array.shape)]
    # Zero has two signs.
    return array.shape, hash((np.asarray(some, "float64") + 0.0).tobytes())


def size_of(variable: Variable) -> int | None:
    """Return the number of elements, None where the type does not tell it."""
    shape: Any = getattr(variable.type, "shape", (None,))
    return None if None in shape else prod(int(n) for n in shape)


def is_uniform(array: NDArray) -> bool:
    """Whether all elements are equal."""
    return array.size == 0 or bool((array == array.flat[0]).all())
