"""Loops over the elements of a sparse matrix that find the elements of its factor, and colours.

Compiled where there are many elements, plain Python where there are few (`machine_code/plain.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit

Integers = NDArray[np.int64]


@njit(cache=True)
def count_elements(
    neighbours: Integers, starts: Integers, order: Integers, parent: Integers, lengths: Integers, most: float
) -> int:
    """Fill in the elimination tree and the number of elements in each column; return the number of operations.

    The row of i is what is reached upwards from its neighbours. -1 as soon as there are too many operations.

    Parameters
    ----------
    neighbours : int64 array
        Of each row of the matrix, the places of its columns in the order of elimination.
    starts : (n + 1,) int64 array
        Where the neighbours of each row begin.
    order : (n,) int64 array
        The rows in the order of elimination.
    parent : (n,) int64 array
        -1; becomes the first row in each column, below the diagonal.
    lengths : (n,) int64 array
        0; becomes the number of elements in each column, below the diagonal.
    most : float
        So many operations are too many.
    """
    num_operations = order.size
    mark = np.full(order.size, -1)
    for i in range(order.size):
        mark[i] = i
        for p in range(starts[order[i]], starts[order[i] + 1]):
            k = neighbours[p]
            while k < i and mark[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                mark[k] = i
                lengths[k] += 1
                num_operations += 2 * lengths[k] + 1
                k = parent[k]
        if num_operations >= most:
            return -1
    return num_operations


@njit(cache=True)
def fill_elements(
    neighbours: Integers, starts: Integers, order: Integers, parent: Integers, free: Integers, rows: Integers
) -> None:
    """Write the rows of each column, in ascending order, from where ``free`` says.

    Parameters
    ----------
    neighbours, starts, order, parent : int64 arrays
        As `count_elements` takes and leaves them.
    free : (n,) int64 array
        Where the elements of each column begin; moved to where they end.
    rows : int64 array
        Written to.
    """
    mark = np.full(order.size, -1)
    for i in range(order.size):
        mark[i] = i
        for p in range(starts[order[i]], starts[order[i] + 1]):
            k = neighbours[p]
            while k < i and mark[k] != i:
                mark[k] = i
                rows[free[k]] = i
                free[k] += 1
                k = parent[k]


@njit(cache=True)
def colour(direct: Integers, direct_starts: Integers, near: Integers, near_starts: Integers, found: Integers) -> None:
    """Give each element in turn the least number that none of its neighbours has, of two kinds.

    Parameters
    ----------
    direct, near : int64 arrays
        The neighbours of each element, of either kind.
    direct_starts, near_starts : (n + 1,) int64 arrays
        Where they begin.
    found : (n,) int64 array
        -1; becomes the numbers.
    """
    taken = np.full(found.size + 1, -1)
    for i in range(found.size):
        for p in range(direct_starts[i], direct_starts[i + 1]):
            if found[direct[p]] >= 0:
                taken[found[direct[p]]] = i
        for p in range(near_starts[i], near_starts[i + 1]):
            if found[near[p]] >= 0:
                taken[found[near[p]]] = i
        least = 0
        while taken[least] == i:
            least += 1
        found[i] = least
