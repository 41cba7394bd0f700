"""Loops over the fixed positions of a sparse factor that find the determinant, solutions, and elements of the inverse.

What an operation takes for its gradient alone is passed here too: programs pass all that it takes.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from graphs.sparse.kernels import by_elimination


@njit(cache=True, error_model="numpy")
def log_determinant(
    values: NDArray,
    factor: NDArray,
    first: NDArray,
    second: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    targets: NDArray,
) -> NDArray:
    """Return the log-determinant of the matrix, shape (), from its factor; not a number where the factor is not.

    A logarithm is taken of many pivots at once: their product, as long as it is neither very large nor very small. The
    root of any number of double precision times such a product is one of double precision.
    """
    total, product = 0.0, 1.0
    for j in range(starts.size - 1):
        product *= factor[starts[j]]
        if not 1e-100 < product < 1e100:
            total += log(product)
            product = 1.0
    result = np.empty(())
    result[()] = -2.0 * (total + log(product))
    return result


@njit(cache=True, error_model="numpy")
def solve(
    values: NDArray,
    right: NDArray,
    factor: NDArray,
    order: NDArray,
    first: NDArray,
    second: NDArray,
    starts: NDArray,
    rows: NDArray,
) -> NDArray:
    """Return ``A^-1 b``, b and the result in the order of the matrix."""
    count = order.size
    x = by_elimination(right, order)
    for j in range(count):
        value = x[j] * factor[starts[j]]
        x[j] = value
        for p in range(starts[j] + 1, starts[j + 1]):
            x[rows[p]] -= factor[p] * value
    result = np.empty(count)
    for j in range(count - 1, -1, -1):
        total = x[j]
        for p in range(starts[j] + 1, starts[j + 1]):
            total -= factor[p] * x[rows[p]]
        x[j] = total * factor[starts[j]]
        result[order[j]] = x[j]
    return result


@njit(cache=True, error_model="numpy")
def selected_inverse(factor: NDArray, places: NDArray, starts: NDArray, rows: NDArray, targets: NDArray) -> NDArray:
    """Return the elements of the inverse where those of the matrix are given.

    Where the factor has elements the inverse is found from its last column to its first: an element of it takes others
    that lie where the factor has elements too (Takahashi, Fagan and Chen 1973).
    """
    inverse = np.empty(rows.size)
    if targets.size:
        _invert_listed(inverse, factor, starts, targets)
    else:
        _invert_searched(inverse, factor, starts, rows)
    result = np.empty(places.size)
    for k in range(places.size):
        result[k] = inverse[places[k]]
    return result


@njit(cache=True, error_model="numpy")
def _invert_listed(inverse: NDArray, factor: NDArray, starts: NDArray, targets: NDArray) -> None:
    """Find each column from the later ones, in which the elements it takes stand where the factor's products went."""
    t = targets.size
    for j in range(starts.size - 2, -1, -1):
        begin, end = starts[j], starts[j + 1]
        num_below = end - begin - 1
        t -= num_below * (num_below + 1) // 2
        place = t
        for p in range(begin + 1, end):
            inverse[p] = 0.0
        for p in range(begin + 1, end):
            multiplier = factor[p]
            total = multiplier * inverse[targets[place]]
            place += 1
            for q in range(p + 1, end):
                element = inverse[targets[place]]
                place += 1
                total += factor[q] * element
                inverse[q] += multiplier * element
            inverse[p] += total
        _finish(inverse, factor, begin, end)


@njit(cache=True, error_model="numpy")
def _invert_searched(inverse: NDArray, factor: NDArray, starts: NDArray, rows: NDArray) -> None:
    """Find each column from the later ones, in which the elements it takes are searched for."""
    for j in range(starts.size - 2, -1, -1):
        begin, end = starts[j], starts[j + 1]
        for p in range(begin + 1, end):
            inverse[p] = 0.0
        for p in range(begin + 1, end):
            multiplier = factor[p]
            place, stop = starts[rows[p]], starts[rows[p] + 1]
            total = multiplier * inverse[place]
            for q in range(p + 1, end):
                place += 1
                high = stop if rows[place] != rows[q] else place
                while place < high:
                    middle = (place + high) // 2
                    if rows[middle] < rows[q]:
                        place = middle + 1
                    else:
                        high = middle
                element = inverse[place]
                total += factor[q] * element
                inverse[q] += multiplier * element
            inverse[p] += total
        _finish(inverse, factor, begin, end)


@njit(cache=True, error_model="numpy")
def _finish(inverse: NDArray, factor: NDArray, begin: int, end: int) -> None:
    """Make a column of the inverse of the products of the column of the factor with the later columns."""
    scale = factor[begin]
    diagonal = scale
    for p in range(begin + 1, end):
        inverse[p] *= -scale
        diagonal -= factor[p] * inverse[p]
    inverse[begin] = diagonal * scale
