"""The map between positions and coordinates, along the elements that have some; compiled wherever it is called from."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit

type Vector = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def to_coordinates(
    elements: NDArray[np.int64], share: Vector, floor: Vector, pull: Vector, known: Vector, out: Vector
) -> None:
    """Turn positions into coordinates.

    Parameters
    ----------
    elements, share, floor, pull
        As in `CoordinateMap` and `samplers.chain.metric.Centring`; those whose share is one stay as they are.
    known : array, shape (4 * k,), float64
        Locations, scales, scores and ratios.
    out : array, shape (d,), float64
        Positions; overwritten.
    """
    count = elements.size
    # From the last to the first: what an element is told by those after it, and positions of those before it.
    below, told = 0.0, 0.0
    for j in range(count - 1, -1, -1):
        i, location, scale, ratio = elements[j], known[j], known[count + j], known[3 * count + j]
        own, pulled = share[j] + floor[j] * below, pull[j] + floor[j] * told
        if ratio != 0.0:
            location += ratio * out[elements[j - 1]]
        square = floor[j] + own * scale * scale
        if share[j] != 1.0:
            factor = scale / sqrt(square)
            out[i] = (out[i] - location) / factor - factor * (pulled - own * location)
        below, told = ratio * ratio * own / square, ratio * (pulled - own * known[j]) / square


@njit(cache=True, error_model="numpy")
def to_positions(
    elements: NDArray[np.int64],
    levels: NDArray[np.int64],
    level: int,
    share: Vector,
    floor: Vector,
    pull: Vector,
    known: Vector,
    work: Vector,
    out: Vector,
) -> float:
    """Turn the coordinates of one level into positions, and return the logarithm of the Jacobian of that."""
    count = elements.size
    total, below, told = 0.0, 0.0, 0.0
    for j in range(count - 1, -1, -1):
        scale, ratio = known[count + j], known[3 * count + j]
        work[j], work[count + j] = share[j] + floor[j] * below, pull[j] + floor[j] * told
        square = floor[j] + work[j] * scale * scale
        below, told = ratio * ratio * work[j] / square, ratio * (work[count + j] - work[j] * known[j]) / square
    for j in range(count):
        if levels[j] == level and share[j] != 1.0:
            i, location, scale, ratio = elements[j], known[j], known[count + j], known[3 * count + j]
            if ratio != 0.0:
                location += ratio * out[elements[j - 1]]
            factor = scale / sqrt(floor[j] + work[j] * scale * scale)
            out[i] = location + factor * (factor * (work[count + j] - work[j] * location) + out[i])
            total += log(factor)
    return total
