"""Groups and arrays of Zarr 3 as they are written down, without the zarr library where they are plain numbers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from xarray import Dataset, Variable
from xarray.conventions import encode_dataset_coordinates

from graphs.warned import filtered
from ppl.keeping.place import StorePlace

ROOT = "zarr.json"
DRAW = "draw"
_MOST_ROWS = 2**19
_LARGE_BYTES = 2**22
"""What is larger and does not grow is left to xarray, which writes it in pieces."""
_NAN = "AAAAAAAA+H8="

type Node = dict[str, Any]
"""What a file of the name ``zarr.json`` says."""


def as_json(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes as they are written down."""
    found: dict[str, Any] = json.loads(json.dumps(dict(attributes), default=_plain))
    return found


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def written_nodes(group: str, dataset: Dataset, place: StorePlace, num_rows: int | None = None) -> dict[str, Node]:
    """Write what is in the arrays of a group, and return what has to be said of them.

    The zarr library takes 5 ms of a processor for each array, most of it to pass between threads.

    Parameters
    ----------
    group : str
        Its name.
    dataset : Dataset
        The group.
    place : StorePlace
        Where to.
    num_rows : int, optional
        Rows that the arrays of draws are going to have, if all goes well; without, nothing grows.

    Returns
    -------
    dict of str to dict
        The nodes by name: of the group, and of its arrays in the order that they have in memory.
    """
    variables, attributes = encode_dataset_coordinates(dataset)
    found: dict[str, Node] = {
        group: {"attributes": as_json(attributes), "zarr_format": 3, "node_type": "group"},
    }
    odd = {}
    for name, variable in variables.items():
        key, grows = f"{group}/{name}", num_rows is not None and DRAW in variable.dims
        found[key] = {}
        if not _is_plain(variable, grows):
            odd[str(name)] = variable
            continue
        chunk = [max(size, 1) for size in variable.shape]
        if grows:
            chunk = _chunk_of_draws(variable, place.chunk_bytes, num_rows or 1)
        found[key] = _array_node(variable, chunk, place.codecs)
        if not grows and variable.size:
            numbers = np.ascontiguousarray(variable.values, _little(variable.dtype))
            place.write_at("/".join([key, "c", *["0"] * variable.ndim]), 0, numbers, numbers.nbytes)
    if odd:
        found |= _by_xarray(group, odd, place)
    return found


def _is_plain(variable: Variable, grows: bool) -> bool:
    """Whether an array is numbers or short texts as they are in memory."""
    is_known = variable.dtype.kind in "biuf" or (variable.dtype.kind == "U" and variable.dtype.itemsize > 0)
    return is_known and not variable.encoding and (grows or variable.nbytes <= _LARGE_BYTES)


def _chunk_of_draws(variable: Variable, most_bytes: int, num_rows: int) -> list[int]:
    """Return the shape of pieces that are about as large as is good to read, each of one chain."""
    item = [max(n, 1) for d, n in variable.sizes.items() if d not in ("chain", DRAW)]
    rows = int(np.clip(min(most_bytes // (prod(item) * variable.dtype.itemsize), num_rows), 1, _MOST_ROWS))
    return [rows] if variable.dims == (DRAW,) else [1, rows, *item]


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _array_node(variable: Variable, chunk: Sequence[int], codecs: Sequence[Node]) -> Node:
    """Return what is said of an array, as xarray would."""
    kind, dtype = variable.dtype.kind, variable.dtype
    fill: Any = {"f": "NaN", "b": False, "U": ""}.get(kind, 0)
    text = {"name": "fixed_length_utf32", "configuration": {"length_bytes": dtype.itemsize}}
    as_bytes: Node = {"name": "bytes"}
    if kind == "U" or dtype.itemsize > 1:
        as_bytes["configuration"] = {"endian": "little"}
    node: Node = {
        "shape": [*variable.shape],
        "data_type": text if kind == "U" else dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [*chunk]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": [as_bytes, *codecs],
        "attributes": as_json(variable.attrs) | ({"_FillValue": _NAN} if kind == "f" else {}),
        "dimension_names": [*variable.dims],
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    return node


def _by_xarray(group: str, variables: Mapping[str, Variable], place: StorePlace) -> dict[str, Node]:
    """Let xarray write arrays, of dates for example, and return what it says of them."""
    found = {}
    # Labels of any length are not in the specification of Zarr yet.
    with tempfile.TemporaryDirectory() as folder, filtered("ignore"):
        Dataset(dict(variables)).to_zarr(folder, mode="w", zarr_format=3, consolidated=False)
        for name in variables:
            made = Path(folder, name)
            found[f"{group}/{name}"] = json.loads((made / ROOT).read_text(encoding="utf-8"))
            for file in sorted(made.rglob("*")):
                if file.is_file() and file.name != ROOT:
                    place.write(f"{group}/{name}/{file.relative_to(made).as_posix()}", file.read_bytes())
    return found
