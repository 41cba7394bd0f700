"""Where the arrays of a program lie: constants beside the machine code, inputs, outputs and scratch memory."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from math import prod

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.compiler.values import Buffer, Shape, View

RESERVED = frozenset(
    (
        *("context", "draw", "fdata", "idata", "inside", "math", "np", "ok", "out", "rng", "words", "work"),
        *keyword.kwlist,
        *dir(builtins),
    )
)
"""Names that generated source uses otherwise."""
TURNED_WIDTHS = range(8, 65)
"""Tall matrices this wide are kept by columns: rows of fewer become vector code anyway, longer ones are long enough."""


class Buffers:
    """The buffers of a program, or the scratch buffers of a loop in it.

    Parameters
    ----------
    outer : Buffers, optional
        The memory of the program that holds the loop: constants are placed there, and names are taken from it.

    Attributes
    ----------
    buffers : list of Buffer
        All buffers, in the order of their declaration.
    fdata, idata : list of array
        Constants, to be laid one after the other.
    """

    def __init__(self, outer: Buffers | None = None) -> None:
        self._outer = outer
        self.buffers: list[Buffer] = []
        self._enclosed: list[Buffer] = []
        self.fdata: list[NDArray[np.float64]] = []
        self.idata: list[NDArray[np.int64]] = []
        self._taken: set[str] = set()
        self._factors: list[tuple[NDArray[np.float64], Buffer]] = []

    def name(self, hint: str | None) -> str:
        """Return a readable and unused name; it never ends in a digit, as all other local variables do."""
        if self._outer is not None:
            return self._outer.name(hint)
        stem = re.sub(r"\W", "_", hint or "array").strip("_")[:30] or "array"
        if stem[-1].isdigit() or stem in RESERVED or not stem.isidentifier() or len(stem) == 1:
            stem = f"v_{stem}_"
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}_"
        self._taken.add(name)
        return name

    def add(self, buffer: Buffer) -> Buffer:
        """Declare a buffer and return it."""
        self.buffers.append(buffer)
        return buffer

    def scratch(self, hint: str | None, shape: Shape, *, is_float: bool) -> Buffer:
        """Return new scratch memory."""
        return self.add(Buffer(self.name(hint), "f" if is_float else "i", prod(shape)))

    def fixed(self, data: NDArray, hint: str | None = None) -> Buffer:
        """Place constant data beside the machine code."""
        if self._outer is not None:
            return self._outer.fixed(data, hint)
        name = self.name(hint or "constant")
        if data.dtype.kind == "f":
            offset = sum(array.size for array in self.fdata)
            self.fdata.append(np.ascontiguousarray(data, dtype=np.float64).ravel())
            return self.add(Buffer(name, "f", data.size, "fixed", "fdata", offset))
        offset = sum(array.size for array in self.idata)
        self.idata.append(np.ascontiguousarray(data).astype(np.int64).ravel())
        return self.add(Buffer(name, "i", data.size, "fixed", "idata", offset))

    def factor(self, data: NDArray[np.float64], hint: str | None = None) -> View:
        """Place a matrix of floats that multiplies vectors, so that loops run along its longer side.

        A gradient multiplies by the transpose of what the value multiplies by: that is the same memory.
        """
        is_turned = data.shape[0] > data.shape[1] and data.shape[1] in TURNED_WIDTHS
        rows = data.T if is_turned else data
        buffer = next((b for placed, b in self._factors if np.array_equal(placed, rows)), None)
        if buffer is None:
            buffer = self.fixed(rows, hint)
            self._factors.append((rows, buffer))
        return View(buffer, "f", data.shape, (1, data.shape[0]) if is_turned else (data.shape[1], 1))

    def used(self) -> Iterable[Buffer]:
        """Give the buffers that are read or written."""
        return (b for b in self.buffers if b.scope != "work" or b.first >= 0)

    def declared(self) -> Iterable[Buffer]:
        """Give the buffers that need a pointer, those of the bodies of loops included."""
        return (*self.used(), *self._enclosed)

    def enclose(self, inner: Buffers, size: int) -> Buffer:
        """Return scratch memory of some size that holds the placed buffers of a loop's body."""
        whole = self.add(Buffer(self.name("body"), "f", size))
        own = [b for b in inner.used() if b.scope == "work"]
        for buffer in own:
            buffer.within = whole
        self._enclosed += [*own, *inner._enclosed]
        return whole

    def place_scratch(self) -> int:
        """Give scratch buffers their offsets, reusing memory no longer needed; return the total size."""
        active: list[Buffer] = []
        total = 0
        scratch = [b for b in self.used() if b.scope == "work"]
        apart = [b for b in scratch if b.is_apart and self._outer is None]
        for buffer in sorted((b for b in scratch if b not in apart), key=lambda b: b.first):
            active = [b for b in active if b.last >= buffer.first]
            offset = 0
            for other in sorted(active, key=lambda b: b.offset):
                if other.offset - offset >= buffer.size:
                    break
                offset = max(offset, other.offset + other.size)
            buffer.offset = offset
            active.append(buffer)
            total = max(total, offset + buffer.size)
        for buffer in apart:
            buffer.offset = total
            total += buffer.size
        return total
