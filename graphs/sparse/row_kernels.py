"""Loops for the matrices ``A'A`` of sparse rows: factors, solutions, and what their determinants follow from.

A factor is an array of two rows, the second of which holds what the first leaves of more digits; its last column holds
the condition number, and whether more digits were needed. They are where ``A'A``, its diagonal made one, has a
condition number above `MOST_CONDITION`: it is the square of that of A, and what A knows the elements of ``A'A`` have
forgotten in the rounding.

References
----------
Cline, Moler, Stewart and Wilkinson (1979), An estimate for the condition number of a matrix, SIAM Journal on Numerical
Analysis 16: 368-375.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from graphs.sparse.inverse_kernels import selected_inverse
from graphs.sparse.kernels import by_elimination, factorize
from graphs.sparse.row_kernels_twice import factorize_twice, least_squares_twice, project_twice, solve_twice
from graphs.sparse.two_floats import added, product

MOST_CONDITION = 1e5
"""Sixteen digits less so many are eleven: more digits take four times as long."""
MOST_ROUNDED = 1e4
"""Of the largest part of a residual, times the condition number: a first solution is refined from there on."""


@njit(cache=True, error_model="numpy")
def factorize_rows(
    elements: NDArray,
    begins: NDArray,
    columns: NDArray,
    firsts: NDArray,
    seconds: NDArray,
    ends: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    row_starts: NDArray,
    row_columns: NDArray,
    row_places: NDArray,
    targets: NDArray,
) -> NDArray:
    """Return the factor of ``A'A``, on its diagonal one over its elements; no numbers where it has none.

    The elements of A stand row by row, each row from ``begins`` on. Up to its ``ends``, each element of ``A'A`` is the
    sum of products of the ``firsts`` with the ``seconds``; ``places`` are all places of a factor.
    """
    size = rows.size
    gram = np.empty(size)
    for k in range(size):
        total = 0.0
        for t in range(ends[k], ends[k + 1]):
            total += elements[firsts[t]] * elements[seconds[t]]
        gram[k] = total
    plain = factorize(gram, places, starts, rows, row_starts, row_columns, row_places, targets)
    # Element by element: of roots of slices, and of their copies, Numba compiles more than of all these loops.
    sides = np.empty(starts.size - 1)
    for j in range(sides.size):
        sides[j] = np.sqrt(gram[starts[j]])
    condition = _condition(plain, sides, starts, rows)
    # Written so that what is no number is too large.
    if not condition < MOST_CONDITION:
        return factorize_twice(elements, firsts, seconds, ends, starts, rows, row_starts, row_columns, row_places)
    factor = np.zeros((2, size + 1))
    for k in range(size):
        factor[0, k] = plain[k]
    factor[0, size] = condition
    return factor


@njit(cache=True, error_model="numpy")
def _condition(factor: NDArray, sides: NDArray, starts: NDArray, rows: NDArray) -> float:
    """Return about how large the inverse of a matrix is whose diagonal was made one; no number where it has none.

    Of the right sides with elements one and minus one, by the roots ``sides`` of that diagonal, the solution of the
    triangular system that grows most.
    """
    count = starts.size - 1
    work = np.zeros(count)
    total = 0.0
    for j in range(count):
        z = (work[j] + sides[j] if work[j] > 0.0 else work[j] - sides[j]) * factor[starts[j]]
        total += z * z
        for p in range(starts[j] + 1, starts[j + 1]):
            work[rows[p]] -= factor[p] * z
    return total / count


@njit(cache=True, error_model="numpy")
def log_determinant_of_rows(
    elements: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    pairs: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    targets: NDArray,
) -> NDArray:
    """Return the log-determinant of ``A'A``, shape ()."""
    total, joined = 0.0, 1.0
    for j in range(starts.size - 1):
        joined *= factor[0, starts[j]]
        if not 1e-100 < joined < 1e100:
            total += log(joined)
            joined = 1.0
    result = np.empty(())
    result[()] = -2.0 * (total + log(joined))
    return result


