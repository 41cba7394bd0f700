"""The loops that choose a path, from the last state to the first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphs.backends.numba.library.intrinsics import at
from graphs.backends.numba.library.vector_math import exp
from graphs.recursion.loops.tables import outlined, tie_row


@outlined
def trace_back(
    transition: Any,  # (T or 1, B or 1, A, C, N)
    states: Any,  # (T + 1, B, A * C)
    uniform: Any,  # (T + 1, B)
    path: Any,  # (T + width, B)
    work: Any,  # (A * C,)
    s: Any,
    width: int,
    is_best: int,
) -> None:
    """Choose the states of each series."""
    num_states = s.c * s.n
    for b in range(s.series):
        last = at(states, (s.steps * s.series + b) * num_states)
        for i in range(num_states):
            work[i] = last[i]
        joint = _choose(work, num_states, uniform[s.steps * s.series + b], is_best)
        rest = joint
        for i in range(width):
            path[(s.steps + width - 1 - i) * s.series + b] = float(rest % s.n)
            rest = rest // s.n
        for t in range(s.steps - 1, -1, -1):
            old = at(states, (t * s.series + b) * num_states)
            ties = at(transition, tie_row(s, t, b) * num_states * s.n)
            c = joint // s.n
            for a in range(s.n):
                work[a] = old[a * s.c + c] + ties[a * num_states + joint]
            a = _choose(work, s.n, uniform[t * s.series + b], is_best)
            path[t * s.series + b] = float(a)
            joint = a * s.c + c


@outlined
def _choose(logits: Any, size: int, uniform: float, is_best: int) -> int:
    """Return an index with probability proportional to the exponential of its logit, or the first of the largest."""
    top, best = -np.inf, 0
    for i in range(size):
        if logits[i] > top:
            top, best = logits[i], i
    if is_best or math.isinf(top):
        return best
    total = 0.0
    for i in range(size):
        logits[i] = exp(logits[i] - top)
        total += logits[i]
    left = uniform * total
    for i in range(size):
        left -= logits[i]
        if left < 0.0:
            return i
    return best
