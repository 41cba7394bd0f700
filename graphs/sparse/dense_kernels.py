"""Loops over dense Cholesky factors, one or many, that find determinants and inverses."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit


@njit(cache=True, error_model="numpy")
def log_determinants(matrices: NDArray, factors: NDArray) -> NDArray:
    """Return the log-determinants of matrices, shape (b,), from their factors, shape (b, n, n)."""
    result = np.empty(factors.shape[0])
    for b in range(factors.shape[0]):
        total, product = 0.0, 1.0
        for i in range(factors.shape[1]):
            product *= factors[b, i, i]
            # The root of any number of double precision times a product between these is one of double precision.
            if not 1e-100 < product < 1e100:
                total += log(product)
                product = 1.0
        result[b] = 2.0 * (total + log(product))
    return result


@njit(cache=True, error_model="numpy")
def inverses(matrices: NDArray, factors: NDArray) -> NDArray:
    """Return the inverses of matrices, shape (b, n, n), from their factors: ``R' R``, R being that of the factor."""
    count, size = factors.shape[:2]
    result = np.zeros((count, size, size))
    root = np.empty((size, size))
    for b in range(count):
        factor, inverse = factors[b], result[b]
        for i in range(size):
            root[i, :i] = 0.0
            for k in range(i):
                multiplier = factor[i, k]
                for j in range(k + 1):
                    root[i, j] -= multiplier * root[k, j]
            pivot = 1.0 / factor[i, i]
            for j in range(i):
                root[i, j] *= pivot
            root[i, i] = pivot
            for k in range(i + 1):
                multiplier = root[i, k]
                for j in range(k + 1):
                    inverse[k, j] += multiplier * root[i, j]
        for i in range(size):
            for j in range(i):
                inverse[j, i] = inverse[i, j]
    return result
