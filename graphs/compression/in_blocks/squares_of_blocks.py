"""Sums of squares of rows that come in blocks: a triangle for each cell, and one for each scale.

Local columns, whose parameters differ between cells, come first: of the rows of a cell, an orthogonal factorisation
leaves as many as there are local columns, ``lines``, and rows that do not read these parameters, which go into the
triangle of their scale. Lines of two blocks are rotated into those of both (Givens); what is left goes the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.compression.cells import Cells
from graphs.compression.design import Design, Local
from graphs.compression.in_blocks.leaves import Distinct
from graphs.compression.in_blocks.row_axis import NoStatistics
from graphs.compression.least_squares import Triangle, least_squares, residuals, triangular_factor
from graphs.compression.projection import Projection, project, weigh
from graphs.compression.squares import MOST_TRIANGLES

_NEGLIGIBLE = 1e-14
"""Of a column's length: what is left of it when earlier columns explain it; `projection` has its square."""

_EXPLAINED = 1e-12
"""Of a column's length: less is left of it only by rounding, and its parameter may be anything."""


@dataclass(frozen=True, eq=False)
class SumOfSquares:
    """The squares of rows ``local + columns @ parameters + outcome``.

    Parameters
    ----------
    cells, scales : Distinct
        Groups of rows with parameters of their own, and with factors of their own.
    scale_of : (num_cells,) int64 array
        The scale of each cell.
    lines : (num_cells, num_local, num_local + size + 1) longdouble array
        What is along local columns, of local columns, shared ones and the outcome.
    triangles : (num_scales, size + 1, size + 1) float64 array
        What is orthogonal to them, of shared columns and of the residuals at the centre.
    centre : (size,) float64 array
        Of shared parameters, the same in all blocks.
    """

    cells: Distinct
    scales: Distinct
    scale_of: NDArray[np.int64]
    lines: NDArray[np.longdouble]
    triangles: NDArray[np.float64]
    centre: NDArray[np.float64]

    @property
    def distinct(self) -> Sequence[Distinct]:
        """A row of each cell, and one of each scale."""
        return (self.cells, self.scales)

    def merged(self, other: SumOfSquares) -> SumOfSquares:
        """Return the squares of both."""
        cells, own, others = self.cells.union(other.cells)
        scales, own_scales, other_scales = self.scales.union(other.scales)
        check_num_triangles(len(scales), len(self.centre))
        lines = np.zeros((len(cells), *self.lines.shape[1:]), np.longdouble)
        lines[own] = self.lines
        lines[others], left = _rotated(lines[others], other.lines.copy())
        scale_of = np.zeros(len(cells), np.int64)
        scale_of[own], scale_of[others] = own_scales[self.scale_of], other_scales[other.scale_of]
        triangles = np.zeros((len(scales), *self.triangles.shape[1:]))
        triangles[own_scales] = self.triangles
        rows = self._rows_left(left)
        of_rows = np.repeat(scale_of[others], self.lines.shape[1])
        for scale, triangle in zip(other_scales, other.triangles, strict=True):
            stacked = np.concatenate([triangles[scale], triangle, rows[of_rows == scale]])
            triangles[scale] = _triangle(stacked)
        return SumOfSquares(cells, scales, scale_of, lines, triangles, self.centre)

    def _rows_left(self, left: NDArray[np.longdouble]) -> NDArray[np.float64]:
        """Return the residuals at the centre of what was left of lines."""
        count = left.shape[1]
        rows = left[:, :, count:].reshape((-1, len(self.centre) + 1))
        rows[:, -1] += rows[:, :-1] @ self.centre.astype(np.longdouble)
        return rows.astype("float64")

    @property
    def projections(self) -> list[Projection]:
        """What is along each local column."""
        count, found = self.lines.shape[1], []
        for i in range(count):
            root = self.lines[:, i, i]
            line = self.lines[:, i] / np.where(root > 0, root, 1)[:, None]
            means = [line[:, j].astype("float64") for j in range(i + 1, count)]
            columns = line[:, count:-1].astype("float64")
            found.append(
                Projection((root**2).astype("float64"), means, columns, line[:, -1], np.zeros(len(self.cells)))
            )
        return found

    @property
    def triangles_of_scales(self) -> list[Triangle]:
        """The sum of squares of each scale beside what is along local columns, around the centre."""
        size = len(self.centre)
        left = np.sqrt((self.triangles[:, :, :size] ** 2).sum(axis=(0, 1)))
        along = np.sqrt((self.lines[:, :, self.lines.shape[1] : -1] ** 2).sum(axis=(0, 1)))
        # A column that local ones explain leaves its rounding, of which no centre could be found.
        triangles = self.triangles.copy()
        triangles[:, :, :size] *= left > _EXPLAINED * along
        return [Triangle(t[:size, :size], t[:size, size], float(t[size, size] ** 2)) for t in triangles]


