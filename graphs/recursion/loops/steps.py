"""The inner loops of the forward recursion: one series, from step to step.

All arrays are flat. A joint state (a, c) of the oldest position and of those that are carried along has the number
``a * C + c``, the next one, (c, n), has ``c * N + n``, and N is as large as A. These loops are compiled for each size,
so that those over states are unrolled and weights stay in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.extending import overload

from graphs.backends.numba.library.intrinsics import at, intrinsic, local_floats, select

SMALLEST = 1e-280
"""What a sum of products has lost to underflow is less than 1e-20 of it if it is larger than this."""
LARGEST = 1e280
SUMS = 2

unrolled: Any = njit(inline="always", error_model="numpy")
"""Inlined before sizes are replaced by numbers: LLVM's own inlining would come after its work on loops."""


@unrolled
def is_safe(value: Any) -> Any:
    """Whether a sum of products has neither lost much to underflow nor overflowed."""
    return (value > SMALLEST) & (value < LARGEST)


@unrolled
def multiply(target: Any, factors: Any, spacing: Any, matrix: Any, row_size: Any, size: Any) -> None:
    """Multiply a vector by a square matrix: target[j] = sum_k factors[k * spacing] * matrix[k * row_size + j]."""
    for j in range(size):
        target[j] = 0.0
    # Four rows at a time, since each time the target is loaded and stored.
    for k in range(0, size - 3, 4):
        x0, x1 = factors[k * spacing], factors[(k + 1) * spacing]
        x2, x3 = factors[(k + 2) * spacing], factors[(k + 3) * spacing]
        row = k * row_size
        for j in range(size):
            first = x0 * matrix[row + j] + x1 * matrix[row + row_size + j]
            second = x2 * matrix[row + 2 * row_size + j] + x3 * matrix[row + 3 * row_size + j]
            target[j] = target[j] + (first + second)
    for k in range(size - size % 4, size):
        x0 = factors[k * spacing]
        for j in range(size):
            target[j] = target[j] + x0 * matrix[k * row_size + j]


def product(target: Any, factors: Any, spacing: Any, matrix: Any, row_size: Any, size: Any) -> None:
    """Do as `multiply`, by vector instructions if the size is known."""
    raise NotImplementedError


@overload(product, prefer_literal=True, inline="always")
def _product(target: Any, factors: Any, spacing: Any, matrix: Any, row_size: Any, size: Any) -> Any:
    """Choose."""
    is_known = isinstance(size, types.IntegerLiteral)
    return _by_vectors if is_known else _by_loops


def _by_vectors(target: Any, factors: Any, spacing: Any, matrix: Any, row_size: Any, size: Any) -> None:
    multiply_vectors(target, factors, spacing, matrix, row_size, size)


def _by_loops(target: Any, factors: Any, spacing: Any, matrix: Any, row_size: Any, size: Any) -> None:
    multiply(target, factors, spacing, matrix, row_size, size)


@intrinsic(prefer_literal=True)
def multiply_vectors(
    typing_context: Any, target: Any, factors: Any, spacing: Any, matrix: Any, row_size: Any, size: Any
) -> Any:
    """Multiply by vector instructions, all written out, with the sums in registers."""
    if not isinstance(size, types.IntegerLiteral):
        return None
    count = size.literal_value

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to, x, x_step, start, row_step, _ = args
        first = 0
        while first < count:
            width = next(w for w in (8, 4, 2, 1) if w <= count - first)
            kind = ir.VectorType(ir.DoubleType(), width)
            signature = ir.FunctionType(kind, [kind] * 3)
            fma = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.v{width}f64")
            # Several sums, so that one need not wait for the other.
            sums: list[Any] = [None] * min(SUMS, count)
            for k in range(count):
                index = ir.Constant(ir.IntType(64), k)
                factor = builder.load(builder.gep(x, [builder.mul(index, x_step)]))
                place = builder.add(builder.mul(index, row_step), ir.Constant(ir.IntType(64), first))
                row = builder.load(builder.bitcast(builder.gep(start, [place]), kind.as_pointer()), align=8)
                factor = _splat(builder, factor, width)
                old = sums[k % len(sums)]
                sums[k % len(sums)] = (
                    builder.fmul(factor, row) if old is None else builder.call(fma, [factor, row, old])
                )
            while len(sums) > 1:
                sums = [
                    builder.fadd(*sums[i : i + 2]) if i + 1 < len(sums) else sums[i] for i in range(0, len(sums), 2)
                ]
            goal = builder.gep(to, [ir.Constant(ir.IntType(64), first)])
            builder.store(sums[0], builder.bitcast(goal, kind.as_pointer()), align=8)
            first += width
        return context.get_dummy_value()

    return types.void(target, factors, spacing, matrix, row_size, size), generate


