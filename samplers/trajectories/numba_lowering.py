"""The No-U-Turn step on Numba: the compiled loop over sweeps, with nothing to learn."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.base import CompiledStep
from samplers.blocks import Sweep
from samplers.chain.arguments import start_words
from samplers.chain.state import NUM_ITERATIONS, Settings, new_chain
from samplers.loop.block_table import block_table, compile_numba
from samplers.loop.compiled_loop import compiled_advance
from samplers.trajectories.block import NUTS_STATISTICS, NUTSBlock
from samplers.trajectories.nuts_op import INFO_DTYPES
from samplers.tuning.adaptation import LOG_STEP_SIZE

if TYPE_CHECKING:
    from samplers.trajectories.nuts import NUTSKernel

_BATCH = 4096
_COLUMNS = {
    "logdensity": "lp",
    "energy": "energy",
    "acceptance_rate": "acceptance_rate",
    "tree_depth": "tree_depth",
    "num_steps": "n_steps",
    "index_in_trajectory": "index_in_trajectory",
    "is_divergent": "diverging",
}


class NUTSStep(CompiledStep):
    """A No-U-Turn transition on arrays.

    Parameters
    ----------
    kernel : NUTSKernel
        What to compile.
    """

    def __init__(self, kernel: NUTSKernel):
        variables = kernel.logdensity.inputs
        sweep = Sweep(variables, (NUTSBlock(variables, kernel.logdensity),))
        self.kernel = kernel
        self._blocks = block_table(sweep)
        self._programs = compile_numba(sweep)(np.random.SeedSequence(0))
        self._advance = compiled_advance(self._blocks[0])

    def __call__(
        self, rng: np.random.Generator, state_values: Sequence[Any]
    ) -> tuple[list[NDArray], dict[str, NDArray]]:
        """Make one step; see :meth:`graphs.backends.base.CompiledStep.__call__`."""
        values, _, statistics = self._run(rng, state_values, 1)
        del statistics["logdensity"]
        return values, {name: np.asarray(column[0], INFO_DTYPES[name]) for name, column in statistics.items()}

    def run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int = 1
    ) -> tuple[list[NDArray], dict[str, NDArray], dict[str, NDArray]]:
        """Make many steps; see :meth:`graphs.backends.base.CompiledStep.run`. Gradients are not kept."""
        values, positions, statistics = self._run(rng, state_values, num_steps)
        draws = self.kernel.layout.unpack(positions[thin - 1 :: thin])
        draws["logdensity"] = statistics.pop("logdensity")[thin - 1 :: thin].copy()
        means = {name: np.asarray(column.sum() / max(num_steps, 1)) for name, column in statistics.items()}
        return values, draws, means

    def _run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int
    ) -> tuple[list[NDArray], NDArray[np.float64], dict[str, NDArray]]:
        """Return the last state, and positions and diagnostics of every step."""
        kernel = self.kernel
        *position, logdensity, gradient = state_values
        vector = kernel.layout.pack(dict(zip(kernel.layout.names, position, strict=True)))
        chain = new_chain(vector, np.random.SeedSequence(0), 1, len(NUTS_STATISTICS), kernel.max_tree_depth)
        chain.rng[:] = start_words(rng)
        chain.logdensity[0] = logdensity
        chain.gradient[:] = gradient
        chain.inverse_mass_matrix[:] = kernel.inverse_mass_matrix
        chain.tuning[0, LOG_STEP_SIZE] = log(kernel.step_size)
        # The first sweep of all would look for a step size.
        chain.counters[NUM_ITERATIONS] = 1
        draws = np.empty((num_steps, vector.size))
        statistics = np.empty((num_steps, len(NUTS_STATISTICS)))
        settings = Settings(0, 0.8, kernel.max_tree_depth)
        for done in range(0, num_steps, _BATCH):
            stop = 1 + min(done + _BATCH, num_steps)
            self._advance(chain, settings, *self._blocks, self._programs.callables, stop, 1, 1, draws, statistics)
        values = [
            *kernel.layout.unpack(chain.state).values(),
            np.asarray(chain.logdensity[0]),
            chain.gradient.copy(),
        ]
        columns = {name: statistics[:, NUTS_STATISTICS.index(column)] for name, column in _COLUMNS.items()}
        return values, draws, columns
