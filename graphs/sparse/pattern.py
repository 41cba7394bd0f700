"""The pattern of a sparse Cholesky factor: the order of elimination, and where it has elements."""

from __future__ import annotations

from collections.abc import Iterator
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
    best: _Factor | None = None
    for order in _orders(adjacency):
        best = _eliminated(adjacency, order, best) or best
        assert best is not None
        if not best.has_fill:
            # Its operations count the triangles of the graph: those of every other order without fill, and the fewest.
            break
    assert best is not None
    return _pattern(adjacency, best)


def _orders(adjacency: csr_matrix) -> Iterator[Integers]:
    """Yield candidates, those that are found quickly first: few neighbours first, narrow bands, minimum degree."""
    yield np.argsort(np.diff(adjacency.indptr), kind="stable")
    yield np.asarray(reverse_cuthill_mckee(adjacency, symmetric_mode=True), np.int64)
    yield from _by_minimum_degree(adjacency)


def _by_minimum_degree(adjacency: csr_matrix) -> Iterator[Integers]:
    """Yield SuperLU's order and its inverse.

    Rows with very many neighbours are left to the end, as AMD does (Amestoy, Davis and Duff 1996): each of them would
    have its degree counted anew whenever one of its neighbours goes.
    """
    count = adjacency.shape[0]
    degrees = np.diff(adjacency.indptr)
    is_hub = degrees > max(16.0, 10.0 * np.sqrt(count))
    others, hubs = np.flatnonzero(~is_hub), np.flatnonzero(is_hub)
    part = adjacency[others][:, others].tocsr() if len(hubs) else adjacency
    ones = csr_matrix((np.ones(part.nnz), part.indices, part.indptr), shape=part.shape)
    dominant = (ones + identity(len(others)) * (np.diff(part.indptr).max(initial=0) + 2.0)).tocsc()
    found = splu(dominant, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True, "DiagPivotThresh": 0.0}).perm_c
    last = hubs[np.argsort(degrees[hubs], kind="stable")]
    for order in (np.argsort(found), found):
        yield np.concatenate([others[order], last]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Factor:
    """The elements of a factor below the diagonal, by columns and by rows, both ascending."""

    order: Integers
    columns: list[list[int]]
    row_columns: list[list[int]]
    num_operations: int
    has_fill: bool


def _eliminated(adjacency: csr_matrix, order: Integers, other: _Factor | None) -> _Factor | None:
    """Return the factor for an order: the row of i is what is reached upwards from its neighbours.

    None as soon as it takes as many operations as another.
    """
    count = len(order)
    most = np.inf if other is None else other.num_operations
    place_of = np.empty(count, np.int64)
    place_of[order] = np.arange(count)
    places, starts = place_of[adjacency.indices].tolist(), adjacency.indptr.tolist()
    parent, mark = [-1] * count, [-1] * count
    columns: list[list[int]] = [[] for _ in range(count)]
    row_columns: list[list[int]] = []
    num_operations, num_elements = count, 0
    for i, old in enumerate(order.tolist()):
        mark[i] = i
        row: list[int] = []
        for k in places[starts[old] : starts[old + 1]]:
            while k < i and mark[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                mark[k] = i
                columns[k].append(i)
                num_operations += 2 * len(columns[k]) + 1
                row.append(k)
                k = parent[k]
        if num_operations >= most:
            return None
        row.sort()
        num_elements += len(row)
        row_columns.append(row)
    num_given = adjacency.nnz - int((adjacency.diagonal() != 0).sum())
    return _Factor(order, columns, row_columns, num_operations, 2 * num_elements > num_given)


def _pattern(adjacency: csr_matrix, factor: _Factor) -> Pattern:
    count = len(factor.order)
    place_of = np.empty(count, np.int64)
    place_of[factor.order] = np.arange(count)
    starts = _starts_of(factor.columns) + np.arange(count + 1)
    rows = np.array([i for j, column in enumerate(factor.columns) for i in (j, *column)], np.int64)
    of_rows = np.array([k for row in factor.row_columns for k in row], np.int64)
    # Each column lists its rows in ascending order, so that its elements are met in the order of the rows: stably
    # sorted by columns, what the rows list is what the columns list.
    row_places = np.empty(len(of_rows), np.int64)
    below = np.delete(np.arange(len(rows)), starts[:-1])
    row_places[np.argsort(of_rows, kind="stable")] = below
    first, second, places = _given(adjacency, place_of, starts, rows)
    return Pattern(
        factor.order,
        starts,
        rows,
        _starts_of(factor.row_columns),
        of_rows,
        row_places,
        first,
        second,
        places,
        _targets(starts, rows),
    )


def _starts_of(lists: list[list[int]]) -> Integers:
    return np.concatenate([[0], np.cumsum([len(row) for row in lists])]).astype(np.int64)


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
    num_hubs = -1
    for limit in (4, 8, 16, 32, 64):
        is_hub = degrees > limit
        if is_hub.sum() == num_hubs:
            continue
        num_hubs = int(is_hub.sum())
        colours = _coloured(adjacency, is_hub)
        if best is None or colours.max() < best.max():
            best = colours
    assert best is not None
    probes = np.zeros((int(best.max()) + 1, len(degrees)))
    probes[best, np.arange(len(degrees))] = 1.0
    return probes, best


def _coloured(adjacency: csr_matrix, is_hub: NDArray[np.bool_]) -> Integers:
    """Give a number to every element: hubs one of their own, others one that none within two steps has."""
    others, hubs = np.flatnonzero(~is_hub), np.flatnonzero(is_hub)
    near = csr_matrix(adjacency[others][:, others])
    two_steps = csr_matrix(near @ near)
    starts, neighbours = two_steps.indptr.tolist(), two_steps.indices.tolist()
    direct_starts, direct = near.indptr.tolist(), near.indices.tolist()
    found = [-1] * len(others)
    for i in range(len(others)):
        taken = {found[j] for j in direct[direct_starts[i] : direct_starts[i + 1]]}
        taken.update(found[j] for j in neighbours[starts[i] : starts[i + 1]])
        colour = 0
        while colour in taken:
            colour += 1
        found[i] = colour
    colours = np.full(len(is_hub), -1)
    colours[others] = found
    colours[hubs] = colours.max(initial=-1) + 1 + np.arange(len(hubs))
    return colours
