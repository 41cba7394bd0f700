"""Lines in a terminal or notebook that change while something runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn

logger = logging.getLogger("rvgraph")


class LiveTable:
    """Rows with bars, shown from ``with`` on: nothing where nobody watches.

    Parameters
    ----------
    *columns : ProgressColumn
        Of each row.
    is_shown : bool
        Whether to show anything.
    """

    def __init__(self, *columns: ProgressColumn, is_shown: bool):
        console = Console(stderr=True)
        self._has_failed = False
        self._is_notebook = is_shown and console.is_jupyter
        self._output: Any = None
        # Rich draws live in notebooks only with ipywidgets, which the display below does without.
        is_disabled = not is_shown or self._is_notebook or not console.is_terminal
        self.rows = Progress(*columns, console=console, disable=is_disabled)

    def __enter__(self) -> Self:
        if self._is_notebook:
            from IPython.display import display

            self._output = display(self._table(), display_id=True)
        else:
            self.rows.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_notebook:
            self._attempt(self.rows.stop)

    def show(self, update: Callable[[], None]) -> None:
        """Update the rows; a terminal that is gone, or a notebook, does not end the run that is shown."""
        self._attempt(update)
        if self._output is not None:
            self._attempt(lambda: self._output.update(self._table()))

    def _attempt(self, act: Callable[[], None]) -> None:
        if self._has_failed:
            return
        try:
            act()
        except Exception as error:  # whatever terminals and notebooks raise: what is shown is never worth the run
            self._has_failed = True
            logger.warning("The progress bar has failed and is not shown any more: %r.", error)

    def _table(self) -> Any:
        return self.rows.make_tasks_table(self.rows.tasks)