def _splat(builder: Any, number: Any, width: int) -> Any:
    kind = ir.VectorType(ir.DoubleType(), width)
    vector = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(vector, ir.Constant(kind, ir.Undefined), zeros)


@unrolled
def run(
    weights: Any,  # (A * C,): updated
    ties: Any,  # (A, C, N): exponentials of transitions
    tie_step: Any,  # between the tables of successive steps
    added: Any,  # (N,): exponentials of emissions
    added_step: Any,
    states: Any,  # (C * N,): receives the sums
    state_step: Any,
    count: Any,
    c: Any,
    n: Any,
) -> Any:
    """Make steps until a sum is not safe; return how many were made."""
    old, new = local_floats(c * n), local_floats(c * n)
    for i in range(c * n):
        old[i] = weights[i]
    done = count
    for t in range(count):
        table, factors, row = at(ties, t * tie_step), at(added, t * added_step), at(states, t * state_step)
        for k in range(c):
            product(at(new, k * n), at(old, k), c, at(table, k * n), c * n, n)
        all_safe = True
        for i in range(c * n):
            row[i] = new[i]
            all_safe &= is_safe(new[i])
        if not all_safe:
            done = t
            break
        for k in range(c):
            for j in range(n):
                old[k * n + j] = new[k * n + j] * factors[j]
    for i in range(c * n):
        weights[i] = old[i]
    return done


@unrolled
def run_back(  # noqa: C901 (one loop, compiled as a whole)
    adjoint: Any,  # (A * C,): updated; of the last of the new states, at first
    weights: Any,  # (A * C,): exponentials of the old states of the first step
    ratios: Any,  # (C * N,): receives the adjoints of the new states as multiples of their sums
    state_step: Any,
    ties: Any,  # (A, C, N)
    turned: Any,  # (C, N, A)
    tie_step: Any,
    to_emission: Any,  # (N,): added to
    added_step: Any,
    count: Any,
    c: Any,
    n: Any,
) -> Any:
    """Make steps back from the last until a sum that matters is not safe; return how many are left."""
    outer, new, back = local_floats(c * n), local_floats(c * n), local_floats(c * n)
    for i in range(c * n):
        outer[i] = adjoint[i]
    left = 0
    for k in range(count):
        t = count - 1 - k
        old, table, row = at(weights, t * state_step), at(ties, t * tie_step), at(ratios, t * state_step)
        for k in range(c):
            product(at(new, k * n), at(old, k), c, at(table, k * n), c * n, n)
        all_safe = True
        for i in range(c * n):
            all_safe &= is_safe(new[i]) | (outer[i] == 0.0)
            new[i] = select(is_safe(new[i]), 1.0 / new[i], 0.0)
        if not all_safe:
            left = t + 1
            break
        for i in range(c * n):
            new[i] = new[i] * outer[i]
            row[i] = new[i]
        slope = at(to_emission, t * added_step)
        for k in range(c):
            for j in range(n):
                slope[j] = slope[j] + outer[k * n + j]
        table = at(turned, t * tie_step)
        for k in range(c):
            product(at(back, k * n), at(new, k * n), 1, at(table, k * n * n), n, n)
        for k in range(c):
            for j in range(n):
                outer[j * c + k] = old[j * c + k] * back[k * n + j]
    for i in range(c * n):
        adjoint[i] = outer[i]
    return left


@unrolled
def add_products(
    used: Any,  # (A, C, N): added to
    weights: Any,  # (A * C,)
    ratios: Any,  # (C * N,)
    spacing: Any,
    count: Any,
    c: Any,
    n: Any,
) -> Any:
    """Add up the products of weights of old states and ratios of new ones over steps."""
    # Four at a time, since each time the sums are loaded and stored.
    for r in range(0, count - 3, 4):
        w0, r0 = at(weights, r * spacing), at(ratios, r * spacing)
        w1, r1 = at(w0, spacing), at(r0, spacing)
        w2, r2 = at(w1, spacing), at(r1, spacing)
        w3, r3 = at(w2, spacing), at(r2, spacing)
        for i in range(n * c):
            x0, x1, x2, x3 = w0[i], w1[i], w2[i], w3[i]
            first = i % c * n
            for k in range(n):
                j = first + k
                more = (x0 * r0[j] + x1 * r1[j]) + (x2 * r2[j] + x3 * r3[j])
                used[i * n + k] = used[i * n + k] + more
    for r in range(count - count % 4, count):
        for i in range(n * c):
            x0 = weights[r * spacing + i]
            for k in range(n):
                used[i * n + k] = used[i * n + k] + x0 * ratios[r * spacing + i % c * n + k]
    return count
