"""The progress of a run: a bar in terminals and notebooks, lines in a log."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ppl.running.progress_lines import ProgressLines, log

logger = logging.getLogger("rvgraph")


class ProgressBar:
    """One line per chain: draws, divergences, step size, gradients per second.

    Parameters
    ----------
    chains : int
        Number of chains.
    tune, draws : int
        Tuning sweeps and kept draws of each.
    is_shown : bool
        Whether to show anything.
    """

    def __init__(self, chains: int, tune: int, draws: int, is_shown: bool):
        self._tune = tune
        self._has_failed = False
        console = Console(stderr=True)
        self._is_notebook = is_shown and console.is_jupyter
        stream = log(is_shown)
        self._lines = None if stream is None else ProgressLines(chains, tune, draws, stream)
        self._output: Any = None
        self._progress = Progress(
            TextColumn("chain {task.fields[chain]}"),
            BarColumn(bar_width=12),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[phase]}"),
            TextColumn("{task.fields[detail]}"),
            console=console,
            # Rich draws live in notebooks only with ipywidgets, which the display below does without.
            disable=not is_shown or self._is_notebook or not console.is_terminal,
        )
        self._tasks: list[TaskID] = [
            self._progress.add_task("", total=tune + draws, chain=chain, phase="waiting", detail="")
            for chain in range(chains)
        ]
        self._start = time.perf_counter()

    def __enter__(self) -> ProgressBar:
        if self._is_notebook:
            from IPython.display import display

            self._output = display(self._table(), display_id=True)
        else:
            self._progress.start()
        if self._lines is not None:
            self._lines.begin()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_notebook:
            self._shown(self._progress.stop)
        if self._lines is not None:
            self._lines.end()

    def _shown(self, show: Callable[[], None]) -> None:
        """Show something; a terminal that is gone, or a notebook, does not end the run that is shown."""
        if self._has_failed:
            return
        try:
            show()
        except Exception as error:  # whatever terminals and notebooks raise: what is shown is never worth the run
            self._has_failed = True
            logger.warning("The progress bar has failed and is not shown any more: %r.", error)

    def _table(self) -> Any:
        return self._progress.make_tasks_table(self._progress.tasks)

    def __call__(self, chains: Sequence[dict[str, Any]]) -> None:
        """Show the state of every chain."""
        self._shown(lambda: self._update(chains))

    def _update(self, chains: Sequence[dict[str, Any]]) -> None:
        if self._lines is not None:
            self._lines.update(chains)
        seconds = max(time.perf_counter() - self._start, 1e-9)
        for state in chains:
            done = state["draw"] if state["tuning"] else self._tune + state["draw"]
            self._progress.update(
                self._tasks[state["chain"]],
                completed=done,
                phase="tuning" if state["tuning"] else "sampling",
                detail=_detail(state, done / seconds, state["num_gradients"] / seconds),
            )
        if self._output is not None:
            self._output.update(self._table())


def _detail(state: dict[str, Any], sweeps: float, gradients: float) -> str:
    if math.isnan(state["step_size"]):
        return f"{sweeps:.2g} sweeps/s"
    return f"{state['divergences']} divergent, step {state['step_size']:.3g}, {gradients:.2g} gradients/s"
