"""Take group means, and slopes within groups, out of rows: what is left is orthogonal to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.compression.cells import Cells
from graphs.compression.design import Design, Local

_NEGLIGIBLE = 1e-28
_NOTICEABLE = 1e-12


@dataclass(eq=False)
class Projection:
    """One column of each cell: the rest of the rows is ``column * means`` and what is orthogonal to the column.

    Parameters
    ----------
    squares : (num_cells,) float64 array
        The sum of squares of the column.
    on_local : list of (num_cells,) float64 array
        The mean of each later local column along this one.
    on_columns : (num_cells, size) float64 array
        The same of shared columns.
    on_outcome : (num_cells,) longdouble array
        The same of the outcome.
    subtracted : (num_cells,) float64 array
        What was subtracted from the outcome before, along the column: it may be large beside what is left.
    """

    squares: NDArray[np.float64]
    on_local: list[NDArray[np.float64]]
    on_columns: NDArray[np.float64]
    on_outcome: NDArray[np.longdouble]
    subtracted: NDArray[np.float64]

    def outcome_at(self, centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the means of the outcome where shared parameters are at a centre, and what rounding takes away."""
        small = self.on_outcome + self.on_columns.astype(np.longdouble) @ centre
        rounded = (self.subtracted + small).astype("float64")
        return rounded, ((self.subtracted - rounded) + small).astype("float64")


def is_noticeable(left: NDArray[np.float64], roots: NDArray[np.float64], spread: float) -> bool:
    """Whether means are so much larger than the spread around them that their rounding shows.

    Parameters
    ----------
    left : (num_cells,) float64 array
        What rounding takes away.
    roots : (num_cells,) float64 array
        Roots of the sums of squares of the column.
    spread : float
        Of the residuals.
    """
    return bool((np.abs(left) * roots > _NOTICEABLE * spread).any())


def project(
    local: list[Local], design: Design, cells: Cells, subtracted: NDArray[np.float64] | None
) -> list[Projection]:
    """Project the rows of a design on local columns, one after the other; the design is left with the rest.

    Parameters
    ----------
    local : list of Local
        Columns, which are changed: each becomes orthogonal to those before it.
    design : Design
        Its columns and outcome are changed.
    cells : Cells
        Groups of rows with means of their own.
    subtracted : (num_cells,) float64 array or None
        What was subtracted from the outcome along the first column.
    """
    lengths = [cells.sums(part.data**2) for part in local]
    found = []
    for position, (part, length) in enumerate(zip(local, lengths, strict=True)):
        squares = cells.sums(part.data**2)
        # What is left of a column that earlier ones explain is rounding.
        squares = np.where(squares > _NEGLIGIBLE * length, squares, 0.0)
        means = [
            _take_out(part.data, target, squares, cells)
            for target in [*(later.data for later in local[position + 1 :]), *design.columns.T, design.outcome]
        ]
        count = len(local) - position - 1
        later = [mean.astype("float64") for mean in means[:-1]]
        columns = np.stack(later[count:], axis=1) if len(later) > count else np.zeros((len(cells), 0))
        before = np.zeros(len(cells)) if position or subtracted is None else subtracted
        found.append(Projection(squares, later[:count], columns, means[-1], before))
    return found


def weigh(design: Design, roots: NDArray[np.float64], cells: Cells | None) -> NDArray[np.float64] | None:
    """Give the outcome of a design its weights; return the means of cells, which were subtracted before.

    Parameters
    ----------
    design : Design
        Its outcome is changed.
    roots : (num_rows,) float64 array
        Roots of the weights.
    cells : Cells or None
        Groups of rows that have a parameter, or means, of their own; None where there are none.
    """
    means = None
    if cells is not None:
        means = cells.sums(design.outcome) / cells.sums(np.ones_like(roots))
        design.outcome -= means[0] if len(cells) == 1 else means[cells.codes]
    design.outcome *= roots
    return means


def _take_out(
    column: NDArray[np.float64], target: NDArray[np.float64], squares: NDArray[np.float64], cells: Cells
) -> NDArray[np.longdouble]:
    """Make a target orthogonal to a column, in place, and return its means along the column; twice is enough."""
    total = np.zeros(len(cells), np.longdouble)
    for _ in range(2):
        products = cells.sums(column * target)
        means = np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)
        target -= column * (means[0] if len(cells) == 1 else means[cells.codes])
        total += means
    return total
