"""Groups and arrays as they are written down for readers.

Answers: what xarray itself writes of the same data, and reads.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray
from xarray import DataArray, Dataset, DataTree

from ppl.keeping import nodes
from ppl.keeping.folder import StoreFolder
from ppl.keeping.layout import GrowingArrays
from ppl.keeping.objects import StoreObjects

pytestmark = pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")


def everything() -> Dataset:
    """Arrays of all kinds, with labels of all kinds."""
    rng = np.random.default_rng(2)
    arrays: dict[str, Any] = {
        "single": (("place", "day"), rng.normal(size=(2, 3)).astype("float32")),
        "swapped": ("day", np.arange(3, dtype=">i4")),
        "turned": (("place", "day"), np.asfortranarray(rng.normal(size=(2, 3)))),
        "yes": ("day", np.array([True, False, True])),
        "small": ("day", np.arange(3, dtype="uint8")),
        "half": ((), np.float16(0.5)),
        "plane": ("day", rng.normal(size=3) + 1j),
        "empty": (("day", "none"), np.zeros((3, 0))),
        "missing": ("place", np.array([np.nan, -0.0])),
        "words": ("place", np.array(["a", "bcd"], dtype=object)),
    }
    labels = {"place": ["K\u00f6ln", "\u4e0a\u6d77"], "day": pd.date_range("2020-02-28", periods=3)}
    found = Dataset(arrays, {**labels, "height": ("place", [1.5, 2.5])}, {"seed": np.int64(3), "names": ["x", "y"]})
    found["small"].attrs = {"unit": "m", "range": np.array([0, 2])}
    return found


@pytest.mark.parametrize("address", ["folder", "objects"])
def test_arrays_are_written_as_xarray_writes_them(address: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Also those that are large, which here all are but the smallest."""
    monkeypatch.setattr(nodes, "_LARGE_BYTES", 40)
    dataset = everything()
    place = StoreFolder(tmp_path / "own.zarr") if address == "folder" else StoreObjects("memory://nodes.zarr")
    place.make()
    GrowingArrays.made(place, DataTree.from_dict({"data": dataset}), 1).settle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.to_zarr(tmp_path / "xarray.zarr", zarr_format=3, consolidated=False)
        # As the file of the root says, and as each of its own.
        found = [xarray.open_datatree(place.address, engine="zarr", consolidated=known) for known in (True, False)]
    expected = xarray.open_zarr(tmp_path / "xarray.zarr", consolidated=False, chunks=None)
    for tree in found:
        xarray.testing.assert_identical(tree["data"].to_dataset(), expected)
        assert {n: a.dtype for n, a in tree["data"].variables.items()} == {
            n: a.dtype for n, a in expected.variables.items()
        }
    for name in dataset.variables:
        own = place.read_json(f"data/{name}/zarr.json")
        other = json.loads((tmp_path / "xarray.zarr" / str(name) / "zarr.json").read_text())
        for node in (own, other):
            node["codecs"] = node["codecs"][:1]
        assert own == {**other, "dimension_names": other.get("dimension_names", [])}, name


def test_arrays_of_draws_begin_without_rows(tmp_path: Path) -> None:
    rows = DataArray(np.zeros((2, 0, 3), "int16"), dims=("chain", "draw", "part"), attrs={"unit": "m"})
    place = StoreFolder(tmp_path / "run.zarr")
    place.make()
    arrays = GrowingArrays.made(place, DataTree.from_dict({"posterior": Dataset({"k": rows})}), 10**9)
    arrays.write("posterior/k", 1, 0, np.arange(6).reshape(2, 3))
    arrays.commit({"posterior": 2})
    found = xarray.open_datatree(place.address, engine="zarr").posterior["k"]
    np.testing.assert_array_equal(found, [np.zeros((2, 3)), np.arange(6).reshape(2, 3)])
    assert (found.dtype, found.attrs) == (np.dtype("int16"), {"unit": "m"})
    size = (tmp_path / "run.zarr/posterior/k/c/1/0/0").stat().st_size
    assert place.chunk_bytes / 2 < size <= place.chunk_bytes
