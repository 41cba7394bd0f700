"""The progress of a run: a bar in terminals and notebooks, lines in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ppl.reporting.live_table import LiveTable
from ppl.reporting.progress_lines import ProgressLines, log_stream

_WIDTH = 12


class ProgressBar(LiveTable):
    """One line per chain: draws, divergences, step size, gradients per second.

    Parameters
    ----------
    chains : int
        Number of chains.
    tune, draws : int
        Tuning sweeps and kept draws of each, as far as that is known before: states that are shown say it, too.
    is_shown : bool
        Whether to show anything.
    planned : str
        What each chain does, in words; by default that it makes so many sweeps and draws.
    """

    def __init__(self, chains: int, tune: int, draws: int, is_shown: bool, planned: str = ""):
        super().__init__(
            TextColumn("chain {task.fields[chain]}"),
            BarColumn(bar_width=_WIDTH),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[phase]}"),
            TextColumn("{task.fields[detail]}"),
            is_shown=is_shown,
        )
        stream = log_stream(is_shown)
        self._lines = None if stream is None else ProgressLines(chains, tune, draws, stream, planned)
        self._tasks: list[TaskID] = [
            self.rows.add_task("", total=tune + draws, chain=chain, phase="waiting", detail="")
            for chain in range(chains)
        ]
        self._start = time.perf_counter()

    def __enter__(self) -> ProgressBar:
        super().__enter__()
        if self._lines is not None:
            self._lines.begin()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._lines is not None:
            self._lines.end()

    def __call__(self, chains: Sequence[dict[str, Any]]) -> None:
        """Show the state of every chain."""
        self.show(lambda: self._update(chains))

    def _update(self, chains: Sequence[dict[str, Any]]) -> None:
        if self._lines is not None:
            self._lines.update(chains)
        seconds = max(time.perf_counter() - self._start, 1e-9)
        for state in chains:
            done = state["draw"] if state["tuning"] else state["tune"] + state["draw"]
            self.rows.update(
                self._tasks[state["chain"]],
                completed=done,
                total=state["tune"] + state["draws"],
                phase="tuning" if state["tuning"] else "sampling",
                detail=_detail(state, done / seconds, state["num_gradients"] / seconds),
            )


def _detail(state: dict[str, Any], sweeps: float, gradients: float) -> str:
    if math.isnan(state["step_size"]):
        return f"{sweeps:.2g} sweeps/s"
    return f"{state['divergences']} divergent, step {state['step_size']:.3g}, {gradients:.2g} gradients/s"


class BarOfStarts(LiveTable):
    """One line for iterations from several starts: which start, which iteration, and the objective there.

    Parameters
    ----------
    num_starts : int
        Number of starts.
    is_shown : bool
        Whether to show anything.
    """

    def __init__(self, num_starts: int, is_shown: bool):
        super().__init__(
            TextColumn("start {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=_WIDTH),
            TimeElapsedColumn(),
            TextColumn("iteration {task.fields[iteration]}  {task.fields[objective]}"),
            is_shown=is_shown,
        )
        self._task = self.rows.add_task("", total=num_starts, iteration=0, objective="")

    def __call__(self, iteration: int, objective: float) -> None:
        """Show where the present start is: the next one where the iteration is 0."""
        self.show(lambda: self._update(iteration, objective))

    def _update(self, iteration: int, objective: float) -> None:
        self.rows.update(self._task, advance=float(iteration == 0), iteration=iteration, objective=f"{objective:.6g}")
