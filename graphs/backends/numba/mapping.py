"""A program run on the rows of arrays, one after the other or by several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.base import Part, words_of
from graphs.backends.blas import one_blas_thread
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.program import Program, call_program

LEAST_SECONDS = 1e-3
"""So long has to take what is worth the start of threads, which takes some tenths of that."""
_ROWS_AT_ONCE, _NUMBERS_AT_ONCE, _FIRST_ROWS = 512, 2**18, 32


@njit(nogil=True, cache=True)
def _run_map(row: Any, xs: Any, outs: Any, rng: Any) -> None:
    """Run a program on every row of an array."""
    for i in range(xs.shape[0]):
        call_program(row, xs[i], xs[i], outs[i], rng)


def run_rows(
    program: Program,
    values: Sequence[NDArray],
    outs: NDArray[np.float64],
    words: NDArray[np.uint64],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Run a program on rows.

    Parameters
    ----------
    program : Program
        What is run, with memory of its own to work in: several threads may run it at once.
    values : sequence of array, shape (number, ...)
        Its inputs.
    outs : array, shape (number, num_outputs), float64
        Receives its outputs.
    words : array, shape (4,), uint64
        State of the generator, updated in place.
    is_stopped : callable
        Says whether nobody waits for the rest.
    """
    bound, num_rows = program.bind(), len(outs)
    # Rows are read by pointer: a few at a time are laid out side by side, and stay in the processor's cache.
    ends = np.cumsum([value[0].size if num_rows else 0 for value in values])
    at_once = max(1, min(num_rows, _ROWS_AT_ONCE, _NUMBERS_AT_ONCE // max(int(ends[-1]), 1)))
    xs = np.empty((at_once, ends[-1]))
    for first in range(0, num_rows, at_once):
        if is_stopped():
            return
        rows = xs[: num_rows - first]
        for value, end in zip(values, ends, strict=True):
            part = value[first : first + len(rows)].reshape(len(rows), -1)
            rows[:, end - part.shape[1] : end] = part
        _run_map(bound.row, rows, outs[first : first + len(rows)], words)
        program.reraise()


def run_shared(program: Program, values: Sequence[NDArray], outs: NDArray[np.float64], num_threads: int) -> None:
    """Run a program that draws nothing on rows, by so many threads at most where that takes long enough."""
    num_rows, first, width = len(outs), 0, _FIRST_ROWS

    def run(rows: slice, is_stopped: Callable[[], bool] = lambda: False) -> None:
        run_rows(program, [value[rows] for value in values], outs[rows], np.ones(4, np.uint64), is_stopped)

    with one_blas_thread():
        # Ever more rows are run alone, until these have taken as long as the start of threads.
        start = perf_counter()
        while num_threads > 1 and first < num_rows and perf_counter() - start < LEAST_SECONDS:
            run(slice(first, min(first + width, num_rows)))
            first, width = min(first + width, num_rows), 8 * width
        if num_threads == 1 or num_rows - first <= first:
            run(slice(first, num_rows))
            return
        width = min(_ROWS_AT_ONCE, ceil((num_rows - first) / num_threads))
        _shared(run, [slice(i, min(i + width, num_rows)) for i in range(first, num_rows, width)], num_threads)


def run_parts(
    program: Program, values: Sequence[NDArray], outs: NDArray[np.float64], parts: Sequence[Part], num_threads: int
) -> None:
    """Run a program on parts of rows, each with a generator of its own, by so many threads at most."""

    def run(part: Part, is_stopped: Callable[[], bool]) -> None:
        rows, generator = part
        run_rows(program, [value[rows] for value in values], outs[rows], words_of(generator), is_stopped)

    # Whether the linear algebra library takes several threads may be seen in the last digit.
    with one_blas_thread():
        _shared(run, parts, num_threads)


def _shared[A](run: Callable[[A, Callable[[], bool]], None], parts: Sequence[A], num_threads: int) -> None:
    """Run parts by threads, each of which is told when nobody waits for the rest."""
    is_over = Event()
    if num_threads == 1 or len(parts) == 1:
        for part in parts:
            run(part, is_over.is_set)
        return
    with ThreadPoolExecutor(min(num_threads, len(parts)), thread_name_prefix="rows") as pool:
        try:
            # Taken, so that what a thread raises is raised here.
            list(pool.map(lambda part: run(part, is_over.is_set), parts))
        finally:
            is_over.set()
