"""A sweep drawn from: so many draws, or until they are enough, while others watch."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from ppl.background.control import Clock, present_control, told
from ppl.stopping.asked import Asked
from ppl.stopping.conducting import Ending, draw_until
from ppl.stopping.judging import Look, look_at
from samplers import SweepResult
from samplers.chain.arguments import Callback, RunSettings
from samplers.loop.interrupts import HeldInterrupts

if TYPE_CHECKING:
    from ppl.running.compiled import CompiledModel


@dataclass(frozen=True, eq=False)
class Drawing:
    """What draws, and who is told.

    Parameters
    ----------
    compiled : CompiledModel
        What runs.
    asked : Asked
        How much is asked for.
    settings : RunSettings
        How it is run.
    most_draws : int
        Of each chain, for which there is memory.
    bar : callable
        Shows the progress.
    interrupts : HeldInterrupts
        Ctrl-C is let through while chains run.
    so_far : callable
        Makes a trace of what has been drawn, which it leaves as it is.
    client : distributed.Client, optional
        Of the cluster whose workers draw.
    """

    compiled: CompiledModel
    asked: Asked
    settings: RunSettings
    most_draws: int
    bar: Callback
    interrupts: HeldInterrupts
    so_far: Callable[[SweepResult], DataTree]
    client: Any = None

    def __call__(self, start: NDArray[np.float64]) -> tuple[SweepResult, Ending | None]:
        """Draw from starting points (chains, size); return the draws, and why these are enough if that was asked."""
        with self.compiled.explaining(start):
            return self._drawn(start)

    def _drawn(self, start: NDArray[np.float64]) -> tuple[SweepResult, Ending | None]:
        until, control = self.asked.until, present_control()
        clock = Clock(None if until is None else until.seconds)

        with self.interrupts.allowed() if self.compiled.backend == "jax" else nullcontext():
            # JAX compiles for the number of chains.
            settings = replace(self.settings, callback=told(self.bar, control, clock))
            run = self.compiled.begin(start, settings, client=self.client)
        with control.drawing(lambda: self.so_far(run.result(is_partial=True))):
            if until is None:
                run.advance()
                return run.result(), None

            def look(number: int) -> Look:
                with self.interrupts.allowed():
                    return look_at(self.so_far(run.result()), until, self.asked.cores or os.cpu_count() or 1)

            ending = draw_until(run, until, len(start), self.most_draws, look, lambda: clock.is_over)
        result = run.result()
        # Who ran out of time got what was asked for, unless that is nothing.
        is_cut_short = ending.is_interrupted or (result.interrupted and not result.draws.shape[1])
        return replace(result, interrupted=is_cut_short), ending
