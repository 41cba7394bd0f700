"""How far expectation-maximisation is, on one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import Progress, TextColumn

Report = Callable[[int, float], None]


@contextmanager
def reporting(progress: bool | Report, num_starts: int) -> Iterator[Report]:
    """Return what is called with the number of each iteration and the objective.

    Parameters
    ----------
    progress : bool or callable
        Whether to show a line on standard error; or what is called instead.
    num_starts : int
        Number of starts.
    """
    if not isinstance(progress, bool):
        yield progress
        return
    columns = TextColumn(
        "start {task.completed}/{task.total}  iteration {task.fields[iteration]}  {task.fields[value]}"
    )
    with Progress(columns, console=Console(stderr=True), disable=not progress) as line:
        task = line.add_task("", total=num_starts, iteration=0, value="")
        starts = count(1)

        def report(iteration: int, value: float) -> None:
            if iteration == 0:
                line.update(task, completed=next(starts))
            line.update(task, iteration=iteration, value=f"{value:.6g}")

        yield report
