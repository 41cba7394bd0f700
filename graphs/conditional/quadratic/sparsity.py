"""Which elements of variables a log-density ties together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from pytensor.tensor.variable import TensorVariable
from scipy.sparse import coo_matrix, csr_matrix

from graphs.marginal.factors import at_values, factors
from graphs.marginal.lifting import MixingError
from graphs.sparse.pattern import Integers, Pattern, find_pattern, find_probes

SMALLEST = 24
"""Fewest elements for which a sparse matrix is worth it."""
_LOOPS = 8.0
"""How much longer an operation takes in a loop over positions than in a dense matrix."""
_MOST_TIES = 64
"""Most elements, on average, that one may be tied to."""


@dataclass(frozen=True, eq=False)
class Sparsity:
    """How the precision matrix of a vector is computed and factorised.

    Parameters
    ----------
    pattern : Pattern
        Of the factor.
    probes : (c, n) float64 array
        Vectors whose products with the matrix show its elements.
    rows, columns : (k,) int64 array
        Which element of the products, (n, c), each element of the matrix is.
    """

    pattern: Pattern
    probes: np.ndarray
    rows: Integers
    columns: Integers


def ties_of(total: TensorVariable, variables: Sequence[TensorVariable]) -> csr_matrix | None:
    """Return which elements of variables stand together in a summand of a log-density, None where all may.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    variables : sequence of TensorVariable
        Their elements, one variable after the other, are the rows.
    """
    found = factors([total], at_values({v: v[None] for v in variables}), 1)
    if isinstance(found, MixingError):
        return None
    count = found.count
    rows, columns = [], []
    for factor in found.families:
        if factor.width**2 * len(factor.atoms) > _MOST_TIES * max(count, SMALLEST):
            return None
        for i in range(factor.width):
            for j in range(factor.width):
                if i != j:
                    rows.append(factor.atoms[:, i])
                    columns.append(factor.atoms[:, j])
    first = np.concatenate([np.zeros(0, np.int64), *rows])
    second = np.concatenate([np.zeros(0, np.int64), *columns])
    ties = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count)).tocsr()
    ties.sort_indices()
    return ties


def sparsity_of(ties: csr_matrix, most: float = inf) -> Sparsity | None:
    """Return how a precision matrix is factorised, None where a dense matrix is faster or it takes too long.

    Parameters
    ----------
    ties : (n, n) csr_matrix
        Of `ties_of`.
    most : float
        So many operations of the factor are too many.
    """
    count = ties.shape[0]
    if count < SMALLEST or ties.nnz > _MOST_TIES * count:
        return None
    pattern = find_pattern(ties, min(most, count**3 / (3 * _LOOPS)))
    if pattern is None:
        return None
    probes, probe_of = find_probes(ties)
    if len(probes) > count / 2:
        return None
    shares = probes.sum(axis=1) > 1
    is_own = ~shares[probe_of[pattern.first]]
    rows = np.where(is_own, pattern.second, pattern.first)
    columns = probe_of[np.where(is_own, pattern.first, pattern.second)]
    return Sparsity(pattern, probes, rows, columns)
