"""What is kept of rows: sums, tables of distinct rows, and how those of two blocks become those of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphs.compression.cells import partition
from graphs.compression.in_blocks.row_axis import NoStatistics

MOST_CELLS = 2**20
"""Distinct rows: a table of so many, of ten columns, takes some hundred megabytes."""


class Leaf(Protocol):
    """A statistic: one summand of a log-probability, in so far as data determine it."""

    @property
    def distinct(self) -> Sequence[Distinct]:
        """The distinct rows that it has numbers of."""

    def merged(self, other: Any) -> Leaf:
        """Return that of both blocks."""


@dataclass(frozen=True, eq=False)
class Distinct:
    """Rows that read different things, one of each kind.

    Parameters
    ----------
    keys : sequence of (size,) array
        What they read.
    rows : sequence of (size, ...) array or None
        Their data, for each input; None for inputs that are not read.
    within : (size,) int64 array
        Which element of the row it is.
    """

    keys: Sequence[NDArray]
    rows: Sequence[NDArray | None]
    within: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.within)

    def union(self, other: Distinct) -> tuple[Distinct, NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of both, and where those of each are among them."""
        size = len(self) + len(other)
        cells = partition([np.concatenate(pair) for pair in zip(self.keys, other.keys, strict=True)], size)
        if len(cells) > MOST_CELLS:
            raise NoStatistics(f"there are more than {MOST_CELLS:,} distinct rows")
        kept = cells.representatives
        rows = [
            None if a is None or b is None else np.concatenate([a, b])[kept]
            for a, b in zip(self.rows, other.rows, strict=True)
        ]
        keys = [np.concatenate(pair)[kept] for pair in zip(self.keys, other.keys, strict=True)]
        both = Distinct(keys, rows, np.concatenate([self.within, other.within])[kept])
        return both, cells.codes[: len(self)], cells.codes[len(self) :]


@dataclass(frozen=True, eq=False)
class Total:
    """A sum of data.

    Parameters
    ----------
    value : longdouble array
        The sum.
    """

    value: NDArray[np.longdouble]

    @property
    def distinct(self) -> Sequence[Distinct]:
        """None."""
        return ()

    def merged(self, other: Total) -> Total:
        """Return the sum of both."""
        return Total(self.value + other.value)


@dataclass(frozen=True, eq=False)
class RowTable:
    """Sums of data over rows that read the same.

    Parameters
    ----------
    cells : Distinct
        One row for each.
    sums : (num_cells,) longdouble array
        The sums.
    """

    cells: Distinct
    sums: NDArray[np.longdouble]

    @property
    def distinct(self) -> Sequence[Distinct]:
        """The rows of the table."""
        return (self.cells,)

    def merged(self, other: RowTable) -> RowTable:
        """Return the sums of both."""
        cells, own, others = self.cells.union(other.cells)
        sums = np.zeros(len(cells), np.longdouble)
        sums[own] = self.sums
        sums[others] += other.sums
        return RowTable(cells, sums)
