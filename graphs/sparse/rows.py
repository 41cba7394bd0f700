"""Where matrices of sparse rows have elements, and of which of these those of ``A'A`` are made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphs.sparse.pattern import Integers, Pattern


@dataclass(frozen=True, eq=False)
class RowPattern:
    """Where a matrix A of sparse rows has elements, and how ``A'A`` is made and eliminated.

    Parameters
    ----------
    pattern : Pattern
        Of the factor of ``A'A``.
    begins : (m + 1,) int64 array
        Where the elements of each row begin.
    columns : (k,) int64 array
        The column of each element, in the order of elimination.
    pairs : int64 array
        Row by row and for each two of its elements, and each with itself, where their product stands in the factor.
    firsts, seconds : int64 arrays
        The same two elements, in the order of where their products stand.
    ends : int64 array
        Where those of each element of the factor begin.
    """

    pattern: Pattern
    begins: Integers
    columns: Integers
    pairs: Integers
    firsts: Integers
    seconds: Integers
    ends: Integers

    @classmethod
    def of(cls, row: Integers, column: Integers, num_rows: int, pattern: Pattern) -> RowPattern:
        """Return rows with elements at some places, row by row."""
        place_of = np.empty(pattern.size, np.int64)
        place_of[pattern.order] = np.arange(pattern.size)
        columns = place_of[column]
        begins = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=num_rows))]).astype(np.int64)
        first = np.concatenate([np.repeat(np.arange(a, b), np.arange(b - a, 0, -1)) for a, b in pairwise(begins)])
        second = np.concatenate([np.arange(p, b) for a, b in pairwise(begins) for p in range(a, b)])
        of_factor = np.repeat(np.arange(pattern.size), np.diff(pattern.starts)) * np.int64(pattern.size) + pattern.rows
        earlier, later = (choose(columns[first], columns[second]) for choose in (np.minimum, np.maximum))
        pairs = np.searchsorted(of_factor, earlier * np.int64(pattern.size) + later).astype(np.int64)
        by_place = np.argsort(pairs, kind="stable")
        counts = np.bincount(pairs, minlength=len(pattern.rows))
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(pattern, begins, columns, pairs, first[by_place], second[by_place], ends)

    @property
    def row_of(self) -> Integers:
        """The row of each element."""
        return np.repeat(np.arange(len(self.begins) - 1), np.diff(self.begins))
