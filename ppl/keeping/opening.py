"""The trace of a store: read when it is needed, and no more of it at once than is needed."""

from __future__ import annotations

import xarray
from xarray import DataTree

from ppl.keeping.place import StorePlace

SMALL_BYTES = 2**26
"""A trace up to this size is remembered once it has been read."""


def opened_trace(place: StorePlace) -> DataTree:
    """Return the trace of a store, whose arrays are read when they are used.

    A small one stays in memory then; of a large one nothing does. ArviZ refuses arrays in pieces (dask); who wants them
    has ``trace.chunk()``.

    Parameters
    ----------
    place : StorePlace
        The store.
    """
    tree: DataTree = xarray.open_datatree(place.readable, engine="zarr")
    if tree.nbytes <= SMALL_BYTES:
        return tree
    tree.close()
    return xarray.open_datatree(place.readable, engine="zarr", cache=False)


def first_draws(trace: DataTree, draws: int) -> DataTree:
    """Return the first draws of a trace, without the warm-up; none of them is read."""
    return _cut(trace, slice(draws))


def last_draws(trace: DataTree, draws: int) -> DataTree:
    """Return the last draws of a trace, without the warm-up; none of them is read."""
    return _cut(trace, slice(-draws, None))


def _cut(trace: DataTree, draws: slice) -> DataTree:
    found = DataTree()
    groups = {n: node.to_dataset() for n, node in trace.children.items() if not n.startswith("warmup_")}
    found.children = {
        name: DataTree(dataset.isel(draw=draws) if "draw" in dataset.sizes else dataset)
        for name, dataset in groups.items()
    }
    found.attrs = trace.attrs
    return found
