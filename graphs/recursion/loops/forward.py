"""The loops of the forward recursion.

Weights are carried from step to step as plain numbers with a common factor that is known by its logarithm: a
multiplication and an addition per pair of states. Exponentials and logarithms are taken for many steps together. Where
a sum is not safely above underflow, the weights are made anew from their logarithms, and what is still too small is
summed in log space; so nothing that is improbable for a while is lost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphs.backends.numba.library.intrinsics import at, call_address, select
from graphs.backends.numba.library.vector_math import exp, log
from graphs.recursion.loops.steps import is_safe, multiply
from graphs.recursion.loops.tables import (
    Sizes,
    added_row,
    exponentials,
    inlined,
    is_unreachable,
    largest,
    log_sum,
    logarithms,
    num_added_rows,
    num_tie_rows,
    outlined,
    relative_exponentials,
    tie_row,
)


class ForwardMemory(NamedTuple):
    """Where the arrays are."""

    transition: Any  # (T or 1, B or 1, A, C, N)
    emission: Any  # (T or 1, B or 1, N)
    states: Any  # (T + 1, B, A * C): within a chunk the sums, before their logarithms are taken
    weights: Any  # (B, A * C)
    high: Any  # (B,): the logarithm of what the weights, times their factor, are multiples of
    low: Any  # (B,): and its rounding error
    shift: Any  # (B,): the logarithm of the factor by which the last states are smaller than the weights
    is_final: Any  # (chunk, B): whether the states are logarithms already
    ties: Any  # (chunk or 1, B or 1, A, C, N)
    tie_tops: Any
    added: Any  # (chunk or 1, B or 1, N)
    added_tops: Any
    run: Any  # address of `steps.run` for these sizes


def forward_work(s: Sizes) -> int:
    """Return how much scratch memory is needed."""
    ties, added = num_tie_rows.py_func(s, s.chunk), num_added_rows.py_func(s, s.chunk)
    num_states = s.c * s.n
    return int(s.series * (num_states + 3 + s.chunk) + ties * (num_states * s.n + 1) + added * (s.n + 1))


@inlined
def _memory(transition: Any, emission: Any, states: Any, work: Any, s: Any, run: Any) -> Any:
    num_states = s.c * s.n
    high = at(work, s.series * num_states)
    low = at(high, s.series)
    shift = at(low, s.series)
    is_final = at(shift, s.series)
    ties = at(is_final, s.chunk * s.series)
    tie_tops = at(ties, num_tie_rows(s, s.chunk) * num_states * s.n)
    added = at(tie_tops, num_tie_rows(s, s.chunk))
    added_tops = at(added, num_added_rows(s, s.chunk) * s.n)
    parts = is_final, ties, tie_tops, added, added_tops
    return ForwardMemory(transition, emission, states, work, high, low, shift, *parts, run)


@outlined
def forward(initial: Any, transition: Any, emission: Any, total: Any, states: Any, work: Any, s: Any, run: int) -> None:
    """Sum over all paths."""
    m = _memory(transition, emission, states, work, s, run)
    num_states = s.c * s.n
    _begin(initial, m, s)
    for start in range(0, s.steps, s.chunk):
        stop = min(start + s.chunk, s.steps)
        _prepare(m, s, start, stop)
        is_plain = True
        for b in range(s.series):
            is_plain &= _advance(m, s, start, stop, b)
        _take_logarithms(m, s, start, stop, is_plain)
    for b in range(s.series):
        last = at(states, (s.steps * s.series + b) * num_states)
        summed = 0.0
        for i in range(num_states):
            summed += exp(last[i])
        # Plus infinity is no log-potential.
        log_sum = log(summed) if summed < np.inf else np.nan
        total[b] = m.high[b] + (m.low[b] + (m.shift[b] + log_sum))


@outlined
def _begin(initial: Any, m: Any, s: Any) -> None:
    num_states = s.c * s.n
    for b in range(s.series):
        top = largest(at(initial, b * num_states), num_states)
        m.high[b], m.low[b], m.shift[b] = top, 0.0, 0.0
        for i in range(b * num_states, (b + 1) * num_states):
            m.states[i] = initial[i] - top
    exponentials(m.weights, m.states, s.series * num_states)


@outlined
def _prepare(m: Any, s: Any, start: int, stop: int) -> None:
    """Take the exponentials that a chunk needs, and add up the logarithms of their factors."""
    size = s.c * s.n * s.n
    if start == 0 or s.tie_t:
        source = at(m.transition, tie_row(s, start, 0) * size)
        relative_exponentials(m.ties, m.tie_tops, source, num_tie_rows(s, stop - start), size)
    if start == 0 or s.added_t:
        source = at(m.emission, added_row(s, start, 0) * s.n)
        relative_exponentials(m.added, m.added_tops, source, num_added_rows(s, stop - start), s.n)
    for b in range(s.series):
        total = 0.0
        for t in range(stop - start):
            total += m.tie_tops[tie_row(s, t, b)] + m.added_tops[added_row(s, t, b)]
        _add_offset(m, b, total)
    for i in range((stop - start) * s.series):
        m.is_final[i] = 0.0


@inlined
def _add_offset(m: Any, b: int, value: float) -> None:
    high = m.high[b] + value
    change = high - m.high[b]
    m.low[b] = m.low[b] + ((m.high[b] - (high - change)) + (value - change))
    m.high[b] = high


@outlined
def _advance(m: Any, s: Any, start: int, stop: int, b: int) -> bool:
    """Make the steps of a chunk of one series; return whether all its states are still sums."""
    num_states = s.c * s.n
    weights = at(m.weights, b * num_states)
    is_plain = True
    t = start + _run(m, s, start, start, stop, b)
    while t < stop:
        kind = _mend(m, s, start, t, b)
        is_plain &= kind == STRUCTURAL
        if kind != LOGARITHMS:
            new, factors = at(m.states, ((t + 1) * s.series + b) * num_states), added_row(s, t - start, b) * s.n
            for i in range(num_states):
                weights[i] = new[i] * m.added[factors + i % s.n]
        t = t + 1 + _run(m, s, start, t + 1, stop, b)
    return is_plain


@inlined
def _run(m: Any, s: Any, start: int, first: int, stop: int, b: int) -> int:
    num_states = s.c * s.n
    ties, tie_step = tie_row(s, first - start, b), tie_row(s, 1, 0) * num_states * s.n
    added, added_step = added_row(s, first - start, b), added_row(s, 1, 0) * s.n
    states = at(m.states, ((first + 1) * s.series + b) * num_states)
    given = at(m.weights, b * num_states), at(m.ties, ties * num_states * s.n), tie_step, at(m.added, added * s.n)
    return call_address(m.run, (*given, added_step, states, s.series * num_states, stop - first, s.c, s.n))


STRUCTURAL, SUMS, LOGARITHMS = 0, 1, 2


@outlined
def _mend(m: Any, s: Any, start: int, t: int, b: int) -> int:
    """Make a step again with new weights, in log space where needed.

    Returns ``STRUCTURAL`` if only what is impossible was too small; or else, what the new states are now.
    """
    if _is_structural(m, s, t, b):
        return STRUCTURAL
    num_states = s.c * s.n
    weights = at(m.weights, b * num_states)
    table = at(m.ties, tie_row(s, t - start, b) * num_states * s.n)
    old, new = at(m.states, (t * s.series + b) * num_states), at(m.states, ((t + 1) * s.series + b) * num_states)
    _renew(m, s, start, t, b)
    for c in range(s.c):
        multiply(at(new, c * s.n), at(weights, c), s.c, at(table, c * s.n), num_states, s.n)
    if _is_structural(m, s, t, b):
        return SUMS
    ties = at(m.transition, tie_row(s, t, b) * num_states * s.n)
    tie_top = m.tie_tops[tie_row(s, t - start, b)]
    for i in range(num_states):
        new[i] = log(new[i]) if is_safe(new[i]) else log_sum(old, ties, i, s.c, s.n) - tie_top
    _add_offset(m, b, _finish(m, s, start, t, b))
    exponentials(weights, new, num_states)
    m.is_final[(t - start) * s.series + b] = 1.0
    return LOGARITHMS


@outlined
def _is_structural(m: Any, s: Any, t: int, b: int) -> bool:
    """Whether what is too small is impossible, whatever the states were."""
    new = at(m.states, ((t + 1) * s.series + b) * s.c * s.n)
    ties = at(m.transition, tie_row(s, t, b) * s.c * s.n * s.n)
    all_fine = True
    for i in range(s.c * s.n):
        all_fine &= is_safe(new[i]) or (new[i] == 0.0 and is_unreachable(ties, i, s.c, s.n))
    return all_fine


@outlined
def _renew(m: Any, s: Any, start: int, t: int, b: int) -> None:
    """Make weights from the logarithms of the last states."""
    num_states = s.c * s.n
    old = at(m.states, (t * s.series + b) * num_states)
    if t == start:
        _add_offset(m, b, m.shift[b])
        m.shift[b] = 0.0
    elif m.is_final[(t - 1 - start) * s.series + b] == 0.0:
        logarithms(old, num_states)
        _add_offset(m, b, _finish(m, s, start, t - 1, b))
        m.is_final[(t - 1 - start) * s.series + b] = 1.0
    exponentials(at(m.weights, b * num_states), old, num_states)


@outlined
def _finish(m: Any, s: Any, start: int, t: int, b: int) -> float:
    """Turn logarithms of sums into those of states; return the logarithm of what they are multiples of."""
    new = at(m.states, ((t + 1) * s.series + b) * s.c * s.n)
    _add_emission(m, s, t, b)
    return _subtract_largest(new, s.c * s.n) - m.added_tops[added_row(s, t - start, b)]


@inlined
def _add_emission(m: Any, s: Any, t: int, b: int) -> None:
    new, added = at(m.states, ((t + 1) * s.series + b) * s.c * s.n), at(m.emission, added_row(s, t, b) * s.n)
    for c in range(s.c):
        for n in range(s.n):
            new[c * s.n + n] = new[c * s.n + n] + added[n]


@inlined
def _subtract_largest(values: Any, size: int) -> float:
    top = largest(values, size)
    for i in range(size):
        values[i] = values[i] - top
    return top


@outlined
def _take_logarithms(m: Any, s: Any, start: int, stop: int, is_plain: bool) -> None:
    """Turn the sums of a chunk into logarithms relative to the largest of their step."""
    num_states, num_rows = s.c * s.n, (stop - start) * s.series
    if not is_plain:
        _take_other_logarithms(m, s, start, stop)
        return
    first = at(m.states, (start + 1) * s.series * num_states)
    logarithms(first, num_rows * num_states)
    if s.c == 1 and num_added_rows(s, stop - start) == num_rows:
        added = at(m.emission, added_row(s, start, 0) * s.n)
        for i in range(num_rows * num_states):
            first[i] = first[i] + added[i]
    else:
        for t in range(start, stop):
            for b in range(s.series):
                _add_emission(m, s, t, b)
    for row in range(num_rows - s.series):
        _subtract_largest(at(first, row * num_states), num_states)
    for b in range(s.series):
        last = at(first, (num_rows - s.series + b) * num_states)
        m.shift[b] = _subtract_largest(last, num_states) - m.added_tops[added_row(s, stop - 1 - start, b)]


@outlined
def _take_other_logarithms(m: Any, s: Any, start: int, stop: int) -> None:
    """Do so where some of the states are logarithms already."""
    num_states = s.c * s.n
    for t in range(start, stop):
        for b in range(s.series):
            m.shift[b] = 0.0
            if m.is_final[(t - start) * s.series + b] == 0.0:
                logarithms(at(m.states, ((t + 1) * s.series + b) * num_states), num_states)
                m.shift[b] = _finish(m, s, start, t, b)


@outlined
def best(initial: Any, transition: Any, emission: Any, total: Any, states: Any, work: Any, s: Any) -> None:
    """Maximise over all paths; a sum that is not a number counts as the largest."""
    m = _memory(transition, emission, states, work, s, 0)
    _begin(initial, m, s)
    num_states = s.c * s.n
    for t in range(s.steps):
        for b in range(s.series):
            old, new = at(states, (t * s.series + b) * num_states), at(states, ((t + 1) * s.series + b) * num_states)
            ties, added = at(transition, tie_row(s, t, b) * num_states * s.n), at(emission, added_row(s, t, b) * s.n)
            for i in range(num_states):
                new[i] = -np.inf
            for a in range(s.n):
                for i in range(num_states):
                    value, so_far = old[a * s.c + i // s.n] + ties[a * num_states + i], new[i]
                    new[i] = select((value > so_far) | (value != value), value, so_far)
            for i in range(num_states):
                new[i] = new[i] + added[i % s.n]
            _add_offset(m, b, _subtract_largest(new, num_states))
    for b in range(s.series):
        last = at(states, (s.steps * s.series + b) * num_states)
        reached = -np.inf
        for i in range(num_states):
            reached = select((last[i] > reached) | (last[i] != last[i]), last[i], reached)
        total[b] = m.high[b] + (m.low[b] + reached)
