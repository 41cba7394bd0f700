"""Graphs over the draws of a trace some of which are missing: what is computed from a missing draw is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod
from threading import Lock
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.errors import ModelError
from ppl.predicting.flat_draws import FlatDraws, present
from ppl.predicting.later import Later, later
from ppl.running.memory import bytes_of_draw, check_memory_of_draws

NUMBER: TensorVariable = pt.dscalar("number of a draw")
"""An input that nothing depends on, so that there is one where nothing is given."""
AT_ONCE_BYTES = 2**26
"""What is computed of draws that are not in memory is computed at once if it is not larger; else when it is used."""
PART_BYTES, MOST_ROWS, _UNKNOWN = 2**26, 2**16, 100
"""A part of the rows, which has a generator of its own: so many at most, and fewer of what takes more; elements of an
axis whose length is not known."""
_PARTS_KEPT = 2

type Arrays = Mapping[str, NDArray]


def over_draws(
    graphs: Mapping[str, TensorVariable],
    rows: FlatDraws[TensorVariable],
    backend: str,
    *,
    rng: Variable | None = None,
    seed: int | None = None,
    check: Callable[[Arrays], None] | None = None,
    then: Callable[[Arrays], Arrays] | None = None,
    remedy: str = "",
) -> dict[str, Any]:
    """Return the values of graphs at draws of the variables that they depend on.

    A draw is missing where one of its numbers is NaN, as after a chain has stopped. Nothing is computed of it: what
    would be is NaN, and floats even if these are integers or truth values, which could not say that they are missing.

    Rows are taken in parts, whose generators are their own: what is computed of a part does not depend on when, or
    whether, others are. Of draws that are not in memory much is computed when it is used, part by part, and not kept.

    Parameters
    ----------
    graphs : mapping of str to TensorVariable
        What is computed of each draw.
    rows : FlatDraws
        Values of what the graphs depend on, maybe of nothing.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    rng : Variable, optional
        The generator that graphs draw with.
    seed : int, optional
        Its seed.
    check : callable, optional
        Of the values (n, ...) that are not missing; raises where these are none.
    then : callable, optional
        What becomes of values (1, n, ...).
    remedy : str
        How there would be less to compute, for the message that there is no memory.

    Returns
    -------
    dict of str to array
        Shape (chains, draws, ...); arrays that are computed when they are used have an own type, which xarray knows.

    Raises
    ------
    ModelError
        If every draw is missing.
    SamplingError
        If there is no memory for the values.
    """
    values = _ValuesInParts(graphs, rows, backend, rng, seed, check, then)
    if not rows.is_in_memory and rows.count * sum(bytes_of_draw(graphs).values()) > AT_ONCE_BYTES:
        return {name: later(values.of(name)) for name in values.first}
    check_memory_of_draws(graphs, rows.count, remedy)
    return values.all()


def first_present(rows: FlatDraws[TensorVariable]) -> dict[TensorVariable, NDArray]:
    """Return the first draw that is not missing; raise if all are."""
    for first in range(0, rows.count, MOST_ROWS):
        read = rows.read(first, min(first + MOST_ROWS, rows.count))
        is_present = present(read.values()) if read else np.ones(1, bool)
        if is_present.any():
            return {variable: array[is_present.argmax()] for variable, array in read.items()}
    raise _all_missing()


def _all_missing() -> ModelError:
    return ModelError("Every draw of the trace is missing (NaN): there is nothing to compute from.")


class _ValuesInParts:
    """What is computed of rows, part by part.

    Parameters
    ----------
    graphs, rows, backend, rng, seed, check, then
        As of `over_draws`.
    """

    def __init__(
        self,
        graphs: Mapping[str, TensorVariable],
        rows: FlatDraws[TensorVariable],
        backend: str,
        rng: Variable | None,
        seed: int | None,
        check: Callable[[Arrays], None] | None,
        then: Callable[[Arrays], Arrays] | None,
    ):
        self._graphs, self.rows, self._backend, self._rng = graphs, rows, backend, rng
        self._check, self._then = check, then
        self._seed = np.random.SeedSequence().entropy if seed is None else seed
        # Only what the graphs are tells how many rows a part has, so that draws do not depend on how many there are.
        of_row = sum(_bytes_of(graph) for graph in graphs.values())
        self.num_rows = 2 ** int(np.log2(np.clip(PART_BYTES // max(of_row, 1), 1, MOST_ROWS)))
        self._begin()

    def _begin(self) -> None:
        self._lock = Lock()
        self._kept: dict[int, Arrays] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Machine code belongs to a process.
        own = {"_lock", "_kept", "_function"}
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    @property
    def num_parts(self) -> int:
        return -(-self.rows.count // self.num_rows)

    @cached_property
    def _function(self) -> Callable[..., list[NDArray]]:
        inputs = [*self.rows.arrays, NUMBER]
        return get_backend(self._backend).map(inputs, list(self._graphs.values()), rng=self._rng)

    def part(self, number: int) -> Arrays:
        """Return the values of one part, (n, ...); those computed last are kept."""
        with self._lock:
            if number not in self._kept:
                found = self._computed(number)
                if isinstance(found, int):
                    found = {name: np.full((found, *like.shape[1:]), np.nan) for name, like in self.first.items()}
                while len(self._kept) >= _PARTS_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[number] = found
            return self._kept[number]

    def _read(self, number: int) -> tuple[dict[TensorVariable, NDArray], NDArray[np.bool_]]:
        """Return the draws of one part, and which of them are there."""
        first = number * self.num_rows
        stop = min(first + self.num_rows, self.rows.count)
        read = {**self.rows.read(first, stop), NUMBER: np.zeros(stop - first)}
        return read, present(read.values())

    def _computed(self, number: int) -> Arrays | int:
        """Return the values of one part; where all its draws are missing, how many these are."""
        read, is_present = self._read(number)
        if not is_present.any():
            return len(is_present)
        is_whole = bool(is_present.all())
        arrays = [(array if is_whole else array[is_present]).astype(v.type.dtype) for v, array in read.items()]
        generator = () if self._rng is None else (self._generator(number),)
        found: Arrays = dict(zip(self._graphs, map(np.asarray, self._function(*generator, *arrays)), strict=True))
        if self._check is not None:
            self._check(found)
        if self._then is not None:
            found = {name: a[0] for name, a in self._then({name: a[None] for name, a in found.items()}).items()}
        return {n: _scattered(a, is_present) for n, a in found.items()} if self._has_missing or not is_whole else found

    def _generator(self, number: int) -> np.random.Generator:
        """Return the generator of one part; that of the first is the plain one of the seed."""
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(number,) if number else ()))

    @cached_property
    def _has_missing(self) -> bool:
        """Whether some draw is missing, where that makes other numbers of whole ones."""
        if self.rows.is_in_memory or any(graph.type.dtype != "float64" for graph in self._graphs.values()):
            return not all(self._read(number)[1].all() for number in range(self.num_parts))
        return False

    @cached_property
    def first(self) -> Arrays:
        """The values of the first part that has any.

        Raises
        ------
        ModelError
            If every draw is missing.
        """
        for number in range(self.num_parts):
            found = self._computed(number)
            if not isinstance(found, int):
                self._kept[number] = found
                return {name: array[:1] for name, array in found.items()}
        raise _all_missing()

    def of(self, name: str) -> Later:
        """Return the values of one graph, as an array that is computed when it is used."""
        like = self.first[name]
        shape = (*self.rows.shape, *like.shape[1:])
        return Later(shape, like.dtype, self.num_rows, lambda number: self.part(number)[name])

    def all(self) -> dict[str, NDArray]:
        """Return all values, (chains, draws, ...)."""
        first = self.first
        if self.num_parts == 1:
            return {name: array.reshape(self.rows.shape + array.shape[1:]) for name, array in self.part(0).items()}
        whole = {name: np.empty((self.rows.count, *array.shape[1:]), array.dtype) for name, array in first.items()}
        for number in range(self.num_parts):
            start = number * self.num_rows
            for name, array in self.part(number).items():
                whole[name][start : start + len(array)] = array
        return {name: array.reshape(self.rows.shape + array.shape[1:]) for name, array in whole.items()}


def _bytes_of(graph: TensorVariable) -> int:
    elements = prod(_UNKNOWN if length is None else length for length in graph.type.shape)
    return elements * np.dtype(graph.type.dtype).itemsize


def _scattered(array: NDArray, is_present: NDArray[np.bool_]) -> NDArray:
    if is_present.all():
        return array.astype(np.result_type(array.dtype, np.float64), copy=False)
    whole = np.full((len(is_present), *array.shape[1:]), np.nan, np.result_type(array.dtype, np.float64))
    whole[is_present] = array
    return whole
