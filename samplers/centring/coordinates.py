"""Densities in partially centred coordinates: from positions to coordinates and back, for the loop over sweeps.

The joint state holds positions, whatever a trajectory runs in. Before it begins, and when it has ended, the coordinates
of `graphs.centring` are computed from positions and back, by one program that evaluates locations and scales.

The loops are compiled functions wherever they are called from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.c_functions import compile_function
from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.program import BoundProgram, call_program
from graphs.once import once
from samplers.centring.mapping import to_coordinates, to_positions
from samplers.chain.metric import Centring
from samplers.chain.programs import BEGIN, LOCATE

type Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CoordinateMap:
    """Which elements have coordinates of their own.

    Parameters
    ----------
    size : int
        Number of elements of the position.
    elements : array, shape (k,), int64
        Those of the position that have coordinates of their own.
    levels : array, shape (k,), int64
        In which order they are computed from coordinates.
    context : array, int64
        The elements of the joint state that the density depends on besides.
    start : array, shape (k,), float64
        The share that was asked for; NaN where it is learnt.
    """

    size: int
    elements: NDArray[np.int64]
    levels: NDArray[np.int64]
    context: NDArray[np.int64]
    start: Vector

    @property
    def num_levels(self) -> int:
        """How often locations and scales are evaluated on the way back."""
        return int(self.levels.max(initial=-1)) + 1

    @property
    def declared(self) -> Centring:
        """Where coordinates are positions."""
        count = self.elements.size
        return Centring(np.ones(count), np.ones(count), np.zeros(count))


@njit(nogil=True, cache=True)
def call_over_rows(
    row: NDArray[np.int64], x: NDArray[np.float64], context: Vector, out: NDArray[np.float64], words: NDArray[np.uint64]
) -> None:
    """Run a program on each row: called one by one from Python they took most of the time in which a chain learns."""
    for i in range(x.shape[0]):
        call_program(row, x[i], context, out[i], words)


@inlined
def split_data(held: Vector, num_context: int, count: int) -> tuple[Vector, Vector, Vector]:
    """Return shares, floors and pulls, which come after the context."""
    second, third = num_context + count, num_context + 2 * count
    return held[num_context:second], held[second:third], held[third : third + count]


@once
def _compiled() -> Any:
    """Return the program that evaluates others in coordinates of their own: compiled once for all models."""
    names = {
        "carray": numba.carray,
        "call_program": call_program,
        "split_data": split_data,
        "to_coordinates": to_coordinates,
        "to_positions": to_positions,
        "BEGIN": BEGIN,
        "LOCATE": LOCATE,
    }
    return compile_function(_SOURCE, "centred", names)


_SOURCE = """
def PROGRAM(x, context, out, rng, fdata, idata, work):
    head = carray(idata, (13,))
    size, count, num_levels, num_context = head[8], head[9], head[10], head[11]
    state = carray(context, (head[12],))
    indices = carray(idata, (13 + 2 * count + num_context,))
    held = carray(fdata, (num_context + 3 * count,))
    words, inputs, outputs = carray(rng, (4,)), carray(x, (size,)), carray(out, (size,))
    if words[0] == BEGIN or words[0] == LOCATE:
        elements, levels = indices[13 : 13 + count], indices[13 + count : 13 + 2 * count]
        share, floor, pull = split_data(held, num_context, count)
        known, told = carray(work, (4 * count,)), carray(work, (6 * count,))[4 * count :]
        for i in range(size):
            outputs[i] = inputs[i]
        if words[0] == BEGIN:
            call_program(head[4:8], inputs, state, known, words)
            to_coordinates(elements, share, floor, pull, known, outputs)
            return 0.0
        total = 0.0
        for level in range(num_levels):
            call_program(head[4:8], outputs, state, known, words)
            total += to_positions(elements, levels, level, share, floor, pull, known, told, outputs)
        return total
    for i in range(num_context):
        held[i] = state[indices[13 + 2 * count + i]]
    return call_program(head[:4], inputs, held, outputs, words)
