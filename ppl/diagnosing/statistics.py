"""The sampler's statistics of a trace, under the names that several samplers give them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree, Variable

# By PyMC, nutpie and NumPyro; ours are those of PyMC.
_DEPTHS = ("tree_depth", "depth")


_SATURATED = ("reached_max_treedepth", "maxdepth_reached")


def _statistics(trace: DataTree) -> Mapping[Hashable, Variable]:
    return trace.children["sample_stats"].variables if "sample_stats" in trace.children else {}


def statistic(trace: DataTree, name: str) -> NDArray | None:
    """Return a statistic of each draw; None if there is none, or one of each of several samplers."""
    array = _statistics(trace).get(name)
    if array is None:
        return None
    # Of several samplers at once PyMC has an axis more.
    return array.to_numpy() if array.dims == ("chain", "draw") else None


def any_of(trace: DataTree, name: str) -> NDArray[np.bool_] | None:
    """Return where a statistic of any block is true: ``diverging``, ``diverging_x``."""
    names = [str(n) for n in _statistics(trace) if n == name or str(n).startswith(f"{name}_")]
    arrays = [a for n in names if (a := statistic(trace, n)) is not None]
    return np.any([np.nan_to_num(a.astype(np.float64)) > 0 for a in arrays], axis=0) if arrays else None


def saturated(trace: DataTree, max_tree_depth: int) -> NDArray[np.bool_] | None:
    """Return where a trajectory was as long as it may be; None if the trace does not say."""
    for name in _SATURATED:
        found = statistic(trace, name)
        if found is not None:
            return found.astype(bool)
    for name in _DEPTHS:
        found = statistic(trace, name)
        if found is not None:
            return np.asarray(found >= max_tree_depth)
    return None
