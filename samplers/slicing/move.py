"""One sweep of slice sampling over the elements of a variable, a group of independent ones at a time.

Ordinary Python for the C backend, compiled by Numba where a block needs it.
"""

from __future__ import annotations

from math import floor, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.intrinsics import as_rows
from graphs.backends.numba.library.rng import fill_exponential, fill_uniform
from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from samplers.chain.programs import evaluate_density
from samplers.chain.result import STATUS_DONE, STATUS_NOT_FINITE_LOGDENSITY, STATUS_STRIDE
from samplers.chain.state import (
    FIRST_STATISTIC,
    GROUPS,
    IS_INTEGER,
    NUM_GROUPS,
    NUM_LOGPROBS,
    OFFSET,
    SCALE,
    SIZE,
    Chain,
    Settings,
)
from samplers.loop.moves import registered

type Vector = NDArray[np.float64]

MOST_STEPS = 16
MOST_SHRINKS = 200
NUM_ROWS = 8
SLICE_GAIN = 2.0
SLICE_DECAY = 0.6


@njit(cache=True, inline="always")
def _logprob_of(out: Vector, element: int) -> float:
    """Return the log-probability of an element: its own, or the only one."""
    value = out[element] if out.size > 1 else out[0]
    return value if not np.isnan(value) else -np.inf


@inlined
def _step_out(
    logprobs: Any,
    context: Vector,
    members: NDArray[np.int64],
    is_integer: bool,
    step: float,
    point: Vector,
    here: Vector,
    level: Vector,
    edge: Vector,
    steps: Vector,
    out: Vector,
) -> int:
    """Move the edges of intervals out of the slices, at most so many steps each; return the number of evaluations."""
    count = 0
    while True:
        num_waiting = 0
        for i in members:
            waits = steps[i] >= 1.0
            num_waiting += waits
            point[i] = edge[i] if waits else here[i]
            if is_integer:
                point[i] = floor(point[i])
        if num_waiting == 0:
            return count
        evaluate_density(logprobs, point, context, out)
        count += 1
        for i in members:
            if steps[i] >= 1.0:
                is_inside = _logprob_of(out, i) > level[i]
                edge[i] += step if is_inside else 0.0
                steps[i] = steps[i] - 1.0 if is_inside else 0.0


@inlined
def _shrink(
    rng: NDArray[np.uint64],
    logprobs: Any,
    context: Vector,
    members: NDArray[np.int64],
    is_integer: bool,
    point: Vector,
    here: Vector,
    level: Vector,
    left: Vector,
    right: Vector,
    uniform: Vector,
    out: Vector,
) -> int:
    """Draw from the intervals until all draws lie in the slices; return the number of evaluations."""
    count, num_waiting = 0, members.size
    # An interval of no width marks what has been drawn.
    while num_waiting > 0 and count < MOST_SHRINKS:
        fill_uniform(rng, uniform[: members.size])
        for k in range(members.size):
            i = members[k]
            if left[i] < right[i]:
                uniform[k] = left[i] + uniform[k] * (right[i] - left[i])
                point[i] = floor(uniform[k]) if is_integer else uniform[k]
        evaluate_density(logprobs, point, context, out)
        count += 1
        num_waiting = 0
        for k in range(members.size):
            i = members[k]
            if not left[i] < right[i]:
                continue
            if _logprob_of(out, i) > level[i]:
                here[i] = point[i]
                left[i] = right[i] = 0.0
            elif uniform[k] < here[i]:
                left[i] = uniform[k]
                num_waiting += 1
            else:
                right[i] = uniform[k]
                num_waiting += 1
    for i in members:
        here[i] = floor(here[i]) if is_integer else here[i]
        point[i] = here[i]
    return count


