"""Take group means, and slopes within groups, out of rows: what is left is orthogonal to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphs.compression.cells import Cells
from graphs.compression.design import Design, Local

_NEGLIGIBLE = 1e-28


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
    on_outcome : (num_cells,) float64 array
        The same of the outcome.
    """

    squares: NDArray[np.float64]
    on_local: list[NDArray[np.float64]]
    on_columns: NDArray[np.float64]
    on_outcome: NDArray[np.float64]


def project(local: list[Local], design: Design, cells: Cells) -> list[Projection]:
    """Project the rows of a design on local columns, one after the other; the design is left with the rest.

    Parameters
    ----------
    local : list of Local
        Columns, which are changed: each becomes orthogonal to those before it.
    design : Design
        Its columns and outcome are changed.
    cells : Cells
        Groups of rows with means of their own.
    """
    lengths = [cells.sums(part.data**2) for part in local]
    found = []
    for position, (part, length) in enumerate(zip(local, lengths, strict=True)):
        squares = cells.sums(part.data**2)
        # What is left of a column that earlier ones explain is rounding.
        squares = np.where(squares > _NEGLIGIBLE * length, squares, 0.0)
        inverse = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0)
        means = [
            _take_out(part.data, target, inverse, cells)
            for target in [*(later.data for later in local[position + 1 :]), *design.columns.T, design.outcome]
        ]
        count = len(local) - position - 1
        columns = np.stack(means[count:-1], axis=1) if len(means) > count + 1 else np.zeros((len(cells), 0))
        found.append(Projection(squares, means[:count], columns, means[-1]))
    return found


def _take_out(
    column: NDArray[np.float64], target: NDArray[np.float64], inverse: NDArray[np.float64], cells: Cells
) -> NDArray[np.float64]:
    """Make a target orthogonal to a column, in place, and return its means along the column; twice is enough."""
    total = np.zeros(len(cells))
    for _ in range(2):
        means = cells.sums(column * target) * inverse
        target -= column * (means[0] if len(cells) == 1 else means[cells.codes])
        total += means
    return total
