"""Graphs that are to be rewritten."""

from __future__ import annotations

from typing import Any

from pytensor.graph.features import Feature
from pytensor.graph.fg import FunctionGraph


class Graph(FunctionGraph):
    """A graph that tells of a change only who listens.

    PyTensor calls what listens to nothing, too, and notes how long each call took: a tenth of the time of rewriting.
    """

    def execute_callbacks(self, name: str, *args: Any, **options: Any) -> None:
        """Tell of a change."""
        for feature in self._features:
            kind = type(feature)
            if (kind, name) not in _LISTENS:
                _LISTENS[kind, name] = getattr(kind, name, None) is not getattr(Feature, name, None)
            if _LISTENS[kind, name]:
                getattr(feature, name)(self, *args, **options)


_LISTENS: dict[tuple[type[Feature], str], bool] = {}
"""Whether a kind of listeners has a method of its own; that of all does nothing."""
