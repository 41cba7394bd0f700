"""Shapes, and comparisons of arrays."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

_FEW = 32


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
    # Zero has two signs. Bytes would take four times as long to hash.
    bits = (np.asarray(array, "float64") + 0.0).ravel().view("uint64")
    bits ^= bits >> np.uint64(32)  # of short numbers the lower bits are zero, and would be in products
    return array.shape, int(np.dot(bits, _weights(array.size)))


@lru_cache(maxsize=4)
def _weights(size: int) -> NDArray[np.uint64]:
    """Return random numbers by which those of an array are multiplied: the sum tells arrays apart."""
    return np.random.default_rng(0).integers(2**63, size=size, dtype="uint64")


def size_of(variable: Variable) -> int | None:
    """Return the number of elements, None where the type does not tell it."""
    shape: Any = getattr(variable.type, "shape", (None,))
    return None if None in shape else prod(int(n) for n in shape)


def is_uniform(array: NDArray) -> bool:
    """Whether all elements are equal."""
    return array.size == 0 or bool((array == array.flat[0]).all())
