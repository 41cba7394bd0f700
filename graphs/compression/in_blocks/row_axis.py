"""Which axis of an array is that of the rows: the one whose length is a prime that no other axis has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isqrt, prod

import numpy as np
from numpy.typing import NDArray

from graphs.errors import DerivationError

Shape = tuple[int, ...]


class NoStatistics(DerivationError):
    """A log-probability is not determined by fewer numbers than its rows."""


def unique_length(least: int, taken: Collection[int] = ()) -> int:
    """Return a prime number of rows that no axis has, nor a product of axes.

    Parameters
    ----------
    least : int
        How many rows there have to be.
    taken : collection of int
        Lengths of other axes.

    Examples
    --------
    >>> unique_length(10), unique_length(10, [11, 26])
    (11, 17)
    """
    length = max(least, 2)
    while any(n % length == 0 for n in taken if n) or any(length % d == 0 for d in range(2, isqrt(length) + 1)):
        length += 1
    return length


@dataclass(frozen=True)
class RowAxis:
    """The axis of a number of rows.

    Parameters
    ----------
    length : int
        How many rows there are: a prime that no other axis has.
    """

    length: int

    def of(self, shape: Sequence[int | None]) -> int | None:
        """Return which axis it is; None where rows are no axis.

        Raises
        ------
        NoStatistics
            If there are two, or it is part of another.
        """
        axes = [i for i, n in enumerate(shape) if n == self.length]
        if len(axes) > 1 or (not axes and any(n and n % self.length == 0 for n in shape)):
            raise NoStatistics("rows stand beside rows, or are mixed with another axis")
        return axes[0] if axes else None

    def is_in(self, shape: Sequence[int | None]) -> bool:
        """Whether there is one for each row."""
        return self.of(shape) is not None

    def elements_of(self, are_kept: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
        """Return which elements of an array belong to rows that are kept, flattened."""
        axis = self.of(shape)
        assert axis is not None
        return np.broadcast_to(are_kept.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape).ravel()

    def split(self, elements: NDArray[np.int64], shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of elements of a flattened array, and their positions within these."""
        axis = self.of(shape)
        assert axis is not None
        outer, inner = elements // prod(shape[axis:]), elements % prod(shape[axis + 1 :])
        return elements // prod(shape[axis + 1 :]) % self.length, outer * prod(shape[axis + 1 :]) + inner

    def joined(self, rows: NDArray[np.int64], within: NDArray[np.int64], shape: Shape) -> NDArray[np.int64]:
        """Return elements of a flattened array by row, and position within it."""
        axis = self.of(shape)
        assert axis is not None
        size = prod(shape[axis + 1 :])
        return (within // size * self.length + rows) * size + within % size
