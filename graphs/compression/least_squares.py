"""Sums of squares of an affine form over many rows, kept in a triangle.

With r = A b + y over the rows, r'r = |R (b - b0) + q|^2 + s^2: an orthogonal factorisation, so that nothing cancels.
Around the least-squares solution b0 the residuals are small numbers and q vanishes but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHUNK = 32_768
_ENOUGH_ROWS = 50_000
_SMALL_PRODUCT = 65_536
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Triangle:
    """A sum of squares as a function of coefficients.

    Parameters
    ----------
    factor : (rank, size) float64 array
        R.
    offset : (rank,) float64 array
        q.
    rest : float
        s^2, which no coefficients change.
    """

    factor: NDArray[np.float64]
    offset: NDArray[np.float64]
    rest: float


def least_squares(columns: NDArray[np.float64], outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coefficients b0 near those for which ``columns @ b0 + outcome`` is smallest; any of many such.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        A.
    outcome : (num_rows,) float64 array
        y.
    """
    # Residuals need only be of the right size: some of very many rows will do.
    step = max(1, len(outcome) // _ENOUGH_ROWS)
    size = columns.shape[1]
    triangle = triangular_factor(columns[::step], outcome[::step])
    return _solution(triangle[:, :size], triangle[:, size])


def _solution(factor: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return b for which ``factor @ b + offset`` is smallest."""
    lengths = np.linalg.norm(factor, axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    solution, *_ = np.linalg.lstsq(factor / lengths, -offset, rcond=1e-12)
    return np.asarray(solution / lengths)


def residuals(
    columns: NDArray[np.float64], coefficients: NDArray[np.float64], outcome: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``columns @ coefficients + outcome``, rounded once.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        A.
    coefficients : (size,) float64 array
        b.
    outcome : (num_rows,) float64 array
        y.
    """
    result = np.empty(len(outcome))
    for start in range(0, len(outcome), _CHUNK):
        part = slice(start, start + _CHUNK)
        total = outcome[part].astype(np.longdouble)
        for column, coefficient in zip(columns[part].T, coefficients, strict=True):
            total += column * np.longdouble(coefficient)
        result[part] = total
    return result


def triangle_of(columns: NDArray[np.float64], outcome: NDArray[np.float64]) -> Triangle:
    """Return the sum of squares of ``columns @ b + outcome`` as a function of b.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        A.
    outcome : (num_rows,) float64 array
        y.
    """
    size = columns.shape[1]
    triangle = triangular_factor(columns, outcome)
    upper, last = triangle[:size], triangle[size:, size]
    return Triangle(upper[:, :size], upper[:, size], float(last @ last))


def recentred(triangle: Triangle, centre: NDArray[np.float64]) -> tuple[Triangle, NDArray[np.float64]]:
    """Return the triangle around its own least-squares solution, and that solution.

    Parameters
    ----------
    triangle : Triangle
        A function of b minus a centre.
    centre : (size,) float64 array
        The centre.
    """
    new = centre + _solution(triangle.factor, triangle.offset)
    return Triangle(triangle.factor, triangle.offset + triangle.factor @ (new - centre), triangle.rest), new


def triangular_factor(columns: NDArray[np.float64], outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R of a QR factorisation of columns and outcome side by side.

    Short stretches are factorised each, then the triangles that they leave, and so on: large matrices would wake the
    threads of the BLAS.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        A.
    outcome : (num_rows,) float64 array
        y.

    Returns
    -------
    (rank, size + 1) float64 array
        Upper triangular.
    """
    size = columns.shape[1] + 1
    length = max(4 * size, _SMALL_PRODUCT // size**2)
    triangles = []
    for start in range(0, len(outcome), length * _BATCH):
        part = slice(start, start + length * _BATCH)
        triangles.append(_reduced(np.column_stack([columns[part], outcome[part]]), length))
    rows = np.concatenate(triangles)
    while len(rows) > length:
        rows = _reduced(rows, length)
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _reduced(rows: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Replace stretches of rows by their triangles."""
    count = len(rows) // length
    stretches = rows[: count * length].reshape((count, length, rows.shape[1]))
    whole = np.linalg.qr(stretches, mode="r").reshape((-1, rows.shape[1])) if count else rows[:0]
    rest = rows[count * length :]
    return np.concatenate([whole, np.linalg.qr(rest, mode="r")] if len(rest) else [whole])
