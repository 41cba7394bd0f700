"""The trace of a store: read when it is needed, and no more of it at once than is needed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import xarray
from xarray import DataTree

SMALL_BYTES = 2**26
"""A trace up to this size is remembered once it has been read."""


def opened_trace(path: Path) -> DataTree:
    """Return the trace of a store, whose arrays are read when they are used.

    A small one stays in memory then; of a large one nothing does: it is made of pieces (dask) where dask is installed.

    Parameters
    ----------
    path : Path
        The store.
    """
    tree: DataTree = xarray.open_datatree(path, engine="zarr")
    if tree.nbytes <= SMALL_BYTES:
        return tree
    tree.close()
    if find_spec("dask") is not None:
        return xarray.open_datatree(path, engine="zarr", chunks={})
    return xarray.open_datatree(path, engine="zarr", cache=False)
