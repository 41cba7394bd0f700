"""Values of some rows, put into those of all, or left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def put_rows(new: dict[str, NDArray], name: str, array: NDArray, first: int, num_rows: int) -> bool:
    """Put the values of some rows into those of all."""
    if len(array) == num_rows:
        new[name] = array
        return True
    if name not in new:
        new[name] = np.empty((num_rows, *np.shape(array)[1:]), np.asarray(array).dtype)
    new[name][first : first + len(array)] = array
    return True


def without_rows(array: NDArray, missing: NDArray[np.bool_]) -> NDArray:
    """Return the array, of floats, without the rows that are missing."""
    return np.where(missing.reshape(-1, *[1] * (array.ndim - 1)), np.nan, array)
