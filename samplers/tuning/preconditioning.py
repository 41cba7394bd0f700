"""Densities seen in coordinates in which they are round.

A trajectory whose metric is not diagonal runs in coordinates ``y`` with ``position = origin + F y``, where ``F F^T`` is
the inverse mass matrix, and with the identity as metric: the same Hamiltonian flow, and nothing but the program that
evaluates the density knows of it. The origin is where the trajectory starts, so that ``y`` starts at zero.

The loops are compiled functions wherever they are called from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.intrinsics import as_rows
from graphs.backends.numba.machine_code.c_functions import compile_function
from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.program import call_program
from graphs.once import once
from samplers.chain.metric import DENSE, LOW_RANK
from samplers.chain.programs import BEGIN, LOCATE

type Vector = NDArray[np.float64]


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def to_position(
    kind: int,
    origin: Vector,
    scale: Vector,
    coefficients: Vector,
    rows: NDArray[np.float64],
    coordinates: Vector,
    position: Vector,
) -> None:
    """Write ``origin + F y`` into ``position``; the parameters are fields of `Preconditioned`."""
    size = coordinates.size
    if kind == DENSE:
        for i in range(size):
            total = 0.0
            for j in range(size):
                total += rows[i, j] * coordinates[j]
            position[i] = origin[i] + total
        return
    for i in range(size):
        position[i] = coordinates[i]
    for k in range(coefficients.size):
        total = 0.0
        for i in range(size):
            total += rows[k, i] * coordinates[i]
        total *= coefficients[k]
        for i in range(size):
            position[i] += total * rows[k, i]
    for i in range(size):
        position[i] = origin[i] + scale[i] * position[i]


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def to_gradient(
    kind: int,
    scale: Vector,
    coefficients: Vector,
    rows: NDArray[np.float64],
    gradient: Vector,
    out: Vector,
) -> None:
    """Write ``F^T g`` into ``out``; ``gradient`` is used up."""
    size = gradient.size
    if kind == DENSE:
        for j in range(size):
            out[j] = 0.0
        for i in range(size):
            factor = gradient[i]
            for j in range(size):
                out[j] += factor * rows[i, j]
        return
    for i in range(size):
        gradient[i] *= scale[i]
        out[i] = gradient[i]
    for k in range(coefficients.size):
        total = 0.0
        for i in range(size):
            total += rows[k, i] * gradient[i]
        total *= coefficients[k]
        for i in range(size):
            out[i] += total * rows[k, i]


@inlined
def split_factor(kind: int, size: int, rank: int, numbers: Vector) -> tuple[Vector, Vector, NDArray[np.float64]]:
    """Return scale, coefficients and rows of a factor; a dense one has rows only.

    Parameters
    ----------
    kind : int
        Dense: the rows are ``F``; low rank: ``F = D (1 + U^T diag(c) U)`` with ``D`` the scale, ``c`` the coefficients
        and orthonormal rows ``U``.
    size, rank : int
        Number of elements of a row, and number of rows.
    numbers : array, float64
        All of them, in this order.
    """
    num_scales = size if kind == LOW_RANK else 0
    num_coefficients = rank if kind == LOW_RANK else 0
    begin = num_scales + num_coefficients
    return (
        numbers[:num_scales],
        numbers[num_scales:begin],
        as_rows(numbers[begin:], rank, size),
    )


@once
def _compiled() -> Any:
    """Return the program that evaluates another one in coordinates of its own: compiled once for all models."""
    names = {
        "carray": numba.carray,
        "call_program": call_program,
        "split_factor": split_factor,
        "to_position": to_position,
        "to_gradient": to_gradient,
        "BEGIN": BEGIN,
        "LOCATE": LOCATE,
    }
    return compile_function(_SOURCE, "preconditioned", names)


_SOURCE = """
def PROGRAM(x, context, out, rng, fdata, idata, work):
    numbers = carray(idata, (9,))
    size, kind, rank, is_centred = numbers[4], numbers[5], numbers[6], numbers[8]
    scale, coefficients, rows = split_factor(kind, size, rank, carray(fdata, (numbers[7],)))
    point = carray(work, (3, size))
    words, inputs, outputs = carray(rng, (4,)), carray(x, (size,)), carray(out, (size,))
    if words[0] == BEGIN:
        if is_centred:
            call_program(numbers[:4], inputs, carray(context, (1,)), point[2], words)
        for i in range(size):
            if not is_centred:
                point[2, i] = inputs[i]
            outputs[i] = 0.0
        return 0.0
    if words[0] == LOCATE:
        if not is_centred:
            to_position(kind, point[2], scale, coefficients, rows, inputs, outputs)
            return 0.0
        to_position(kind, point[2], scale, coefficients, rows, inputs, point[0])
        return call_program(numbers[:4], point[0], carray(context, (1,)), outputs, words)
    to_position(kind, point[2], scale, coefficients, rows, inputs, point[0])
    value = call_program(numbers[:4], point[0], carray(context, (1,)), point[1], words)
    to_gradient(kind, scale, coefficients, rows, point[1], outputs)
    return value
