"""Draws in Zarr: arrays that grow at their ends, and one file that says how long all of them are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree

from graphs.errors import SamplingError
from ppl.keeping.nodes import DRAW, ROOT, Node, as_json, written_nodes
from ppl.keeping.place import StorePlace

DRAWN = ("posterior", "sample_stats", "unconstrained_posterior")
_GIVEN = ("observed_data", "constant_data")
_NO_INTEGER = int(np.iinfo(np.int64).min)


def is_drawn(group: str) -> bool:
    """Whether the arrays of a group have chains and draws, and grow."""
    return group.removeprefix("warmup_") in DRAWN


class GrowingArrays:
    """A tree of arrays on disk, those of draws with a first axis of chains and a second that grows.

    The pieces of an array are files of numbers as they are, so that rows are written behind those that are there, which
    are never touched again. The file of the root holds the shapes of all arrays (consolidated metadata): replacing it
    makes all of them longer at once, and whoever reads sees the rows of one instant.

    Parameters
    ----------
    place : StorePlace
        Where the tree is.
    """

    def __init__(self, place: StorePlace):
        self._place = place
        self._nodes: dict[str, Node] = {}
        self._attributes: dict[str, Any] = {}

    @classmethod
    def made(cls, place: StorePlace, tree: DataTree, num_rows: int) -> GrowingArrays:
        """Write a tree whose arrays of draws have no rows yet.

        Parameters
        ----------
        place : StorePlace
            Where to.
        tree : DataTree
            Groups, coordinates, attributes and data; arrays of draws are (chains, 0, ...).
        num_rows : int
            Rows that a run is going to have, if all goes well.
        """
        place.clear()
        made = cls(place)
        made._attributes = as_json(tree.attrs)
        for group, node in tree.children.items():
            rows = num_rows if is_drawn(group) else None
            made._nodes |= written_nodes(group, node.to_dataset(), place, rows)
        # The file of the root comes last: with it there is something to read.
        made.commit({})
        return made

    @classmethod
    def found(cls, place: StorePlace) -> GrowingArrays:
        """Return the arrays that are there."""
        root, found = place.read_json(ROOT), cls(place)
        found._attributes = root["attributes"]
        found._nodes = root["consolidated_metadata"]["metadata"]
        return found

    @classmethod
    def lent(cls, place: Any, nodes: Mapping[str, Any]) -> GrowingArrays:
        """Return arrays that another process has made, of which rows are written here."""
        found = cls(place)
        found._nodes = dict(nodes)
        return found

    @property
    def growing(self) -> dict[str, Any]:
        """What is said of the arrays that grow."""
        return {name: self._nodes[name] for name in self.names}

    @property
    def names(self) -> list[str]:
        """The arrays that grow, with their groups."""
        return [name for name, node in self._nodes.items() if self._grows(name, node)]

    def _grows(self, name: str, node: Mapping[str, Any]) -> bool:
        group, _, own = name.partition("/")
        return node["node_type"] == "array" and is_drawn(group) and own != DRAW and DRAW in node["dimension_names"]

    def write(self, name: str, chain: int, first: int, values: NDArray) -> None:
        """Write rows of one chain, the first of which has a number.

        Parameters
        ----------
        name : str
            Of the array, with its group.
        chain, first : int
            Where they go.
        values : array, shape (n, ...)
            The rows.
        """
        node = self._nodes[name]
        rows, item = _chunk(node)[1], _chunk(node)[2:]
        dtype = np.dtype(_dtype(node))
        row_bytes = prod(item) * dtype.itemsize
        values = np.ascontiguousarray(values, dtype)
        if not values.size:
            return
        done = 0
        while done < len(values):
            number, inside = divmod(first + done, rows)
            count = min(rows - inside, len(values) - done)
            self._place.write_at(
                _key(name, chain, number, item), inside * row_bytes, values[done : done + count], rows * row_bytes
            )
            done += count

    def fill(self, name: str, chain: int, first: int, number: int | None = None) -> None:
        """Write what stands for no number in rows that nobody has; whole numbers become missing.

        Parameters
        ----------
        name, chain, first
            As of `write`.
        number : int, optional
            Of rows; where a chain has stopped all of the piece, others being read so.
        """
        node = self._nodes[name]
        dtype = np.dtype(_dtype(node))
        is_whole = dtype.kind in "iu" and not name.partition("/")[0].endswith("sample_stats")
        nothing: Any = np.nan if dtype.kind == "f" else _NO_INTEGER if is_whole else 0
        if is_whole:
            node["fill_value"] = node["attributes"]["_FillValue"] = _NO_INTEGER
        rows, item = _chunk(node)[1], _chunk(node)[2:]
        left = -first % rows if number is None else number
        if left:
            self.write(name, chain, first, np.full((left, *item), nothing, dtype))

    def check(self, num_rows: Mapping[str, NDArray]) -> None:
        """Raise if rows are not there any more that had been written: readers would take them for missing numbers.

        Parameters
        ----------
        num_rows : mapping of str to array, shape (chains,), int64
            Number of rows of each chain, ``tuned`` and ``kept``.

        Raises
        ------
        SamplingError
            Names the file.
        """
        sizes = self._place.sizes()
        for name, node in self._nodes.items():
            group = name.partition("/")[0]
            if node["node_type"] != "array" or not (is_drawn(group) or group in _GIVEN) or not self._is_plain(node):
                continue
            counts = num_rows["tuned" if group.startswith("warmup_") else "kept"]
            whole = 1 if self._place.codecs else prod(_chunk(node)) * _item_bytes(node)
            for key in self._pieces(name, node, counts):
                if sizes.get(key, 0) < whole:
                    what = f"has {sizes[key]:,} of {whole:,} bytes" if sizes.get(key) else "is missing"
                    of = "draws" if self._grows(name, node) else "what stands beside them"
                    raise SamplingError(
                        f"The store {self._place.address!r} is damaged: {key}, a part of the {of}, {what}. Copy "
                        "it again from where it came from; what is whole of it xarray.open_datatree still reads."
                    )

    def _is_plain(self, node: Node) -> bool:
        """Whether an array is written here, piece by piece; of others those without numbers may be left out."""
        return [codec["name"] for codec in node["codecs"]] == ["bytes", *(each["name"] for each in self._place.codecs)]

    def _pieces(self, name: str, node: Node, counts: NDArray) -> list[str]:
        """Return the files of an array, of which each chain has so many rows if it grows."""
        shape, chunk = node["shape"], _chunk(node)
        if self._grows(name, node):
            most = [-(-int(count) // chunk[1]) for count in (counts if prod(shape[2:]) else ())]
            return [_key(name, chain, i, chunk[2:]) for chain, number in enumerate(most) for i in range(number)]
        if not prod(shape):
            return []
        if name.endswith(f"/{DRAW}"):
            return [f"{name}/c/{number}" for number in range(-(-shape[0] // chunk[0]))]
        return ["/".join([name, "c", *["0"] * len(shape)])]

    def commit(self, lengths: Mapping[str, int], attributes: Mapping[str, Any] | None = None) -> None:
        """Let all arrays be so long: at once.

        Parameters
        ----------
        lengths : mapping of str to int
            Number of rows by group.
        attributes : mapping, optional
            Of the tree and of its posterior, in the place of those that they have.
        """
        for name, node in self._nodes.items():
            group, _, own = name.partition("/")
            if node["node_type"] != "array" or group not in lengths:
                continue
            if own == DRAW:
                self._number(name, node, lengths[group])
                node["shape"] = [lengths[group]]
            elif self._grows(name, node):
                node["shape"][1] = lengths[group]
        if attributes is not None:
            self._describe(attributes)
        self._place.sync()
        consolidated = {"kind": "inline", "must_understand": False, "metadata": self._nodes}
        node = {"attributes": self._attributes, "zarr_format": 3, "consolidated_metadata": consolidated}
        self._place.write(ROOT, json.dumps(node | {"node_type": "group"}).encode())

    def _describe(self, attributes: Mapping[str, Any]) -> None:
        """Put attributes in the place of those of the tree, and of these in its posterior."""
        for group in [g for g in self._nodes if g.endswith("posterior")]:
            kept = {k: value for k, value in self._nodes[group]["attributes"].items() if k not in self._attributes}
            self._nodes[group]["attributes"] = {**kept, **attributes}
        self._attributes = dict(attributes)

    def _number(self, name: str, node: Mapping[str, Any], length: int) -> None:
        """Write the numbers of draws, whole pieces at once."""
        [rows], dtype = _chunk(node), np.dtype(_dtype(node))
        for number in range(node["shape"][0] // rows, -(-length // rows)):
            numbers = np.arange(number * rows, (number + 1) * rows, dtype=dtype)
            self._place.write_at(f"{name}/c/{number}", 0, numbers, numbers.nbytes)

    def settle(self) -> None:
        """Write the shape of each array where readers look that do not know of the file of the root."""
        # Nobody needs them to go on.
        self._place.write_many({f"{name}/{ROOT}": json.dumps(node).encode() for name, node in self._nodes.items()})

    def replace_group(self, name: str, dataset: Dataset) -> None:
        """Write a group that does not grow anew."""
        for known in [n for n in self._nodes if n == name or n.startswith(f"{name}/")]:
            del self._nodes[known]
        with self._place.failing():
            self._place.remove(name)
        self._nodes |= written_nodes(name, dataset, self._place)


def _key(name: str, chain: int, number: int, item: list[int]) -> str:
    """Return the file of a piece of an array."""
    return "/".join([name, "c", str(chain), str(number), *["0"] * len(item)])


def _item_bytes(node: Mapping[str, Any]) -> int:
    """Return how many bytes an element takes."""
    kind = node["data_type"]
    return int(kind["configuration"]["length_bytes"]) if isinstance(kind, dict) else np.dtype(kind).itemsize


def _chunk(node: Mapping[str, Any]) -> list[int]:
    found: list[int] = node["chunk_grid"]["configuration"]["chunk_shape"]
    return found


def _dtype(node: Mapping[str, Any]) -> str:
    return str(node["data_type"])


def lengths_of(num_rows: Mapping[str, int], groups: Iterable[str]) -> dict[str, int]:
    """Return the number of rows by group, given those of the warm-up and after it."""
    return {g: num_rows["tuned" if g.startswith("warmup_") else "kept"] for g in groups if is_drawn(g)}
