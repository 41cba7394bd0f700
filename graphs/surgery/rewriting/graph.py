"""Graphs that are to be rewritten."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
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
            if _is_listening(type(feature), name):
                getattr(feature, name)(self, *args, **options)


@cache
def _is_listening(kind: Hashable, name: str) -> bool:
    return getattr(kind, name, None) is not getattr(Feature, name, None)
