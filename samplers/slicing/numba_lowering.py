"""Slice sampling steps on Numba: the compiled loop over sweeps, with nothing to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.base import CompiledStep
from samplers.chain.arguments import start_words
from samplers.chain.result import STATUS_DONE
from samplers.chain.state import NUM_ITERATIONS, Settings, new_chain
from samplers.loop.block_table import block_table, compile_numba
from samplers.loop.compiled_loop import compiled_advance
from samplers.slicing.block import SLICE_STATISTICS

if TYPE_CHECKING:
    from samplers.slicing.slice import SliceKernel


class SliceStep(CompiledStep):
    """Slice sampling of all variables on arrays.

    Parameters
    ----------
    kernel : SliceKernel
        What to compile.
    """

    def __init__(self, kernel: SliceKernel):
        self.kernel = kernel
        self._layout = kernel.sweep.layout
        self._num_variables = len(kernel.sweep.blocks)
        self._blocks = block_table(kernel.sweep)
        self._programs = compile_numba(kernel.sweep)(np.random.SeedSequence(0))
        self._advance = compiled_advance(self._blocks[0])

    def __call__(
        self, rng: np.random.Generator, state_values: Sequence[Any]
    ) -> tuple[list[NDArray], dict[str, NDArray]]:
        """Make one step; see :meth:`graphs.backends.base.CompiledStep.__call__`."""
        values, _, counts, is_finite = self._run(rng, state_values, 1, 1)
        return values, {"num_evaluations": np.asarray(counts.sum()), "is_finite": np.asarray(is_finite)}

    def run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int = 1
    ) -> tuple[list[NDArray], dict[str, NDArray], dict[str, NDArray]]:
        """Make many steps; see :meth:`graphs.backends.base.CompiledStep.run`."""
        values, positions, counts, is_finite = self._run(rng, state_values, num_steps, thin)
        unpacked = self._layout.unpack(positions)
        draws = {name: unpacked[name] for name in self._layout.names[: self._num_variables]}
        num_evaluations = counts.sum(axis=1).mean() if len(counts) else 0.0
        return values, draws, {"num_evaluations": np.asarray(num_evaluations), "is_finite": np.asarray(is_finite)}

    def _run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int
    ) -> tuple[list[NDArray], NDArray[np.float64], NDArray[np.int64], float]:
        """Return the last state, and states and numbers of evaluations of the steps kept; and whether all went well."""
        names = self._layout.names
        arrays = [*state_values, *self.kernel.widths.values()]
        vector = self._layout.pack(dict(zip(names, arrays, strict=True)))
        num_statistics = len(SLICE_STATISTICS) * self._num_variables
        chain = new_chain(vector, np.random.SeedSequence(0), self._num_variables, num_statistics, 0)
        chain.rng[:] = start_words(rng)
        draws = np.tile(vector, (num_steps // thin, 1))
        statistics = np.zeros((num_steps // thin, num_statistics))
        status = self._advance(
            chain, Settings(0, 0.8, 0), *self._blocks, self._programs.callables, num_steps, 0, thin, draws, statistics
        )
        # A variable whose log-density is not finite stays, and so would all that comes after.
        draws[chain.counters[NUM_ITERATIONS] // thin :] = chain.state
        values = list(self._layout.unpack(chain.state).values())[: self._num_variables]
        counts = statistics[:, :: len(SLICE_STATISTICS)].astype("int64")
        return values, draws, counts, float(status == STATUS_DONE)
