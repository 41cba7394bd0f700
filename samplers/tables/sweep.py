"""Chains of independent proposals from a table, accepted or rejected; NUTS where a density has no table."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.chain.arguments import RunSettings, checked_starts
from samplers.chain.going import Keeper, SweepRun
from samplers.chain.metric import Learnt, Metric
from samplers.loop.run import CompiledSweep
from samplers.tables.going import TabulatedRun
from samplers.tables.many import ManyEvaluated
from samplers.tables.tiling import Matrix

NUM_EXPLORING = 30
"""Trajectories, one after the other, that look for what a table lacks."""


class TabulatedSweep(CompiledSweep):
    """A sweep of one `TabulatedBlock` that is ready to run; as `CompiledSweep`.

    The draws of a chain are those of an independent Metropolis-Hastings sampler (Tierney 1994, Annals of Statistics
    22), whose proposals are from a table, fifteen of sixteen being images of the one before them: they leave the
    density unchanged, whatever the table, and where it is good they balance each other (`samplers.tables.orbits`).

    Where a density is of one number or concave, a table is all that is needed: NUTS and the loop over its sweeps, which
    take longer to compile than such a model, are compiled where a chain goes through them.
    """

    loop_at_once = False

    def __reduce__(self) -> tuple[Any, ...]:
        # As of any sweep: machine code belongs to a process.
        return TabulatedSweep, (self.sweep, self.backend)

    def begin(self, init: NDArray[np.float64], settings: RunSettings, keeper: Keeper | None = None) -> SweepRun:
        """Return a run that has not drawn yet; see `CompiledSweep.begin`."""
        init = checked_starts(init, self.layout.size)
        num_threads = settings.cores or os.cpu_count() or 1
        evaluate = ManyEvaluated(self.bind, num_threads if self.backend == "numba" else 1)
        return TabulatedRun(init, settings, self.sweep, evaluate, super().begin, self._explored, keeper)

    def has_separate_chains(self, settings: RunSettings) -> bool:
        """Whether each chain draws the same without the others: no, they make the table together."""
        return False

    def _explored(self, starts: Matrix, axes: Matrix, step_size: float) -> Matrix:
        """Return where NUTS gets to."""
        learnt = [[Learnt(step_size, Metric.dense(axes))]] * len(starts)
        run = super().begin(starts, RunSettings(0, NUM_EXPLORING, seed=0, learnt=learnt))
        if not run.advance():
            raise KeyboardInterrupt
        found: Matrix = run.result().draws.reshape(-1, self.layout.size)
        return found[np.isfinite(found).all(axis=1)]
