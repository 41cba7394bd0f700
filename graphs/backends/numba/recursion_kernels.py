"""The loops of the forward recursion, its gradient and its traceback, on arrays.

Log-potentials are kept at every step, so that nothing that is improbable for a while is lost. Within a step the sum
runs over plain numbers relative to the largest old log-potential, with a table of exponentials of the transition; a sum
that is not safely above underflow is done again in log space.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphs.backends.numba.vector_math import exp, log

Floats = NDArray[np.float64]
SAFE = 1e-200
"""Sums above this lose less than 1e-100 of their value to underflow."""


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _largest(values: Any, size: int) -> float:
    """Return the largest value; NaN is skipped."""
    top = -np.inf
    for i in range(size):
        if values[i] > top:
            top = values[i]
    return top


@njit(nogil=True, cache=True, error_model="numpy")
def _log_sum(values: Any, size: int) -> float:
    top = _largest(values, size)
    if top == -np.inf:
        for i in range(size):
            if math.isnan(values[i]):
                return float(np.nan)
        return -np.inf
    total = 0.0
    for i in range(size):
        total += exp(values[i] - top)
    return top + math.log(total)


@njit(nogil=True, cache=True, error_model="numpy")
def _relative(logits: Any, size: int) -> float:
    """Make log-potentials relative to the largest one, so that long chains lose no digits, and return that."""
    top = _largest(logits, size)
    if math.isinf(top):
        return 0.0
    for i in range(size):
        logits[i] -= top
    return top


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(transition: Any, table: Any, size: int) -> float:
    """Fill a table of exponentials relative to the largest one, and return that: what is lost is below any sum kept."""
    top = _largest(transition, size)
    scale = 0.0 if math.isinf(top) else top
    for i in range(size):
        table[i] = exp(transition[i] - scale)
    return scale


@njit(nogil=True, cache=True, error_model="numpy")
def forward(  # noqa: C901 (one loop, kept flat for the compiler)
    initial: Any,  # (B, A * C)
    transition: Any,  # (T or 1, B or 1, A, C, N), as a flat array; so are the others
    emission: Any,  # (T or 1, B or 1, N)
    total: Any,  # (B,)
    states: Any,  # (T + 1, B, A * C)
    work: Any,  # (A * C + 2 * A * C * N,)
    num_steps: int,
    num_series: int,
    size_a: int,
    size_c: int,
    size_n: int,
    step_t: int,  # elements between transitions of successive steps, 0 if they are all the same
    step_b: int,
    emission_t: int,
    emission_b: int,
    is_max: bool,
) -> None:
    """Run the recursion."""
    num_states = size_a * size_c
    size = num_states * size_n
    is_shared = step_t == 0 and step_b == 0
    weights, table = work[:num_states], work[num_states : num_states + size]
    scale = 0.0
    if is_shared and not is_max:
        scale = _fill(transition, table, size)
    for b in range(num_series):
        for i in range(num_states):
            states[b * num_states + i] = initial[b * num_states + i]
        total[b] = _relative(states[b * num_states : (b + 1) * num_states], num_states)
    for t in range(num_steps):
        for b in range(num_series):
            start = (t * num_series + b) * num_states
            old = states[start : start + num_states]
            after = start + num_series * num_states
            new = states[after : after + num_states]
            at = t * step_t + b * step_b
            ties = transition[at : at + size]
            at_e = t * emission_t + b * emission_b
            added = emission[at_e : at_e + size_n]
            if is_max:
                for c in range(size_c):
                    for n in range(size_n):
                        best = -np.inf
                        for a in range(size_a):
                            value = old[a * size_c + c] + ties[(a * size_c + c) * size_n + n]
                            if value > best or math.isnan(value):
                                best = value
                        new[c * size_n + n] = best + added[n]
                total[b] += _relative(new, num_states)
                continue
            top = _largest(old, num_states)
            shift = 0.0 if math.isinf(top) else top
            for i in range(num_states):
                weights[i] = exp(old[i] - shift)
            if not is_shared:
                scale = _fill(ties, table, size)
            for i in range(num_states):
                new[i] = 0.0
            for a in range(size_a):
                for c in range(size_c):
                    weight = weights[a * size_c + c]
                    for n in range(size_n):
                        new[c * size_n + n] += weight * table[(a * size_c + c) * size_n + n]
            is_safe = True
            for i in range(num_states):
                is_safe = is_safe & (new[i] > SAFE) & (new[i] < np.inf)
            if is_safe:
                for c in range(size_c):
                    for n in range(size_n):
                        new[c * size_n + n] = shift + scale + log(new[c * size_n + n]) + added[n]
            else:
                for c in range(size_c):
                    for n in range(size_n):
                        place = c * size_n + n
                        if new[place] > SAFE and new[place] < np.inf:
                            new[place] = shift + scale + log(new[place]) + added[n]
                        else:
                            new[place] = _exact(old, ties, size_a, size_c, size_n, c, n) + added[n]
            total[b] += _relative(new, num_states)
    last = num_steps * num_series * num_states
    for b in range(num_series):
        start = last + b * num_states
        final = states[start : start + num_states]
        total[b] += _largest(final, num_states) if is_max else _log_sum(final, num_states)


@njit(nogil=True, cache=True, error_model="numpy")
def _exact(old: Any, ties: Any, size_a: int, size_c: int, size_n: int, c: int, n: int) -> float:
    """Return the log of the sum over the oldest states, in log space."""
    top = -np.inf
    for a in range(size_a):
        value = old[a * size_c + c] + ties[(a * size_c + c) * size_n + n]
        if math.isnan(value):
            return float(np.nan)
        top = max(top, value)
    if math.isinf(top):
        return top if top < 0 else float(np.nan)
    total = 0.0
    for a in range(size_a):
        total += exp(old[a * size_c + c] + ties[(a * size_c + c) * size_n + n] - top)
    return top + math.log(total)


@njit(nogil=True, cache=True, error_model="numpy")
def gradient(  # noqa: C901 (one loop, kept flat for the compiler)
    transition: Any,
    states: Any,
    total: Any,
    outer: Any,  # (B,): gradient with respect to the totals
    to_initial: Any,
    to_transition: Any,  # of the shape of transition
    to_emission: Any,
    work: Any,  # (3 * A * C + A * C * N,)
    num_steps: int,
    num_series: int,
    size_a: int,
    size_c: int,
    size_n: int,
    step_t: int,
    step_b: int,
    emission_t: int,
    emission_b: int,
    size_transition: int,
    size_emission: int,
) -> None:
    """Run the adjoint recursion: each old state takes the share that it had in the sum of each new one."""
    num_states = size_a * size_c
    size = num_states * size_n
    is_shared = step_t == 0 and step_b == 0
    weights, table = work[:num_states], work[num_states : num_states + size]
    adjoint = work[num_states + size : 2 * num_states + size]
    ratio = work[2 * num_states + size : 3 * num_states + size]
    for i in range(size_transition):
        to_transition[i] = 0.0
    for i in range(size_emission):
        to_emission[i] = 0.0
    if is_shared:
        _fill(transition, table, size)
    for b in range(num_series):
        start = (num_steps * num_series + b) * num_states
        for i in range(num_states):
            adjoint[i] = states[start + i]
        _share(adjoint, num_states, outer[b])
        for t in range(num_steps - 1, -1, -1):
            start = (t * num_series + b) * num_states
            old = states[start : start + num_states]
            at = t * step_t + b * step_b
            ties = transition[at : at + size]
            slope = to_transition[at : at + size]
            at_e = t * emission_t + b * emission_b
            for c in range(size_c):
                for n in range(size_n):
                    to_emission[at_e + n] += adjoint[c * size_n + n]
            top = _largest(old, num_states)
            shift = 0.0 if math.isinf(top) else top
            for i in range(num_states):
                weights[i] = exp(old[i] - shift)
            if not is_shared:
                _fill(ties, table, size)
            for i in range(num_states):
                ratio[i] = 0.0
            for a in range(size_a):
                for c in range(size_c):
                    for n in range(size_n):
                        ratio[c * size_n + n] += weights[a * size_c + c] * table[(a * size_c + c) * size_n + n]
            is_safe = True
            for i in range(num_states):
                is_safe = is_safe & ((ratio[i] > SAFE) | (adjoint[i] == 0.0)) & (ratio[i] < np.inf)
            if is_safe:
                for i in range(num_states):
                    ratio[i] = adjoint[i] / ratio[i] if adjoint[i] != 0.0 else 0.0
                for a in range(size_a):
                    for c in range(size_c):
                        weight = weights[a * size_c + c]
                        share = 0.0
                        for n in range(size_n):
                            place = (a * size_c + c) * size_n + n
                            part = table[place] * ratio[c * size_n + n]
                            share += part
                            slope[place] += weight * part
                        # The adjoint of the new states is in the ratios already.
                        adjoint[a * size_c + c] = weight * share
            else:
                _exact_step(old, ties, slope, adjoint, ratio, size_a, size_c, size_n)
        for i in range(num_states):
            to_initial[b * num_states + i] = adjoint[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _exact_step(
    old: Any,
    ties: Any,
    slope: Any,
    adjoint: Any,
    result: Any,
    size_a: int,
    size_c: int,
    size_n: int,
) -> None:
    """Share the adjoint of the new states out in log space."""
    for i in range(size_a * size_c):
        result[i] = 0.0
    for c in range(size_c):
        for n in range(size_n):
            amount = adjoint[c * size_n + n]
            if amount == 0.0:
                continue
            # Shares of the sum itself: relative to its logarithm they would not add up to one exactly, step after step.
            top, total = -np.inf, 0.0
            for a in range(size_a):
                top = max(top, old[a * size_c + c] + ties[(a * size_c + c) * size_n + n])
            for a in range(size_a):
                total += exp(old[a * size_c + c] + ties[(a * size_c + c) * size_n + n] - top)
            for a in range(size_a):
                place = (a * size_c + c) * size_n + n
                share = amount * exp(old[a * size_c + c] + ties[place] - top) / total
                result[a * size_c + c] += share
                slope[place] += share
    for i in range(size_a * size_c):
        adjoint[i] = result[i]


@njit(nogil=True, cache=True, error_model="numpy")
def _share(logits: Any, size: int, amount: float) -> None:
    """Replace log-potentials by their shares of an amount; by zero where nothing is possible."""
    top = _largest(logits, size)
    total = 0.0
    for i in range(size):
        logits[i] = 0.0 if top == -np.inf else exp(logits[i] - top)
        total += logits[i]
    for i in range(size):
        logits[i] = 0.0 if total == 0.0 else amount * logits[i] / total


@njit(nogil=True, cache=True, error_model="numpy")
def trace_back(
    transition: Any,
    states: Any,
    uniform: Any,  # (T + 1, B)
    path: Any,  # (T + width, B)
    work: Any,  # (A * C,)
    num_steps: int,
    num_series: int,
    size_a: int,
    size_c: int,
    size_n: int,
    step_t: int,
    step_b: int,
    width: int,
    is_max: bool,
) -> None:
    """Choose the states of each series from the last to the first."""
    num_states = size_a * size_c
    for b in range(num_series):
        start = (num_steps * num_series + b) * num_states
        for i in range(num_states):
            work[i] = states[start + i]
        joint = _choose(work, num_states, uniform[num_steps * num_series + b], is_max)
        rest = joint
        for i in range(width):
            path[(num_steps + width - 1 - i) * num_series + b] = rest % size_a
            rest = rest // size_a
        for t in range(num_steps - 1, -1, -1):
            start = (t * num_series + b) * num_states
            at = t * step_t + b * step_b
            c, n = joint // size_n, joint % size_n
            for a in range(size_a):
                work[a] = states[start + a * size_c + c] + transition[at + (a * size_c + c) * size_n + n]
            a = _choose(work, size_a, uniform[t * num_series + b], is_max)
            path[t * num_series + b] = a
            joint = a * size_c + c


@njit(nogil=True, cache=True, error_model="numpy")
def _choose(logits: Any, size: int, uniform: float, is_max: bool) -> int:
    """Return an index with probability proportional to the exponential of its logit, or the first of the largest."""
    top, best = -np.inf, 0
    for i in range(size):
        if logits[i] > top:
            top, best = logits[i], i
    if is_max or math.isinf(top):
        return best
    total = 0.0
    for i in range(size):
        total += exp(logits[i] - top)
    left = uniform * total
    for i in range(size):
        left -= exp(logits[i] - top)
        if left < 0.0:
            return i
    return best
