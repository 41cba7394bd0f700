"""The less common arguments of a run, by name and type."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from samplers.tuning.learning import MetricChoice

Adapt = Literal["chain", "pooled"]


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