"""


class PreconditionedProgram:
    """A bound program seen in coordinates of its own.

    Parameters
    ----------
    row : array, shape (4,), int64
        The bound program.
    size : int
        Number of elements that it moves.
    kind, rank : int
        Of the factor.
    numbers : array, float64
        The factor.
    is_centred : bool
        Whether the program has coordinates of its own, of which these are coordinates.

    Attributes
    ----------
    row : array, shape (4,), int64
        What compiled loops call; this object must stay alive as long.
    """

    def __init__(
        self, row: NDArray[np.int64], size: int, kind: int, rank: int, numbers: Vector, *, is_centred: bool = False
    ):
        function = _compiled()
        integers = np.array([*row, size, kind, rank, numbers.size, is_centred], np.int64)
        work = np.zeros(3 * size)
        self._memory = (function, numbers, integers, work)
        addresses = [function.address, numbers.ctypes.data, integers.ctypes.data, work.ctypes.data]
        self.row = np.array(addresses, np.int64)


class PreconditionedFunction:
    """A log-density in Python seen in coordinates of its own; the parameters are those of `PreconditionedProgram`."""

    def __init__(
        self,
        logdensity: Callable[[Vector, Vector, Vector], float],
        size: int,
        kind: int,
        rank: int,
        numbers: Vector,
        *,
        is_centred: bool = False,
    ):
        self._logdensity: Any = logdensity
        self._is_centred = is_centred
        self._kind = kind
        self._factor = split_factor(kind, size, rank, numbers)
        self._origin, self._position, self._gradient = np.zeros(size), np.empty(size), np.empty(size)

    def __call__(self, coordinates: Vector, context: Vector, gradient: Vector) -> float:
        """Return the log-density and write its gradient, both as functions of the coordinates."""
        to_position(self._kind, self._origin, *self._factor, coordinates, self._position)
        value = self._logdensity(self._position, context, self._gradient)
        to_gradient(self._kind, *self._factor, self._gradient, gradient)
        return value

    def begin(self, position: Vector, context: Vector, coordinates: Vector) -> None:
        """Let the origin be at a position, and write its coordinates."""
        if self._is_centred:
            self._logdensity.begin(position, context, self._origin)
        else:
            self._origin[:] = position
        coordinates[:] = 0.0

    def locate(self, coordinates: Vector, context: Vector, position: Vector) -> float:
        """Write the position of coordinates; return the logarithm of the Jacobian that is not constant."""
        if not self._is_centred:
            to_position(self._kind, self._origin, *self._factor, coordinates, position)
            return 0.0
        to_position(self._kind, self._origin, *self._factor, coordinates, self._position)
        return float(self._logdensity.locate(self._position, context, position))
