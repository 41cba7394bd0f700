"""Loops for the matrices ``A'A`` of sparse rows with twice the digits: factors, inverses and solutions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from graphs.sparse.two_floats import added, multiplied, product, reciprocal_root


@njit(cache=True, error_model="numpy")
def factorize_twice(
    elements: NDArray,
    firsts: NDArray,
    seconds: NDArray,
    ends: NDArray,
    starts: NDArray,
    rows: NDArray,
    row_starts: NDArray,
    row_columns: NDArray,
    row_places: NDArray,
) -> NDArray:
    """Return the factor of ``A'A``, on its diagonal one over its elements; no numbers where it has none."""
    size = rows.size
    factor = np.zeros((2, size + 1))
    high, low = factor[0], factor[1]
    for k in range(size):
        for t in range(ends[k], ends[k + 1]):
            a, a_low = product(elements[firsts[t]], elements[seconds[t]])
            high[k], low[k] = added(high[k], low[k], a, a_low)
    if not _eliminate(high, low, starts, rows, row_starts, row_columns, row_places):
        high[:] = np.nan
    low[size] = 1.0
    return factor


@njit(cache=True, error_model="numpy")
def _eliminate(
    high: NDArray,
    low: NDArray,
    starts: NDArray,
    rows: NDArray,
    row_starts: NDArray,
    row_columns: NDArray,
    row_places: NDArray,
) -> bool:
    """Factorise in place; whether the matrix is positive definite."""
    work, work_low = np.zeros(starts.size - 1), np.zeros(starts.size - 1)
    for j in range(starts.size - 1):
        begin, end = starts[j], starts[j + 1]
        for p in range(begin, end):
            work[rows[p]], work_low[rows[p]] = high[p], low[p]
        for r in range(row_starts[j], row_starts[j + 1]):
            place, stop = row_places[r], starts[row_columns[r] + 1]
            for p in range(place, stop):
                a, a_low = multiplied(high[place], low[place], high[p], low[p])
                i = rows[p]
                work[i], work_low[i] = added(work[i], work_low[i], -a, -a_low)
        if not work[j] > 0.0:
            return False
        root, root_low = reciprocal_root(work[j], work_low[j])
        high[begin], low[begin] = root, root_low
        for p in range(begin + 1, end):
            high[p], low[p] = multiplied(work[rows[p]], work_low[rows[p]], root, root_low)
    return True


@njit(cache=True, error_model="numpy")
def project_twice(
    elements: NDArray, factor: NDArray, begins: NDArray, pairs: NDArray, starts: NDArray, rows: NDArray
) -> NDArray:
    """Return the elements of ``A (A'A)^-1`` where A has any."""
    result, result_low = np.zeros(elements.size), np.zeros(elements.size)
    high, low = np.zeros(rows.size), np.zeros(rows.size)
    _invert(high, low, factor, starts, rows)
    t = 0
    for i in range(begins.size - 1):
        for p in range(begins[i], begins[i + 1]):
            for q in range(p, begins[i + 1]):
                k = pairs[t]
                t += 1
                a, a_low = multiplied(high[k], low[k], elements[q], 0.0)
                result[p], result_low[p] = added(result[p], result_low[p], a, a_low)
                if q > p:
                    a, a_low = multiplied(high[k], low[k], elements[p], 0.0)
                    result[q], result_low[q] = added(result[q], result_low[q], a, a_low)
    return result


@njit(cache=True, error_model="numpy")
def _invert(high: NDArray, low: NDArray, factor: NDArray, starts: NDArray, rows: NDArray) -> None:
    """Find the inverse where the factor has elements, from its last column to its first."""
    for j in range(starts.size - 2, -1, -1):
        begin, end = starts[j], starts[j + 1]
        for p in range(begin + 1, end):
            place, stop = starts[rows[p]], starts[rows[p] + 1]
            a, a_low = multiplied(factor[0, p], factor[1, p], high[place], low[place])
            high[p], low[p] = added(high[p], low[p], a, a_low)
            for q in range(p + 1, end):
                place += 1
                if rows[place] != rows[q]:
                    place += np.searchsorted(rows[place:stop], rows[q])
                a, a_low = multiplied(factor[0, q], factor[1, q], high[place], low[place])
                high[p], low[p] = added(high[p], low[p], a, a_low)
                a, a_low = multiplied(factor[0, p], factor[1, p], high[place], low[place])
                high[q], low[q] = added(high[q], low[q], a, a_low)
        scale, scale_low = factor[0, begin], factor[1, begin]
        total, total_low = scale, scale_low
        for p in range(begin + 1, end):
            high[p], low[p] = multiplied(high[p], low[p], -scale, -scale_low)
            a, a_low = multiplied(factor[0, p], factor[1, p], high[p], low[p])
            total, total_low = added(total, total_low, -a, -a_low)
        high[begin], low[begin] = multiplied(total, total_low, scale, scale_low)


@njit(cache=True, error_model="numpy")
def least_squares_twice(
    right: NDArray,
    elements: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    starts: NDArray,
    rows: NDArray,
) -> tuple[NDArray, NDArray]:
    """Return the x of the least ``|A x - b|``, in the order of elimination, and ``b - A x``."""
    count, num_rows = starts.size - 1, begins.size - 1
    x, x_low = np.zeros(count), np.zeros(count)
    left, left_low = right.copy(), np.zeros(num_rows)
    for _ in range(2):
        _move(x, x_low, left, left_low, elements, factor, begins, columns, starts, rows)
        for i in range(num_rows):
            left[i], left_low[i] = right[i], 0.0
            for p in range(begins[i], begins[i + 1]):
                a, a_low = multiplied(x[columns[p]], x_low[columns[p]], elements[p], 0.0)
                left[i], left_low[i] = added(left[i], left_low[i], -a, -a_low)
    return x, left


@njit(cache=True, error_model="numpy")
def _move(
    x: NDArray,
    x_low: NDArray,
    left: NDArray,
    left_low: NDArray,
    elements: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    starts: NDArray,
    rows: NDArray,
) -> None:
    """Move x by the solution for what is left."""
    step, step_low = np.zeros(x.size), np.zeros(x.size)
    for i in range(begins.size - 1):
        for p in range(begins[i], begins[i + 1]):
            k = columns[p]
            a, a_low = multiplied(left[i], left_low[i], elements[p], 0.0)
            step[k], step_low[k] = added(step[k], step_low[k], a, a_low)
    solve_twice(step, step_low, factor, starts, rows)
    for k in range(x.size):
        x[k], x_low[k] = added(x[k], x_low[k], step[k], step_low[k])


@njit(cache=True, error_model="numpy")
def solve_twice(x: NDArray, x_low: NDArray, factor: NDArray, starts: NDArray, rows: NDArray) -> None:
    """Solve in place."""
    for j in range(starts.size - 1):
        x[j], x_low[j] = multiplied(x[j], x_low[j], factor[0, starts[j]], factor[1, starts[j]])
        for p in range(starts[j] + 1, starts[j + 1]):
            a, a_low = multiplied(x[j], x_low[j], factor[0, p], factor[1, p])
            x[rows[p]], x_low[rows[p]] = added(x[rows[p]], x_low[rows[p]], -a, -a_low)
    for j in range(starts.size - 2, -1, -1):
        for p in range(starts[j] + 1, starts[j + 1]):
            a, a_low = multiplied(x[rows[p]], x_low[rows[p]], factor[0, p], factor[1, p])
            x[j], x_low[j] = added(x[j], x_low[j], -a, -a_low)
        x[j], x_low[j] = multiplied(x[j], x_low[j], factor[0, starts[j]], factor[1, starts[j]])
