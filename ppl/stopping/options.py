"""The arguments of a run that are words, or are less common, by name and type."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from xarray import DataTree

from samplers.tuning.learning import MetricChoice

Adapt = Literal["chain", "pooled"]
Precision = Literal["float64", "float32"]
Init = (
    Literal["jitter", "support_point", "prior", "pathfinder"]
    | Mapping[str, Any]
    | Sequence[Mapping[str, Any]]
    | DataTree
    | None
)


class SampleOptions(TypedDict, total=False):
    """What `ppl.sample` takes as ``**options``; what each means is said there."""

    target_accept: float
    max_tree_depth: int
    thin: int
    keep_tuning: bool
    var_names: Sequence[str] | None
    metric: MetricChoice
    adapt: Adapt
    store: str | os.PathLike[str] | None
    overwrite: bool
    client: Any


OPTIONS = tuple(SampleOptions.__annotations__)
