"""A log-density and its gradient at many positions, by threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from samplers.chain.programs import BindPrograms, Programs, evaluate_density
from samplers.tables.tiling import Matrix, Vector

_WORTH_A_THREAD = 2e-3


def _evaluate_all(program: Any, positions: Matrix, context: Vector, values: Vector, gradients: Matrix) -> None:
    """Evaluate a program at each position."""
    for row in range(len(positions)):
        values[row] = evaluate_density(program, positions[row], context, gradients[row])


_compiled = njit(nogil=True, cache=True)(_evaluate_all)


class ManyEvaluated:
    """``positions (n, d) -> log-densities (n,), gradients (n, d)`` of a block that moves the whole joint state.

    Parameters
    ----------
    bind : callable
        Gives each thread its own programs.
    num_threads : int
        At most so many.

    Attributes
    ----------
    number : int
        Of evaluations so far.
    """

    def __init__(self, bind: BindPrograms, num_threads: int):
        self._bind = bind
        self._programs = [bind(np.random.SeedSequence(0))]
        self._num_threads = num_threads
        self._seconds = np.inf
        self.number = 0

    def __call__(self, positions: Matrix) -> tuple[Vector, NDArray[np.float64]]:
        """Evaluate.

        Raises
        ------
        SamplingError
            If Python code that the model holds raises an error.
        """
        positions = np.ascontiguousarray(positions)
        values, gradients = np.empty(len(positions)), np.empty_like(positions)
        start = perf_counter()
        is_long = self._seconds * len(positions) > _WORTH_A_THREAD and self._num_threads > 1 and self.number > 0
        if is_long and isinstance(self._programs[0].callables, np.ndarray):
            self._shared(positions, values, gradients)
        else:
            self._run(self._programs[0], positions, values, gradients)
            self._seconds = min(self._seconds, (perf_counter() - start) / max(len(positions), 1))
        self.number += len(positions)
        return values, gradients

    def _shared(self, positions: Matrix, values: Vector, gradients: Matrix) -> None:
        while len(self._programs) < self._num_threads:
            self._programs.append(self._bind(np.random.SeedSequence(0)))
        bounds = np.linspace(0, len(positions), self._num_threads + 1).astype(int)
        with ThreadPoolExecutor(self._num_threads) as pool:
            parts = [slice(a, b) for a, b in pairwise(bounds)]
            list(
                pool.map(
                    lambda own, part: self._run(own, positions[part], values[part], gradients[part]),
                    self._programs,
                    parts,
                )
            )

    def _run(self, programs: Programs, positions: Matrix, values: Vector, gradients: Matrix) -> None:
        program = programs.callables[0]
        function = _compiled if isinstance(program, np.ndarray) else _evaluate_all
        with np.errstate(all="ignore"):
            function(program, positions, positions[0] if len(positions) else np.zeros(0), values, gradients)
        programs.reraise()
