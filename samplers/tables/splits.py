"""How a box was cut into cells, third by third: a map from uniform numbers, one an axis, to points of the cells.

Each number says, cut by cut along its axis, into which third a point falls, and at last where in its cell: the map is
monotone along every axis, and takes uniform numbers to the distribution that the cells make. What is done to uniform
numbers and leaves them uniform, such as reflections, leaves that distribution unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]
type Indices = NDArray[np.int64]

BELOW_ONE = 1.0 - 2.0**-53


@dataclass(frozen=True, eq=False)
class Splits:
    """The boxes that were cut, and those that are cells; a box comes after the one that it is a part of.

    Parameters
    ----------
    axes : array, shape (m,), int64
        Along which each was cut; -1 for a cell.
    parts : array, shape (m,), int64
        The first of its three parts, which are numbered from below.
    depths : array, shape (m,), int64
        How many cuts made it.
    """

    axes: Indices
    parts: Indices
    depths: Indices

    @classmethod
    def none(cls) -> Splits:
        """Return one box that is a cell."""
        return cls(np.array([-1]), np.array([-1]), np.array([0]))

    def cut(self, boxes: Indices, axes: Indices) -> Splits:
        """Return what is there when cells have been cut; the parts of the i-th follow those of the one before."""
        number = len(self.axes)
        now, parts = self.axes.copy(), self.parts.copy()
        now[boxes], parts[boxes] = axes, number + 3 * np.arange(len(boxes))
        new = np.full(3 * len(boxes), -1)
        depths = np.repeat(self.depths[boxes] + 1, 3)
        return Splits(np.concatenate([now, new]), np.concatenate([parts, new]), np.concatenate([self.depths, depths]))

    def shares(self, boxes: Indices, masses: Vector) -> Matrix:
        """Return, for each box, where its first third ends and where its second does, as shares of its mass; (m, 2).

        Parameters
        ----------
        boxes : array, shape (n,), int64
            Those that are cells.
        masses : array, shape (n,), float64
            What each of them holds.
        """
        totals = np.zeros(len(self.axes))
        totals[boxes] = masses
        is_cut = self.axes >= 0
        ends = np.ones((len(totals), 2))
        for depth in range(int(self.depths.max()) - 1, -1, -1):
            here = np.flatnonzero(is_cut & (self.depths == depth))
            thirds = np.cumsum(totals[self.parts[here][:, None] + np.arange(3)], axis=1)
            totals[here] = thirds[:, 2]
            # What holds nothing is never come to.
            ends[here] = thirds[:, :2] / np.where(thirds[:, 2:] > 0.0, thirds[:, 2:], 1.0)
        return ends

    def falling(self, uniform: Matrix, shares: Matrix) -> tuple[Indices, Matrix]:
        """Return the box of the cell that uniform numbers fall into, and where in it, as uniform numbers again.

        Parameters
        ----------
        uniform : array, shape (k, d), float64
            In [0, 1).
        shares : array, shape (m, 2), float64
            Of `shares`.
        """
        box, inside = np.zeros(len(uniform), np.int64), uniform.copy()
        left = np.arange(len(uniform)) if self.axes[0] >= 0 else np.zeros(0, np.int64)
        while left.size:
            here = box[left]
            axis = self.axes[here]
            first, second = shares[here].T
            value = inside[left, axis]
            is_past, is_far = value >= first, value >= second
            start = np.where(is_far, second, np.where(is_past, first, 0.0))
            end = np.where(is_far, 1.0, np.where(is_past, second, first))
            inside[left, axis] = np.minimum((value - start) / (end - start), BELOW_ONE)
            box[left] = here = self.parts[here] + is_past + is_far
            left = left[self.axes[here] >= 0]
        return box, inside
