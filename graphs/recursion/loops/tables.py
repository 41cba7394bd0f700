"""What forward and backward recursion share: sizes, tables of exponentials, sums in log space."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from graphs.backends.numba.library.intrinsics import at, select
from graphs.backends.numba.library.vector_math import exp, log

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
inlined: Any = njit(forceinline=True, **_OPTIONS)
"""For what is small."""
outlined: Any = njit(**_OPTIONS)
"""For the rest: a copy in each function that calls it would be compiled again."""


class Sizes(NamedTuple):
    """Sizes of a recursion; the last four say whether (1) or not (0) transitions and emissions have these axes."""

    steps: Any
    series: Any
    chunk: Any  # steps whose exponentials and logarithms are taken together
    c: Any
    n: Any
    tie_t: Any
    tie_b: Any
    added_t: Any
    added_b: Any


@inlined
def tie_row(s: Any, t: int, b: int) -> int:
    """Return the number of the table of transitions of a step and series."""
    return s.tie_t * t * (s.tie_b * (s.series - 1) + 1) + s.tie_b * b


@inlined
def added_row(s: Any, t: int, b: int) -> int:
    """Return the number of the row of emissions of a step and series."""
    return s.added_t * t * (s.added_b * (s.series - 1) + 1) + s.added_b * b


@inlined
def num_tie_rows(s: Any, steps: int) -> int:
    """Return how many tables of transitions so many steps have."""
    return (s.tie_t * (steps - 1) + 1) * (s.tie_b * (s.series - 1) + 1)


@inlined
def num_added_rows(s: Any, steps: int) -> int:
    """Return how many rows of emissions so many steps have."""
    return (s.added_t * (steps - 1) + 1) * (s.added_b * (s.series - 1) + 1)


@inlined
def largest(values: Any, size: int) -> float:
    """Return the largest number, 0 if it is infinite; NaN is skipped."""
    top = -np.inf
    for i in range(size):
        top = select(values[i] > top, values[i], top)
    return select(abs(top) < np.inf, top, 0.0)


@outlined
def exponentiate(values: Any, count: int) -> None:
    """Replace numbers by their exponentials; in place, since arrays that may overlap make no vector code."""
    for i in range(count):
        values[i] = exp(values[i])


@outlined
def logarithms(values: Any, count: int) -> None:
    """Replace numbers by their logarithms."""
    for i in range(count):
        values[i] = log(values[i])


@inlined
def exponentials(target: Any, source: Any, count: int) -> None:
    """Write exponentials."""
    for i in range(count):
        target[i] = source[i]
    exponentiate(target, count)


@outlined
def relative_exponentials(target: Any, tops: Any, source: Any, num_rows: int, size: int) -> None:
    """Write exponentials relative to the largest of each row, so that none overflows."""
    for r in range(num_rows):
        row, result = at(source, r * size), at(target, r * size)
        top = largest(row, size)
        tops[r] = top
        for i in range(size):
            result[i] = row[i] - top
    exponentiate(target, num_rows * size)


@outlined
def is_unreachable(ties: Any, i: int, size_c: int, size_n: int) -> bool:
    """Whether no transition leads to a new joint state."""
    reaching = 0
    for a in range(size_n):
        reaching += ties[a * size_c * size_n + i] != -np.inf
    return reaching == 0


@outlined
def log_sum(old: Any, ties: Any, i: int, size_c: int, size_n: int) -> float:
    """Return the log of the sum of all ways to a new joint state, in log space."""
    top = -np.inf
    for a in range(size_n):
        value = old[a * size_c + i // size_n] + ties[a * size_c * size_n + i]
        if math.isnan(value):
            return value
        top = max(top, value)
    if math.isinf(top):
        # Plus infinity is no log-potential.
        return top if top < 0.0 else math.nan
    total = 0.0
    for a in range(size_n):
        total += exp(old[a * size_c + i // size_n] + ties[a * size_c * size_n + i] - top)
    return top + math.log(total)
