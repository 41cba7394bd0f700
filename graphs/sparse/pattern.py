"""The pattern of a sparse Cholesky factor: the order of elimination, and where it has elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, identity
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from graphs.backends.numba.machine_code.plain import loops
from graphs.sparse.elimination import colour, count_elements, fill_elements

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


def find_pattern(adjacency: csr_matrix, most: float = inf) -> Pattern | None:
    """Return the pattern of the factor in an order that makes few elements, None where no order makes few enough.

    Parameters
    ----------
    adjacency : (n, n) csr_matrix
        Nonzero where the matrix may be; symmetric; the diagonal does not matter.
    most : float
        So many operations are too many.
    """
    # A column takes the square of its length, and there are as many elements as are given or more.
    if (adjacency.shape[0] + _num_given(adjacency) / 2) ** 2 >= most * adjacency.shape[0]:
        return None
    best: _FactorPattern | None = None
    for order in _orders(adjacency):
        best = _eliminated(adjacency, order, most if best is None else best.num_operations) or best
        if best is not None and not best.has_fill:
            # Its operations count the triangles of the graph: those of every other order without fill, and the fewest.
            break
    return None if best is None else _pattern(adjacency, best)


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
class _FactorPattern:
    """The elements of a factor below the diagonal, column by column, rows ascending."""

    order: Integers
    starts: Integers
    rows: Integers
    num_operations: int
    has_fill: bool


def _eliminated(adjacency: csr_matrix, order: Integers, most: float) -> _FactorPattern | None:
    """Return the factor for an order; None as soon as it takes so many operations."""
    count = len(order)
    place_of = np.empty(count, np.int64)
    place_of[order] = np.arange(count)
    neighbours, begin = place_of[adjacency.indices], adjacency.indptr.astype(np.int64)
    parent, lengths = np.full(count, -1), np.zeros(count, np.int64)
    num_operations = loops(count_elements, count)(neighbours, begin, order, parent, lengths, float(most))
    if num_operations < 0:
        return None
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.empty(starts[-1], np.int64)
    loops(fill_elements, count)(neighbours, begin, order, parent, starts[:-1].copy(), rows)
    return _FactorPattern(order, starts, rows, int(num_operations), 2 * len(rows) > _num_given(adjacency))


def _num_given(adjacency: csr_matrix) -> int:
    """Return the number of elements beside the diagonal."""
    return int(adjacency.nnz) - int((adjacency.diagonal() != 0).sum())


def _pattern(adjacency: csr_matrix, factor: _FactorPattern) -> Pattern:
    count = len(factor.order)
    place_of = np.empty(count, np.int64)
    place_of[factor.order] = np.arange(count)
    starts = factor.starts + np.arange(count + 1)
    rows = np.insert(factor.rows, factor.starts[:-1], np.arange(count))
    columns = np.repeat(np.arange(count), np.diff(factor.starts))
    # Stably sorted by rows, what the columns list is what the rows list, columns ascending.
    by_rows = np.argsort(factor.rows, kind="stable")
    below = np.delete(np.arange(len(rows)), starts[:-1])
    row_starts = np.concatenate([[0], np.cumsum(np.bincount(factor.rows, minlength=count))]).astype(np.int64)
    first, second, places = _given(adjacency, place_of, starts, rows)
    return Pattern(
        factor.order,
        starts,
        rows,
        row_starts,
        columns[by_rows],
        below[by_rows],
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
    found = np.full(len(others), -1)
    graphs = [part.astype(np.int64) for m in (near, two_steps) for part in (m.indices, m.indptr)]
    loops(colour, len(others))(*graphs, found)
    colours = np.full(len(is_hub), -1)
    colours[others] = found
    colours[hubs] = colours.max(initial=-1) + 1 + np.arange(len(hubs))
    return colours