@inlined
def slice_sweep(
    rng: NDArray[np.uint64],
    logprobs: Any,
    context: Vector,
    position: Vector,
    groups: NDArray[np.int64],
    num_groups: int,
    is_integer: bool,
    num_logprobs: int,
    width: float,
    work: Vector,
) -> tuple[int, float]:
    """Move every element of a variable once, in place.

    Parameters
    ----------
    rng : array, shape (4,), uint64
        Generator.
    logprobs : callable, or array, shape (4,), int64
        As in ``samplers.chain.programs.evaluate_density``; it writes the log-probability of each element given all
        others, or that of all, into the last argument.
    context : array, float64
        The joint state.
    position : array, shape (d,), float64
        The elements.
    groups : array, int64
        For each group its size, then its elements.
    num_groups : int
        Number of groups.
    is_integer : bool
        Whether the elements are integers.
    num_logprobs : int
        d, or 1.
    width : float
        Of the first interval.
    work : array, shape (NUM_ROWS * d,), float64
        Overwritten.

    Returns
    -------
    num_evaluations : int
        Of ``logprobs``.
    interval : float
        Mean width of the intervals before they shrank; not a number where the log-probability is not finite.
    """
    size = position.size
    rows = as_rows(work, NUM_ROWS, size)
    point, level, left, right, before, after, uniform = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6]
    out = rows[7, :num_logprobs]
    total, num_evaluations, at = 0.0, 0, 0
    for i in range(size):
        point[i] = position[i]
    for _ in range(num_groups):
        members = groups[at + 1 : at + 1 + groups[at]]
        at += 1 + groups[at]
        evaluate_density(logprobs, point, context, out)
        fill_exponential(rng, uniform[: members.size])
        for k in range(members.size):
            i = members[k]
            level[i] = _logprob_of(out, i) - uniform[k]
            if not isfinite(level[i]):
                return num_evaluations, np.nan
        if is_integer:
            fill_uniform(rng, uniform[: members.size])
            for k in range(members.size):
                position[members[k]] += uniform[k]
        fill_uniform(rng, uniform[: members.size])
        for k in range(members.size):
            i = members[k]
            left[i] = position[i] - width * uniform[k]
            right[i] = left[i] + width
        fill_uniform(rng, uniform[: members.size])
        for k in range(members.size):
            before[members[k]] = floor(MOST_STEPS * uniform[k])
            after[members[k]] = MOST_STEPS - 1 - before[members[k]]
        num_evaluations += 1
        num_evaluations += _step_out(
            logprobs, context, members, is_integer, -width, point, position, level, left, before, out
        )
        num_evaluations += _step_out(
            logprobs, context, members, is_integer, width, point, position, level, right, after, out
        )
        for i in members:
            total += right[i] - left[i]
        num_evaluations += _shrink(
            rng, logprobs, context, members, is_integer, point, position, level, left, right, uniform, out
        )
    return num_evaluations, total / size


@inlined
def adapt_width(width: float, interval: float, count: int) -> float:
    """Return the width of the first interval moved towards that of the slices: half of what stepping out reaches.

    Parameters
    ----------
    width : float
        That was used.
    interval : float
        Mean width of the intervals.
    count : int
        Number of sweeps so far, this one included.
    """
    gain = SLICE_GAIN * float(count) ** -SLICE_DECAY
    return width * (0.5 * interval / width) ** (gain if gain < 1.0 else 1.0)


@registered
@inlined
def move_slice(
    chain: Chain,
    settings: Settings,
    row: NDArray[np.int64],
    block: int,
    targets: NDArray[np.int64],
    logprobs: Any,
    iteration: int,
) -> int:
    """Move a block by slice sampling; return a status. The arguments are those of `samplers.loop.moves`."""
    first, at, statistic = row[OFFSET], row[SCALE], row[FIRST_STATISTIC]
    width = chain.state[at]
    num_evaluations, interval = slice_sweep(
        chain.rng,
        logprobs,
        chain.state,
        chain.state[first : first + row[SIZE]],
        targets[row[GROUPS] :],
        row[NUM_GROUPS],
        row[IS_INTEGER] != 0,
        row[NUM_LOGPROBS],
        width,
        chain.rows,
    )
    if not isfinite(interval):
        return STATUS_NOT_FINITE_LOGDENSITY + STATUS_STRIDE * first
    chain.statistics[statistic] = num_evaluations
    chain.statistics[statistic + 1] = width
    if iteration < settings.tune:
        chain.state[at] = adapt_width(width, interval, iteration + 1)
    return STATUS_DONE
