"""The loop over sweeps of one chain.

One source: ordinary Python for the C backend, compiled once for every model by Numba. What a model adds is data: a
table of blocks and a program for each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.program import lower_as_call
from samplers.chain.result import STATUS_DONE, STATUS_NOT_FINITE_DRAW, STATUS_STRIDE
from samplers.chain.state import (
    FIRST_STATISTIC,
    KIND,
    KIND_DRAW,
    NUM_ITERATIONS,
    NUM_LEARNT,
    NUM_STATISTICS,
    OFFSET,
    SCALE,
    SIZE,
    TARGET,
    Chain,
    Settings,
)
from samplers.loop.moves import call_move
from samplers.tuning.adaptation import adapt_scale

type Vector = NDArray[np.float64]


def draw(program: Any, state: Vector, out: Vector, rng: NDArray[np.uint64]) -> float:
    """Write new values of a block's variables; return the acceptance probability.

    Parameters
    ----------
    program : callable, or array, shape (4,), int64
        ``(state, out, rng) -> float`` in Python; the row of a bound program in compiled code.
    state : array, shape (size,), float64
        The joint state.
    out : array, float64
        Overwritten.
    rng : array, shape (4,), uint64
        Generator.
    """
    return float(program(state, out, rng))


lower_as_call(draw, x=1, context=1, out=2, rng=3)


@njit(cache=True, inline="always")
def _scatter(out: Vector, targets: NDArray[np.int64], first: int, start: int, stop: int, state: Vector) -> int:
    """Copy new values into the state, if all are finite; return the element for which one is not, else -1."""
    for i in range(start, stop):
        if not np.isfinite(out[i]):
            return targets[first + i]
    for i in range(start, stop):
        state[targets[first + i]] = out[i]
    return -1


@njit(cache=True, inline="always")
def _record(values: Vector, row: int, rows: NDArray[np.float64]) -> None:
    """Copy a vector into a row."""
    for i in range(values.size):
        rows[row, i] = values[i]


@njit(cache=True, inline="always")
def _record_elements(state: Vector, kept: NDArray[np.int64], row: int, rows: NDArray[np.float64]) -> None:
    """Copy the elements that are kept into a row."""
    for i in range(kept.size):
        rows[row, i] = state[kept[i]]


@inlined
def _move_draw(
    state: Vector,
    out: Vector,
    rng: NDArray[np.uint64],
    statistics: Vector,
    table: NDArray[np.int64],
    block: int,
    targets: NDArray[np.int64],
    program: Any,
    is_tuning: bool,
    iteration: int,
) -> int:
    """Move a block by its draw program; return a status."""
    acceptance_rate = draw(program, state, out, rng)
    size = table[block, SIZE]
    element = _scatter(out, targets, table[block, OFFSET], 0, size, state)
    if is_tuning and element < 0:
        element = _scatter(out, targets, table[block, OFFSET], size, size + table[block, NUM_LEARNT], state)
    if element >= 0:
        return STATUS_NOT_FINITE_DRAW + STATUS_STRIDE * element
    if table[block, NUM_STATISTICS] > 0:
        statistics[table[block, FIRST_STATISTIC]] = acceptance_rate
    at = table[block, SCALE]
    if at >= 0:
        statistics[table[block, FIRST_STATISTIC] + 1] = state[at]
        if is_tuning:
            state[at] = adapt_scale(state[at], acceptance_rate, table[block, TARGET] / 1000.0, iteration + 1)
    return STATUS_DONE


@inlined
def advance(
    chain: Chain,
    settings: Settings,
    table: NDArray[np.int64],
    targets: NDArray[np.int64],
    programs: Any,
    stop: int,
    first: int,
    thin: int,
    draws: NDArray[np.float64],
    statistics: NDArray[np.float64],
) -> int:
    """Sweep until ``stop`` sweeps have been done since the beginning of the chain.

    Parameters
    ----------
    chain : Chain
        Updated in place; what is drawn does not depend on how often this function returns in between.
    settings : Settings
        Tuning and NUTS.
    table : array, shape (num_blocks, 12), int64
        The blocks: kind, where they lie, and what they record.
    targets : array, int64
        Elements of the joint state that draw blocks move, one block after the other.
    programs : array, shape (num_blocks, 4), int64; or sequence of callables
        Bound programs, or in Python callables as in ``evaluate`` and ``draw``.
    stop : int
        Number of sweeps to have been done.
    first, thin : int
        The sweep ``first + thin * (k + 1)`` is recorded in row ``k``.
    draws : array, shape (num_rows, num_kept), float64
        What is kept of the joint states; nothing is recorded if it has no rows.
    statistics : array, shape (num_rows, num_statistics), float64
        Statistics of the blocks.

    Returns
    -------
    int
        Status, as in ``SweepResult``; ``chain.counters[0]`` tells how many sweeps have been completed.
    """
    # Names of their own: taking an array out of a tuple costs as much as a cheap draw.
    state, out, rng, counters, now = chain.state, chain.out, chain.rng, chain.counters, chain.statistics
    for iteration in range(counters[NUM_ITERATIONS], stop):
        is_tuning = iteration < settings.tune
        for block in range(table.shape[0]):
            if table[block, KIND] == KIND_DRAW:
                status = _move_draw(state, out, rng, now, table, block, targets, programs[block], is_tuning, iteration)
            else:
                status = call_move(chain, settings, table[block], block, targets, programs[block], iteration)
            if status != STATUS_DONE:
                return status
        done = iteration + 1 - first
        if draws.shape[0] > 0 and done % thin == 0:
            _record_elements(state, chain.kept, done // thin - 1, draws)
            _record(now, done // thin - 1, statistics)
        counters[NUM_ITERATIONS] = iteration + 1
    return STATUS_DONE
