"""The lines of source that made a variable: PyTensor notes them for its error messages."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytensor
from pytensor.compile.mode import AddFeatureOptimizer, Mode, get_mode
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import Feature
from pytensor.graph.fg import FunctionGraph


def untraced() -> AbstractContextManager[Any]:
    """Let PyTensor not note, for each new variable, the lines of source that made it: half of what a variable costs."""
    flags: AbstractContextManager[Any] = pytensor.config.change_flags(traceback__limit=0)
    return flags


class _Forget(Feature):
    """Forget what is noted of a variable that takes the place of another.

    A rewrite adds to the notes of the new variable those of the old one and of all that this was made of. Of a constant
    that other graphs hold too, such as a zero, they become three times as long with every use, for ever: a model with
    a Cholesky factor was compiled five times in a second each, then in ten, and the seventh time took all memory.
    """

    def on_change_input(
        self, fgraph: FunctionGraph, node: Apply, i: int, old: Variable, new: Variable, reason: Any = None
    ) -> None:
        if getattr(new.tag, "trace", None):
            new.tag.trace = []


FORGET = _Forget()
"""To be attached to every graph that is rewritten."""


def forgetting(mode: Mode | str) -> Mode:
    """Return one of PyTensor's modes that attaches `FORGET`."""
    return get_mode(mode).register((AddFeatureOptimizer(FORGET), 0.0))
