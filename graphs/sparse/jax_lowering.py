"""Lowering of sparse factors to JAX: as dense matrices, which accelerators prefer to loops over positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from graphs.sparse.dense import Inverses, LogDeterminants
from graphs.sparse.differentiable import SparseInverse, SparseLogDeterminant, SparseSolution
from graphs.sparse.ops import SparseCholesky, SparseDraw
from graphs.sparse.row_ops import GramSolution, RowFactor, RowLogDeterminant, RowProjections, RowSolution


def _columns(starts: jax.Array, rows: jax.Array) -> jax.Array:
    return jnp.repeat(jnp.arange(starts.shape[0] - 1), jnp.diff(starts), total_repeat_length=rows.shape[0])


def _dense(elements: jax.Array, starts: jax.Array, rows: jax.Array) -> jax.Array:
    count = starts.shape[0] - 1
    return jnp.zeros((count, count)).at[rows, _columns(starts, rows)].set(elements)


def _inverted(elements: jax.Array, starts: jax.Array) -> jax.Array:
    """Return the elements of a factor with the reciprocals of its diagonal, or back."""
    return elements.at[starts[:-1]].set(1.0 / elements[starts[:-1]])


@jax_funcify.register(SparseCholesky)
def sparse_cholesky(op: SparseCholesky, **options: Any) -> Callable[..., jax.Array]:
    """Factorise."""

    def factorize(values: jax.Array, places: jax.Array, starts: jax.Array, rows: jax.Array, *_: Any) -> jax.Array:
        matrix = _dense(jnp.zeros(rows.shape[0]).at[places].set(values), starts, rows)
        factor = jax.lax.linalg.cholesky(matrix, symmetrize_input=False)
        return _inverted(factor[rows, _columns(starts, rows)], starts)

    return factorize


@jax_funcify.register(SparseDraw)
def sparse_draw(op: SparseDraw, **options: Any) -> Callable[..., jax.Array]:
    """Draw."""

    def draw(values: jax.Array, right: jax.Array, noise: jax.Array, order: jax.Array, *arrays: jax.Array) -> jax.Array:
        places, starts, rows, *_ = arrays
        matrix = _dense(jnp.zeros(rows.shape[0]).at[places].set(values), starts, rows)
        factor = jax.lax.linalg.cholesky(matrix, symmetrize_input=False)
        whitened = jax.scipy.linalg.solve_triangular(factor, right[order], lower=True) + noise
        solved = jax.scipy.linalg.solve_triangular(factor, whitened, trans=1, lower=True)
        return jnp.zeros_like(solved).at[order].set(solved)

    return draw


@jax_funcify.register(SparseLogDeterminant)
def sparse_log_determinant(op: SparseLogDeterminant, **options: Any) -> Callable[..., jax.Array]:
    """Add up."""

    def log_determinant(values: jax.Array, factor: jax.Array, *arrays: jax.Array) -> jax.Array:
        _, _, _, starts, *_ = arrays
        return -2.0 * jnp.log(factor[starts[:-1]]).sum()

    return log_determinant


@jax_funcify.register(SparseSolution)
def sparse_solution(op: SparseSolution, **options: Any) -> Callable[..., jax.Array]:
    """Solve for an unordered right side."""

    def solve(
        values: jax.Array, right: jax.Array, factor: jax.Array, order: jax.Array, *arrays: jax.Array
    ) -> jax.Array:
        _, _, starts, rows = arrays
        matrix = _dense(_inverted(factor, starts), starts, rows)
        solved = jax.scipy.linalg.cho_solve((matrix, True), right[order])
        return jnp.zeros_like(solved).at[order].set(solved)

    return solve


@jax_funcify.register(SparseInverse)
def sparse_inverse(op: SparseInverse, **options: Any) -> Callable[..., jax.Array]:
    """Invert."""

    def invert(factor: jax.Array, places: jax.Array, starts: jax.Array, rows: jax.Array, _: jax.Array) -> jax.Array:
        matrix = _dense(_inverted(factor, starts), starts, rows)
        root = jax.scipy.linalg.solve_triangular(matrix, jnp.eye(starts.shape[0] - 1), lower=True)
        return (root.T @ root)[rows[places], _columns(starts, rows)[places]]

    return invert


@jax_funcify.register(LogDeterminants)
def log_determinants(op: LogDeterminants, **options: Any) -> Callable[..., jax.Array]:
    """Add up."""

    def add_up(matrices: jax.Array, factors: jax.Array) -> jax.Array:
        return 2.0 * jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)

    return add_up


@jax_funcify.register(Inverses)
def inverses(op: Inverses, **options: Any) -> Callable[..., jax.Array]:
    """Invert."""

    def invert(matrices: jax.Array, factors: jax.Array) -> jax.Array:
        identity = jnp.broadcast_to(jnp.eye(factors.shape[-1]), factors.shape)
        root = jax.scipy.linalg.solve_triangular(factors, identity, lower=True)
        return jnp.swapaxes(root, 1, 2) @ root

    return invert


def _matrix(elements: jax.Array, begins: jax.Array, columns: jax.Array, count: int) -> jax.Array:
    """Return a matrix of sparse rows as a dense one."""
    num_rows = begins.shape[0] - 1
    row_of = jnp.repeat(jnp.arange(num_rows), jnp.diff(begins), total_repeat_length=columns.shape[0])
    return jnp.zeros((num_rows, count)).at[row_of, columns].set(elements)


def _lower(factor: jax.Array, starts: jax.Array, rows: jax.Array) -> jax.Array:
    return _dense(_inverted(factor[0, :-1], starts), starts, rows)


@jax_funcify.register(RowFactor)
def row_factor(op: RowFactor, **options: Any) -> Callable[..., jax.Array]:
    """Factorise by rotations of the rows, which need no more digits."""

    def factorize(elements: jax.Array, begins: jax.Array, columns: jax.Array, *arrays: jax.Array) -> jax.Array:
        starts, rows = arrays[4], arrays[5]
        upper = jnp.linalg.qr(_matrix(elements, begins, columns, starts.shape[0] - 1), mode="r")
        lower = upper.T * jnp.sign(jnp.diagonal(upper))
        first = jnp.append(_inverted(lower[rows, _columns(starts, rows)], starts), 0.0)
        return jnp.stack([first, jnp.zeros_like(first)])

    return factorize


@jax_funcify.register(RowLogDeterminant)
def row_log_determinant(op: RowLogDeterminant, **options: Any) -> Callable[..., jax.Array]:
    """Add up."""

    def log_determinant(elements: jax.Array, factor: jax.Array, *arrays: jax.Array) -> jax.Array:
        return -2.0 * jnp.log(factor[0, arrays[4][:-1]]).sum()

    return log_determinant


@jax_funcify.register(RowProjections)
def row_projections(op: RowProjections, **options: Any) -> Callable[..., jax.Array]:
    """Invert."""

    def project(
        elements: jax.Array, factor: jax.Array, begins: jax.Array, columns: jax.Array, *arrays: jax.Array
    ) -> jax.Array:
        starts, rows = arrays[2], arrays[3]
        matrix = _matrix(elements, begins, columns, starts.shape[0] - 1)
        projections = jax.scipy.linalg.cho_solve((_lower(factor, starts, rows), True), matrix.T).T
        row_of = jnp.repeat(jnp.arange(matrix.shape[0]), jnp.diff(begins), total_repeat_length=columns.shape[0])
        return projections[row_of, columns]

    return project


@jax_funcify.register(RowSolution)
def row_solution(op: RowSolution, **options: Any) -> Callable[..., jax.Array]:
    """Solve, and once more for what is left."""

    def solve(elements: jax.Array, right: jax.Array, factor: jax.Array, *arrays: jax.Array) -> jax.Array:
        begins, columns, order, starts, rows = arrays
        matrix = _matrix(elements, begins, columns, order.shape[0])
        lower = _lower(factor, starts, rows)
        x = jax.scipy.linalg.cho_solve((lower, True), matrix.T @ right)
        step = jax.scipy.linalg.cho_solve((lower, True), matrix.T @ (right - matrix @ x))
        return jnp.concatenate([jnp.zeros_like(x).at[order].set(x + step), right - matrix @ x - matrix @ step])

    return solve


@jax_funcify.register(GramSolution)
def gram_solution(op: GramSolution, **options: Any) -> Callable[..., jax.Array]:
    """Solve."""

    def solve(elements: jax.Array, right: jax.Array, factor: jax.Array, *arrays: jax.Array) -> jax.Array:
        _, _, order, starts, rows = arrays
        x = jax.scipy.linalg.cho_solve((_lower(factor, starts, rows), True), right[order])
        return jnp.zeros_like(x).at[order].set(x)

    return solve
