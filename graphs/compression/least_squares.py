"""Sums of squares of an affine form over many rows, kept in a triangle.

With r = A b + y over the rows, r'r = |R (b - b0) + q|^2 + s^2: an orthogonal factorisation, so that nothing cancels. Around
the least-squares solution b0 the residuals are small numbers and q vanishes but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHUNK = 32_768


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
    """Return the coefficients b0 for which ``columns @ b0 + outcome`` is smallest, any of them where there are many.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        A.
    outcome : (num_rows,) float64 array
        y.
    """
    size = columns.shape[1]
    triangle = _triangular([columns, outcome[:, None]])
    lengths = np.linalg.norm(triangle[:, :size], axis=0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    solution, *_ = np.linalg.lstsq(triangle[:, :size] / lengths, -triangle[:, size], rcond=1e-12)
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
    triangle = _triangular([columns, outcome[:, None]])
    upper, last = triangle[: min(size, len(triangle))], triangle[size:, size]
    return Triangle(upper[:, :size], upper[:, size], float(last @ last))


def _triangular(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return R of a QR factorisation of columns side by side, taken chunk by chunk."""
    num_rows = len(parts[0])
    triangle = np.zeros((0, sum(part.shape[1] for part in parts)))
    for start in range(0, num_rows, _CHUNK):
        rows = np.hstack([part[start : start + _CHUNK] for part in parts])
        triangle = np.linalg.qr(np.vstack([triangle, rows]), mode="r")
    return triangle