def check_num_triangles(num_scales: int, size: int) -> None:
    """Raise if there are too many triangles."""
    if size and num_scales > MOST_TRIANGLES:
        raise NoStatistics(f"there are more than {MOST_TRIANGLES} scales, each with a triangle of {size} columns")


def projected(
    design: Design, roots: NDArray[np.float64], cells: Cells
) -> tuple[NDArray[np.longdouble], NDArray[np.float64]]:
    """Return the lines of cells, and what is left of the outcome; shared columns are left orthogonal to local ones.

    Parameters
    ----------
    design : Design
        Rows, which are changed: the outcome without weights.
    roots : (num_rows,) float64 array
        Roots of the weights.
    cells : Cells
        Groups of rows.
    """
    local: list[Local] = design.local
    means = weigh(design, roots, cells if local[0].is_uniform else None)
    found = project(local, design, cells, means)
    count, size = len(local), design.columns.shape[1]
    lines = np.zeros((len(cells), count, count + size + 1), np.longdouble)
    for i, part in enumerate(found):
        root = np.sqrt(part.squares.astype(np.longdouble))
        lines[:, i, i] = root
        for j, mean in enumerate(part.on_local, i + 1):
            lines[:, i, j] = root * mean
        lines[:, i, count:-1] = root[:, None] * part.on_columns
        lines[:, i, -1] = root * (part.on_outcome + part.subtracted)
    return lines, design.outcome


def centre_of(
    columns: NDArray[np.float64], outcome: NDArray[np.float64], lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return parameters near those of least squares; zero for columns that local ones explain.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        Orthogonal to local columns.
    outcome : (num_rows,) float64 array
        The same.
    lengths : (size,) float64 array
        Of the columns as they were.
    """
    is_left = np.linalg.norm(columns, axis=0) > _EXPLAINED * lengths
    centre = np.zeros(columns.shape[1])
    if is_left.any():
        centre[is_left] = least_squares(columns[:, is_left], outcome)
    return centre


def triangles_of(
    columns: NDArray[np.float64], outcome: NDArray[np.float64], centre: NDArray[np.float64], scales: Cells
) -> NDArray[np.float64]:
    """Return a triangle for each scale, of shared columns and of the residuals at a centre.

    Parameters
    ----------
    columns : (num_rows, size) float64 array
        Orthogonal to local columns.
    outcome : (num_rows,) float64 array
        The same.
    centre : (size,) float64 array
        Of the parameters of columns.
    scales : Cells
        Groups of rows.
    """
    size = len(centre)
    found = np.zeros((len(scales), size + 1, size + 1))
    if not size:
        found[:, 0, 0] = np.sqrt(scales.sums(outcome**2))
        return found
    check_num_triangles(len(scales), size)
    left = residuals(columns, centre, outcome)
    order = np.argsort(scales.codes, kind="stable") if len(scales) > 1 else slice(None)
    ends = np.cumsum(np.bincount(scales.codes, minlength=len(scales)))[:-1]
    for i, (c, r) in enumerate(zip(np.split(columns[order], ends), np.split(left[order], ends), strict=True)):
        if len(r):
            triangle = triangular_factor(c, r)
            found[i, : len(triangle)] = triangle
    return found


def _triangle(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R of a QR factorisation, as a square."""
    if rows.shape[1] == 1:
        return np.array([[np.sqrt(np.sum(rows.astype(np.longdouble) ** 2))]], "float64")
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _rotated(
    lines: NDArray[np.longdouble], others: NDArray[np.longdouble]
) -> tuple[NDArray[np.longdouble], NDArray[np.longdouble]]:
    """Rotate lines into those of the same cells; return these, and what is left of them, zero in local columns."""
    count = lines.shape[1]
    for row in range(count):
        for i in range(row, count):
            old, new = lines[:, i, i], others[:, row, i]
            length = np.sqrt((lines[:, : i + 1, i] ** 2).sum(axis=1) + (others[:, :, i] ** 2).sum(axis=1))
            radius = np.hypot(old, new)
            is_turned = radius > _NEGLIGIBLE * length
            safe = np.where(is_turned, radius, 1)
            cosine = np.where(is_turned, old / safe, 1)[:, None]
            sine = np.where(is_turned, new / safe, 0)[:, None]
            first, second = lines[:, i].copy(), others[:, row].copy()
            lines[:, i] = cosine * first + sine * second
            others[:, row] = cosine * second - sine * first
            others[:, row, i] = 0
    return lines, others


def without_local(design: Design, roots: NDArray[np.float64]) -> Sequence[Local]:
    """Return the local columns of a design; a column of no parameters where there are none, to centre the others on."""
    return design.local or [Local(roots.copy(), is_uniform=True)]
