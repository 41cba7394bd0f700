"""Lowering of sparse factors to JAX: as dense matrices, which accelerators prefer to loops over positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from graphs.sparse_cholesky import SparseCholesky, SparseSolve


def _columns(starts: jax.Array, rows: jax.Array) -> jax.Array:
    return jnp.repeat(jnp.arange(starts.shape[0] - 1), jnp.diff(starts), total_repeat_length=rows.shape[0])


def _dense(elements: jax.Array, starts: jax.Array, rows: jax.Array) -> jax.Array:
    count = starts.shape[0] - 1
    return jnp.zeros((count, count)).at[rows, _columns(starts, rows)].set(elements)


@jax_funcify.register(SparseCholesky)
def sparse_cholesky(op: SparseCholesky, **options: Any) -> Callable[..., jax.Array]:
    """Factorise."""

    def factorize(values: jax.Array, places: jax.Array, starts: jax.Array, rows: jax.Array, *_: Any) -> jax.Array:
        matrix = _dense(jnp.zeros(rows.shape[0]).at[places].set(values), starts, rows)
        factor = jax.lax.linalg.cholesky(matrix, symmetrize_input=False)
        return factor[rows, _columns(starts, rows)]

    return factorize


@jax_funcify.register(SparseSolve)
def sparse_solve(op: SparseSolve, **options: Any) -> Callable[..., jax.Array]:
    """Solve."""

    def solve(factor: jax.Array, right: jax.Array, starts: jax.Array, rows: jax.Array) -> jax.Array:
        matrix = _dense(factor, starts, rows)
        return jax.scipy.linalg.solve_triangular(matrix, right, trans=1 if op.is_transposed else 0, lower=True)

    return solve
