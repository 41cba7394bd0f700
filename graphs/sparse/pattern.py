"""The pattern of a sparse Cholesky factor: the order of elimination, and where it has elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, identity
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

Integers = NDArray[np.int64]
_MOST_PRODUCTS = 1_000_000


@dataclass(frozen=True, eq=False)
class Pattern:
    """Where a symmetric matrix and its Cholesky factor have elements.

    Parameters
    ----------
    order : (n,) int64 array
        The rows of the matrix in the order of elimination.
    starts : (n + 1,) int64 array
        Where each column of the factor begins in ``rows``.
    rows : (m,) int64 array
        The rows of the elements of the factor, column by column, its diagonal first; in the order of elimination.
    row_starts, row_columns, row_places : int64 arrays
        For each row of the factor: the columns left of the diagonal, and where their elements stand.
    first, second : (k,) int64 array
        Rows and columns of the elements of the matrix that are given, those of its lower half.
    places : (k,) int64 array
        Where they stand in the factor.
    targets : int64 array
        Column by column and for each pair of its elements below the diagonal, where their product is subtracted;
        empty where there are none or too many to list.
    """

    order: Integers
    starts: Integers
    rows: Integers
    row_starts: Integers
    row_columns: Integers
    row_places: Integers
    first: Integers
    second: Integers
    places: Integers
    targets: Integers

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.order)

    @property
    def num_operations(self) -> int:
        """Multiplications that the factor takes."""
        return int((np.diff(self.starts) ** 2).sum())


def find_pattern(adjacency: csr_matrix) -> Pattern:
    """Return the pattern of the factor in an order that makes few elements.

    Parameters
    ----------
    adjacency : (n, n) csr_matrix
        Nonzero where the matrix may be; symmetric; the diagonal does not matter.
    """
    candidates = [_symbolic(adjacency, order) for order in _orders(adjacency)]
    return min(candidates, key=lambda pattern: pattern.num_operations)


def _orders(adjacency: csr_matrix) -> list[Integers]:
    """Return candidates: by minimum degree, narrow bands, and elements of few neighbours first."""
    count = adjacency.shape[0]
    degrees = np.diff(adjacency.indptr)
    ones = csr_matrix((np.ones(adjacency.nnz), adjacency.indices, adjacency.indptr), shape=adjacency.shape)
    dominant = (ones + identity(count) * (degrees.max(initial=0) + 2.0)).tocsc()
    by_degree = splu(
        dominant, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True, "DiagPivotThresh": 0.0}
    ).perm_c
    found = [np.argsort(by_degree), reverse_cuthill_mckee(adjacency, symmetric_mode=True)]
    found += [np.argsort(degrees, kind="stable"), np.asarray(by_degree)]
    return [np.asarray(order, np.int64) for order in found]


def _symbolic(adjacency: csr_matrix, order: Integers) -> Pattern:
    """Return the pattern of the factor for one order: the row of i is what is reached upwards from its neighbours."""
    count = len(order)
    place_of = np.empty(count, np.int64)
    place_of[order] = np.arange(count)
    parent, mark = np.full(count, -1), np.full(count, -1)
    columns: list[list[int]] = [[j] for j in range(count)]
    row_columns: list[list[int]] = []
    for i in range(count):
        mark[i] = i
        row: list[int] = []
        old = order[i]
        for j in place_of[adjacency.indices[adjacency.indptr[old] : adjacency.indptr[old + 1]]]:
            k = int(j)
            while k < i and mark[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                mark[k] = i
                columns[k].append(i)
                row.append(k)
                k = int(parent[k])
        row_columns.append(sorted(row))
    starts = np.concatenate([[0], np.cumsum([len(c) for c in columns])]).astype(np.int64)
    rows = np.array([i for c in columns for i in c], np.int64)
    row_starts = np.concatenate([[0], np.cumsum([len(r) for r in row_columns])]).astype(np.int64)
    of_rows = np.array([k for r in row_columns for k in r], np.int64)
    # Each column lists its rows in ascending order, so that its elements are met in the order of the rows.
    met = starts[:-1] + 1
    row_places = np.empty(len(of_rows), np.int64)
    for p, k in enumerate(of_rows):
        row_places[p] = met[k]
        met[k] += 1
    first, second, places = _given(adjacency, place_of, starts, rows)
    return Pattern(
        np.asarray(order, np.int64),
        starts,
        rows,
        row_starts,
        of_rows,
        row_places,
        first,
        second,
        places,
        _targets(starts, rows),
    )


def _targets(starts: Integers, rows: Integers) -> Integers:
    """Return where the products of the elements of each column go, in the order in which loops meet them."""
    below = np.diff(starts) - 1
    num_products = below * (below + 1) // 2
    if num_products.sum() > _MOST_PRODUCTS:
        return np.empty(0, np.int64)
    count = len(below)
    keys = np.repeat(np.arange(count), below + 1) * count + rows  # ascending
    ends = np.cumsum(num_products)
    targets = np.empty(int(num_products.sum()), np.int64)
    for length in np.unique(below):
        columns = np.flatnonzero(below == length)
        own = rows[starts[columns][:, None] + 1 + np.arange(length)]
        first, second = np.triu_indices(length)
        found = np.searchsorted(keys, own[:, first] * count + own[:, second])
        targets[(ends - num_products)[columns][:, None] + np.arange(len(first))] = found
    return targets


def _given(
    adjacency: csr_matrix, place_of: Integers, starts: Integers, rows: Integers
) -> tuple[Integers, Integers, Integers]:
    """Return the elements of the matrix, and where they stand in the factor."""
    count = len(place_of)
    coo = adjacency.tocoo()
    is_lower = place_of[coo.row] > place_of[coo.col]
    first = np.concatenate([np.arange(count), coo.row[is_lower]]).astype(np.int64)
    second = np.concatenate([np.arange(count), coo.col[is_lower]]).astype(np.int64)
    column_of = np.repeat(np.arange(count), np.diff(starts))
    keys = column_of * np.int64(count) + rows
    wanted = place_of[second] * np.int64(count) + place_of[first]
    return first, second, np.searchsorted(keys, wanted).astype(np.int64)


def find_probes(adjacency: csr_matrix) -> tuple[NDArray[np.float64], Integers]:
    """Return vectors whose products with a matrix show all its elements.

    Elements with many neighbours have a probe of their own; others share one if they have no common neighbour.

    Parameters
    ----------
    adjacency : (n, n) csr_matrix
        Nonzero where the matrix may be; symmetric.

    Returns
    -------
    probes : (c, n) float64 array
        Zeros and ones.
    probe_of : (n,) int64 array
        The probe that each element is part of: with it the product shows the column of the element, at all rows that
        have no probe of their own.
    """
    degrees = np.diff(adjacency.indptr)
    best: Integers | None = None
    for limit in (4, 8, 16, 32, 64):
        colours = _coloured(adjacency, degrees > limit)
        if best is None or colours.max() < best.max():
            best = colours
    assert best is not None
    probes = np.zeros((int(best.max()) + 1, len(degrees)))
    probes[best, np.arange(len(degrees))] = 1.0
    return probes, best


def _coloured(adjacency: csr_matrix, is_hub: NDArray[np.bool_]) -> Integers:
    """Give a number to every element: hubs one of their own, others one that none within two steps has."""
    colours = np.full(len(is_hub), -1)
    for i in np.flatnonzero(~is_hub):
        near = adjacency.indices[adjacency.indptr[i] : adjacency.indptr[i + 1]]
        taken = set(colours[near].tolist())
        for j in near:
            if not is_hub[j]:
                taken.update(colours[adjacency.indices[adjacency.indptr[j] : adjacency.indptr[j + 1]]].tolist())
        colours[i] = next(c for c in range(len(is_hub)) if c not in taken)
    hubs = np.flatnonzero(is_hub)
    colours[hubs] = colours.max(initial=-1) + 1 + np.arange(len(hubs))
    return colours
