"""The loops of the gradient of the forward recursion, from the last step to the first.

Each old state takes the share that it had in the sum of each new one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphs.backends.numba.library.intrinsics import at, call_address
from graphs.backends.numba.library.vector_math import exp
from graphs.recursion.loops.tables import (
    Sizes,
    added_row,
    exponentials,
    inlined,
    num_added_rows,
    num_tie_rows,
    outlined,
    relative_exponentials,
    tie_row,
)


class GradientMemory(NamedTuple):
    """Where the arrays are."""

    transition: Any  # (T or 1, B or 1, A, C, N)
    states: Any  # (T + 1, B, A * C)
    to_transition: Any  # of the shape of transition
    to_emission: Any  # (T or 1, B or 1, N)
    adjoint: Any  # (B, A * C)
    back: Any  # (A * C,)
    weights: Any  # (chunk, B, A * C): exponentials of the old states
    ratios: Any  # (chunk, B, C * N): adjoints of the new states as multiples of their sums
    ties: Any  # (chunk or 1, B or 1, A, C, N)
    tie_tops: Any
    turned: Any  # (chunk or 1, B or 1, C, N, A): the same
    used: Any  # (B or 1, A, C, N): weights times ratios, where transitions are the same at all steps
    run: Any  # address of `steps.run_back` for these sizes
    add: Any  # address of `steps.add_products`


def gradient_work(s: Sizes) -> int:
    """Return how much scratch memory is needed."""
    num_states, ties = s.c * s.n, num_tie_rows.py_func(s, s.chunk)
    used = 0 if s.tie_t else num_tie_rows.py_func(s, 1)
    return int(num_states * (s.series + 1 + 2 * s.chunk * s.series + (2 * ties + used) * s.n) + ties)


@inlined
def _memory(
    transition: Any, states: Any, to_transition: Any, to_emission: Any, work: Any, s: Any, run: Any, add: Any
) -> Any:
    num_states = s.c * s.n
    size, rows = num_states * s.n, s.chunk * s.series * num_states
    back = at(work, s.series * num_states)
    weights = at(back, num_states)
    ratios = at(weights, rows)
    ties = at(ratios, rows)
    tie_tops = at(ties, num_tie_rows(s, s.chunk) * size)
    turned = at(tie_tops, num_tie_rows(s, s.chunk))
    used = at(turned, num_tie_rows(s, s.chunk) * size)
    parts = back, weights, ratios, ties, tie_tops, turned, used
    return GradientMemory(transition, states, to_transition, to_emission, work, *parts, run, add)


@outlined
def gradient(
    transition: Any,
    states: Any,
    outer: Any,  # (B,): gradient with respect to the totals
    to_initial: Any,
    to_transition: Any,
    to_emission: Any,
    work: Any,
    s: Any,
    run: int,
    add: int,
) -> None:
    """Run the adjoint recursion."""
    m = _memory(transition, states, to_transition, to_emission, work, s, run, add)
    _begin(outer, m, s)
    num_chunks = (s.steps + s.chunk - 1) // s.chunk
    for k in range(num_chunks - 1, -1, -1):
        start, stop = k * s.chunk, min((k + 1) * s.chunk, s.steps)
        if k == num_chunks - 1 or s.tie_t:
            _prepare(m, s, start, stop)
        rows = at(states, start * s.series * s.c * s.n)
        exponentials(m.weights, rows, (stop - start) * s.series * s.c * s.n)
        for b in range(s.series):
            _advance(m, s, start, stop, b)
        _use_transitions(m, s, start, stop)
    if not s.tie_t:
        for i in range(num_tie_rows(s, 1) * s.c * s.n * s.n):
            to_transition[i] = to_transition[i] + m.ties[i] * m.used[i]
    for i in range(s.series * s.c * s.n):
        to_initial[i] = m.adjoint[i]


@outlined
def _begin(outer: Any, m: Any, s: Any) -> None:
    """Share the gradient of the totals out among the last states."""
    num_states = s.c * s.n
    for i in range(num_tie_rows(s, s.steps) * num_states * s.n):
        m.to_transition[i] = 0.0
    for i in range(num_added_rows(s, s.steps) * s.n):
        m.to_emission[i] = 0.0
    if not s.tie_t:
        for i in range(num_tie_rows(s, 1) * num_states * s.n):
            m.used[i] = 0.0
    for b in range(s.series):
        last = at(m.states, (s.steps * s.series + b) * num_states)
        adjoint = at(m.adjoint, b * num_states)
        total = 0.0
        for i in range(num_states):
            adjoint[i] = exp(last[i])
            total += adjoint[i]
        # Nothing is possible: the gradient is zero.
        scale = outer[b] / total if total != 0.0 else 0.0
        for i in range(num_states):
            adjoint[i] = adjoint[i] * scale


@outlined
def _prepare(m: Any, s: Any, start: int, stop: int) -> None:
    """Take exponentials of transitions, in both orders."""
    size, rows = s.c * s.n * s.n, num_tie_rows(s, stop - start)
    relative_exponentials(m.ties, m.tie_tops, at(m.transition, tie_row(s, start, 0) * size), rows, size)
    for r in range(rows):
        ties, turned = at(m.ties, r * size), at(m.turned, r * size)
        for a in range(s.n):
            for i in range(s.c * s.n):
                turned[i * s.n + a] = ties[a * s.c * s.n + i]


@outlined
def _advance(m: Any, s: Any, start: int, stop: int, b: int) -> None:
    """Make the steps of a chunk of one series back."""
    left = _run(m, s, start, stop, b)
    while left > 0:
        _share_exactly(m, s, start, start + left - 1, b)
        left = _run(m, s, start, start + left - 1, b)


@inlined
def _run(m: Any, s: Any, start: int, stop: int, b: int) -> int:
    num_states = s.c * s.n
    size, rows = num_states * s.n, b * num_states
    ties, tie_step = tie_row(s, 0, b) * size, tie_row(s, 1, 0) * size
    to_emission, added_step = at(m.to_emission, added_row(s, start, b) * s.n), added_row(s, 1, 0) * s.n
    given = at(m.adjoint, rows), at(m.weights, rows), at(m.ratios, rows), s.series * num_states
    tables = at(m.ties, ties), at(m.turned, ties), tie_step
    return call_address(m.run, (*given, *tables, to_emission, added_step, stop - start, s.c, s.n))


@outlined
def _share_exactly(m: Any, s: Any, start: int, t: int, b: int) -> None:
    """Make a step back in log space."""
    num_states = s.c * s.n
    adjoint = at(m.adjoint, b * num_states)
    ratios = at(m.ratios, ((t - start) * s.series + b) * num_states)
    to_emission = at(m.to_emission, added_row(s, t, b) * s.n)
    old = at(m.states, (t * s.series + b) * num_states)
    place = tie_row(s, t, b) * num_states * s.n
    ties, slope = at(m.transition, place), at(m.to_transition, place)
    for i in range(num_states):
        m.back[i] = 0.0
        ratios[i] = 0.0
    for i in range(num_states):
        if adjoint[i] == 0.0:
            continue
        to_emission[i % s.n] = to_emission[i % s.n] + adjoint[i]
        # Shares of the sum itself: relative to its logarithm they would not add up to one exactly, step after step.
        c, top, total = i // s.n, -np.inf, 0.0
        for a in range(s.n):
            top = max(top, old[a * s.c + c] + ties[a * num_states + i])
        for a in range(s.n):
            total += exp(old[a * s.c + c] + ties[a * num_states + i] - top)
        for a in range(s.n):
            share = adjoint[i] * (exp(old[a * s.c + c] + ties[a * num_states + i] - top) / total)
            m.back[a * s.c + c] = m.back[a * s.c + c] + share
            slope[a * num_states + i] = slope[a * num_states + i] + share
    for i in range(num_states):
        adjoint[i] = m.back[i]


@outlined
def _use_transitions(m: Any, s: Any, start: int, stop: int) -> None:
    """Add up how much each transition was used in a chunk."""
    num_states = s.c * s.n
    if s.tie_t:
        for t in range(stop - start):
            for b in range(s.series):
                place, table = (t * s.series + b) * num_states, tie_row(s, t, b) * num_states * s.n
                slope = at(m.to_transition, tie_row(s, start + t, b) * num_states * s.n)
                _add_product(slope, at(m.weights, place), at(m.ratios, place), at(m.ties, table), s)
        return
    # Where they are the same for all series, all rows count for one table.
    num_tables = num_tie_rows(s, 1)
    num_rows = (stop - start) * s.series // num_tables
    for b in range(num_tables):
        used = at(m.used, b * num_states * s.n)
        weights, ratios = at(m.weights, b * num_states), at(m.ratios, b * num_states)
        call_address(m.add, (used, weights, ratios, num_tables * num_states, num_rows, s.c, s.n))


@inlined
def _add_product(slope: Any, weights: Any, ratios: Any, ties: Any, s: Any) -> None:
    for a in range(s.n):
        for c in range(s.c):
            weight, row = weights[a * s.c + c], (a * s.c + c) * s.n
            for n in range(s.n):
                slope[row + n] = slope[row + n] + weight * ties[row + n] * ratios[c * s.n + n]
