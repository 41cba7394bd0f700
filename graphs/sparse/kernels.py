"""Loops over the fixed positions of a sparse factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit


@njit(cache=True, error_model="numpy")
def by_elimination(vector: NDArray, order: NDArray) -> NDArray:
    """Return a vector, which is in the order of the matrix, in the order of elimination."""
    result = np.empty(order.size)
    for j in range(order.size):
        result[j] = vector[order[j]]
    return result


@njit(cache=True, error_model="numpy")
def factorize(
    values: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    row_starts: NDArray,
    row_columns: NDArray,
    row_places: NDArray,
    targets: NDArray,
) -> NDArray:
    """Return the elements of the factor, on its diagonal one over them.

    Not a number where the matrix is not positive definite.
    """
    factor = np.zeros(rows.size)
    for k in range(places.size):
        factor[places[k]] = values[k]
    if targets.size:
        is_positive = _eliminate_ahead(factor, starts, targets)
    else:
        is_positive = _eliminate_behind(factor, starts, rows, row_starts, row_columns, row_places)
    if not is_positive:
        factor[:] = np.nan
    return factor


@njit(cache=True, error_model="numpy")
def _eliminate_ahead(factor: NDArray, starts: NDArray, targets: NDArray) -> bool:
    """Subtract the products of each column from the later ones at once: no search, but one position a product."""
    t = 0
    for j in range(starts.size - 1):
        begin, end = starts[j], starts[j + 1]
        pivot = factor[begin]
        if not pivot > 0.0:
            return False
        inverse = 1.0 / np.sqrt(pivot)
        factor[begin] = inverse
        for p in range(begin + 1, end):
            factor[p] *= inverse
        for p in range(begin + 1, end):
            multiplier = factor[p]
            for q in range(p, end):
                factor[targets[t]] -= multiplier * factor[q]
                t += 1
    return True


@njit(cache=True, error_model="numpy")
def _eliminate_behind(
    factor: NDArray, starts: NDArray, rows: NDArray, row_starts: NDArray, row_columns: NDArray, row_places: NDArray
) -> bool:
    """Subtract from each column the products of the earlier ones: little memory however many products there are."""
    work = np.zeros(starts.size - 1)
    for j in range(starts.size - 1):
        begin, end = starts[j], starts[j + 1]
        for p in range(begin, end):
            work[rows[p]] = factor[p]
        for r in range(row_starts[j], row_starts[j + 1]):
            place, stop = row_places[r], starts[row_columns[r] + 1]
            multiplier = factor[place]
            for p in range(place, stop):
                work[rows[p]] -= multiplier * factor[p]
        pivot = work[j]
        if not pivot > 0.0:
            return False
        inverse = 1.0 / np.sqrt(pivot)
        factor[begin] = inverse
        for p in range(begin + 1, end):
            factor[p] = work[rows[p]] * inverse
    return True


@njit(cache=True, error_model="numpy")
def solve_with_noise(
    values: NDArray,
    right: NDArray,
    noise: NDArray,
    order: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    row_starts: NDArray,
    row_columns: NDArray,
    row_places: NDArray,
    targets: NDArray,
) -> NDArray:
    """Return ``A^-1 b + L'^-1 z``: b and the result in the order of the matrix, z in the order of elimination."""
    if targets.size:
        return _solve_without_roots(values, right, noise, order, places, starts, rows, targets)
    factor = factorize(values, places, starts, rows, row_starts, row_columns, row_places, targets)
    count = order.size
    x = by_elimination(right, order)
    for j in range(count):
        value = x[j] * factor[starts[j]]
        x[j] = value + noise[j]
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
def _solve_without_roots(
    values: NDArray,
    right: NDArray,
    noise: NDArray,
    order: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    targets: NDArray,
) -> NDArray:
    """Solve as above with ``A = L D L'``, L having ones on its diagonal.

    Each column waits for a division instead of a division and a root; the roots, of the noise alone, are taken at once.
    """
    count = order.size
    factor = np.zeros(rows.size)
    x, variances = by_elimination(right, order), np.empty(count)
    for k in range(places.size):
        factor[places[k]] = values[k]
    if not _eliminate_without_roots(factor, variances, x, starts, rows, targets):
        return np.full(count, np.nan)
    for j in range(count):
        x[j] = x[j] * variances[j] + noise[j] * np.sqrt(variances[j])
    result = np.empty(count)
    for j in range(count - 1, -1, -1):
        total = x[j]
        for p in range(starts[j] + 1, starts[j + 1]):
            total -= factor[p] * x[rows[p]]
        x[j] = total
        result[order[j]] = total
    return result


@njit(cache=True, error_model="numpy")
def _eliminate_without_roots(
    factor: NDArray, variances: NDArray, x: NDArray, starts: NDArray, rows: NDArray, targets: NDArray
) -> bool:
    """Factorise in place, ``variances`` being the reciprocals of D, and solve ``L x = b`` on the way."""
    t = 0
    for j in range(starts.size - 1):
        begin, end = starts[j], starts[j + 1]
        if not factor[begin] > 0.0:
            return False
        variance = 1.0 / factor[begin]
        variances[j] = variance
        for p in range(begin + 1, end):
            multiplier = factor[p] * variance
            for q in range(p, end):
                factor[targets[t]] -= multiplier * factor[q]
                t += 1
        value = x[j]
        for p in range(begin + 1, end):
            factor[p] *= variance
            x[rows[p]] -= factor[p] * value
    return True