"""


class CentredProgram:
    """A bound program of a density, seen in coordinates of its own.

    Parameters
    ----------
    density, parameters : BoundProgram
        Of coordinates, and of positions: as in `graphs.centring.PartialCentring`.
    where : CoordinateMap
        Which elements have them.
    num_state : int
        Number of elements of the joint state.

    Attributes
    ----------
    row : array, shape (4,), int64
        What compiled loops call; this object must stay alive as long.
    """

    def __init__(self, density: BoundProgram, parameters: BoundProgram, where: CoordinateMap, num_state: int):
        self.where = where
        count, num_context = where.elements.size, where.context.size
        self._held = np.zeros(num_context + 3 * count)
        head = [*density.row, *parameters.row, where.size, count, where.num_levels, num_context, num_state]
        integers = np.concatenate([np.array(head, np.int64), where.elements, where.levels, where.context])
        function, work = _compiled(), np.zeros(6 * count + 1)
        self._memory = (function, density, parameters, integers, work)
        self._parameters = parameters
        addresses = [function.address, self._held.ctypes.data, integers.ctypes.data, work.ctypes.data]
        self.row = np.array(addresses, np.int64)
        self.use(where.declared)

    def use(self, centring: Centring) -> None:
        """Change the coordinates."""
        self._held[self.where.context.size :] = np.concatenate(centring.data)

    @property
    def callable(self) -> NDArray[np.int64]:
        """What `samplers.chain.programs.evaluate_density` takes."""
        return self.row

    def parameters(self, positions: Vector, state: Vector) -> Vector:
        """Return locations, scales, scores and ratios at positions, shape (..., d); shape (..., 4 * k)."""
        return self._over_rows(self._parameters.row, positions, state, 4 * self.where.elements.size, 0)

    def located(self, positions: Vector, state: Vector) -> Vector:
        """Return the coordinates of positions, shape (..., d)."""
        return self._over_rows(self.row, positions, state, self.where.size, BEGIN)

    def _over_rows(self, row: NDArray[np.int64], positions: Vector, state: Vector, size: int, word: int) -> Vector:
        rows = np.ascontiguousarray(positions).reshape(-1, self.where.size)
        found = np.empty((len(rows), size))
        call_over_rows(row, rows, state, found, np.array([word, 0, 0, 0], np.uint64))
        return found.reshape(*positions.shape[:-1], size)

    def locate(self, coordinates: Vector, state: Vector, position: Vector) -> float:
        """Write the position of coordinates; return the logarithm of the Jacobian."""
        return call_program(self.row, coordinates, state, position, np.array([LOCATE, 0, 0, 0], np.uint64))

    def evaluate(self, coordinates: Vector, state: Vector, gradient: Vector) -> float:
        """Return the log-density at coordinates, and write its gradient."""
        return call_program(self.row, coordinates, state, gradient, np.zeros(4, np.uint64))


class CentredFunction:
    """A log-density in Python, seen in coordinates of its own; the parameters are as in `CentredProgram`."""

    def __init__(
        self,
        density: Callable[[Vector, Vector, Vector], float],
        parameters: Callable[[Vector, Vector, Vector], float],
        where: CoordinateMap,
    ):
        self.where = where
        self._density, self._known = density, parameters
        self._held = np.zeros(where.context.size + 3 * where.elements.size)
        self.use(where.declared)

    def use(self, centring: Centring) -> None:
        """Change the coordinates."""
        self._data = centring.data
        self._held[self.where.context.size :] = np.concatenate(centring.data)

    @property
    def callable(self) -> CentredFunction:
        """What `samplers.chain.programs.evaluate_density` takes."""
        return self

    def __call__(self, coordinates: Vector, state: Vector, gradient: Vector) -> float:
        """Return the log-density at coordinates, and write its gradient."""
        self._held[: self.where.context.size] = state[self.where.context]
        return self._density(coordinates, self._held, gradient)

    evaluate = __call__

    def parameters(self, positions: Vector, state: Vector) -> Vector:
        """Return locations, scales, scores and ratios at positions, shape (..., d); shape (..., 4 * k)."""
        found = np.empty((*positions.shape[:-1], 4 * self.where.elements.size))
        for index in np.ndindex(positions.shape[:-1]):
            self._known(positions[index], state, found[index])
        return found

    def located(self, positions: Vector, state: Vector) -> Vector:
        """Return the coordinates of positions, shape (..., d)."""
        found = np.empty(positions.shape)
        for index in np.ndindex(positions.shape[:-1]):
            self.begin(positions[index], state, found[index])
        return found

    def begin(self, position: Vector, state: Vector, coordinates: Vector) -> None:
        """Write the coordinates of a position."""
        coordinates[:] = position
        to_coordinates(self.where.elements, *self._data, self.parameters(position, state), coordinates)

    def locate(self, coordinates: Vector, state: Vector, position: Vector) -> float:
        """Write the position of coordinates; return the logarithm of the Jacobian."""
        position[:] = coordinates
        where, total, told = self.where, 0.0, np.empty(2 * self.where.elements.size)
        for level in range(where.num_levels):
            known = self.parameters(position, state)
            total += to_positions(where.elements, where.levels, level, *self._data, known, told, position)
        return total