@njit(cache=True, error_model="numpy")
def project_rows(
    elements: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    pairs: NDArray,
    places: NDArray,
    starts: NDArray,
    rows: NDArray,
    targets: NDArray,
) -> NDArray:
    """Return the elements of ``A (A'A)^-1`` where A has any.

    For each two elements of a row, and each with itself, ``pairs`` says where their product belongs.
    """
    if factor[1, rows.size] > 0.0:
        return project_twice(elements, factor, begins, pairs, starts, rows)
    inverse = selected_inverse(factor[0, : rows.size], places, starts, rows, targets)
    result = np.zeros(elements.size)
    t = 0
    for i in range(begins.size - 1):
        for p in range(begins[i], begins[i + 1]):
            result[p] += inverse[pairs[t]] * elements[p]
            t += 1
            for q in range(p + 1, begins[i + 1]):
                result[p] += inverse[pairs[t]] * elements[q]
                result[q] += inverse[pairs[t]] * elements[p]
                t += 1
    return result


@njit(cache=True, error_model="numpy")
def solve_rows(
    elements: NDArray,
    right: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    order: NDArray,
    starts: NDArray,
    rows: NDArray,
) -> NDArray:
    """Return the x with the least ``|A x - b|``, in the order of the matrix, and ``b - A x``, one after the other."""
    count = order.size
    result = np.empty(count + right.size)
    if factor[1, rows.size] > 0.0:
        x, left = least_squares_twice(right, elements, factor, begins, columns, starts, rows)
    else:
        x, left = _least_squares(right, elements, factor, begins, columns, starts, rows)
    _put_back(x, order, result)
    for i in range(right.size):
        result[count + i] = left[i]
    return result


@njit(cache=True, error_model="numpy")
def _put_back(x: NDArray, order: NDArray, result: NDArray) -> None:
    """Write a vector, which is in the order of elimination, in the order of the matrix."""
    for k in range(order.size):
        result[order[k]] = x[k]


@njit(cache=True, error_model="numpy")
def _least_squares(
    right: NDArray,
    elements: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    starts: NDArray,
    rows: NDArray,
) -> tuple[NDArray, NDArray]:
    """Return x and ``b - A x``; a second solution, for what the first leaves, where that may be its rounding."""
    x, left = np.zeros(starts.size - 1), right.copy()
    _add_products(x, right, elements, begins, columns)
    _solve(x, factor, starts, rows)
    largest = 0.0
    for i in range(right.size):
        largest = max(largest, abs(right[i]))
        for p in range(begins[i], begins[i + 1]):
            part = x[columns[p]] * elements[p]
            largest = max(largest, abs(part))
            left[i] -= part
    if largest * factor[0, rows.size] < MOST_ROUNDED:
        return x, left
    for i in range(right.size):
        left[i], left_low = right[i], 0.0
        for p in range(begins[i], begins[i + 1]):
            a, a_low = product(x[columns[p]], elements[p])
            left[i], left_low = added(left[i], left_low, -a, -a_low)
    step = np.zeros(x.size)
    _add_products(step, left, elements, begins, columns)
    _solve(step, factor, starts, rows)
    for i in range(right.size):
        for p in range(begins[i], begins[i + 1]):
            left[i] -= step[columns[p]] * elements[p]
    return x + step, left


@njit(cache=True, error_model="numpy")
def _add_products(x: NDArray, right: NDArray, elements: NDArray, begins: NDArray, columns: NDArray) -> None:
    """Add ``A'b`` to x."""
    for i in range(right.size):
        for p in range(begins[i], begins[i + 1]):
            x[columns[p]] += right[i] * elements[p]


@njit(cache=True, error_model="numpy")
def solve_gram(
    elements: NDArray,
    right: NDArray,
    factor: NDArray,
    begins: NDArray,
    columns: NDArray,
    order: NDArray,
    starts: NDArray,
    rows: NDArray,
) -> NDArray:
    """Return ``(A'A)^-1 b``, b and the result in the order of the matrix."""
    x, x_low = by_elimination(right, order), np.zeros(order.size)
    if factor[1, rows.size] > 0.0:
        solve_twice(x, x_low, factor, starts, rows)
    else:
        _solve(x, factor, starts, rows)
    result = np.empty(x.size)
    _put_back(x, order, result)
    return result


@njit(cache=True, error_model="numpy")
def _solve(x: NDArray, factor: NDArray, starts: NDArray, rows: NDArray) -> None:
    """Solve in place."""
    for j in range(starts.size - 1):
        value = x[j] * factor[0, starts[j]]
        x[j] = value
        for p in range(starts[j] + 1, starts[j + 1]):
            x[rows[p]] -= factor[0, p] * value
    for j in range(starts.size - 2, -1, -1):
        total = x[j]
        for p in range(starts[j] + 1, starts[j + 1]):
            total -= factor[0, p] * x[rows[p]]
        x[j] = total * factor[0, starts[j]]
