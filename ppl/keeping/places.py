"""Stores by what users call them: paths of folders, and addresses of whatever fsspec reaches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from graphs.errors import SamplingError
from ppl.keeping.folder import StoreFolder
from ppl.keeping.objects import StoreObjects
from ppl.keeping.place import StorePlace

_LOCAL = ("file", "local")


def place_of(store: Any) -> StorePlace:
    """Return the place of a store.

    Parameters
    ----------
    store : str or path
        A folder, or an address such as ``s3://bucket/run.zarr``.

    Raises
    ------
    SamplingError
        If it is neither, or nothing that is installed knows such addresses.

    Examples
    --------
    >>> place_of("file:///data/run.zarr").address
    '/data/run.zarr'
    """
    text = str(store)
    if not isinstance(store, str | os.PathLike) and "://" not in text:
        raise SamplingError(f"store is a path, or an address such as 's3://bucket/run.zarr', not {store!r}.")
    if not text.strip():
        raise SamplingError("store is a path; it was empty.")
    protocol, is_address, path = text.partition("://")
    if is_address and protocol not in _LOCAL:
        return StoreObjects(text)
    folder = path if is_address else os.fspath(store)
    if "\0" in folder:
        raise SamplingError(f"store is a path; no path has a character of number zero: {folder!r}.")
    try:
        # As those who read do.
        return StoreFolder(Path(folder).expanduser())
    except RuntimeError as error:
        raise SamplingError(f"The store {text!r} cannot be reached: {error} Give the whole path.") from error
