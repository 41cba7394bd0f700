"""Recursions along sequences: what elements below say of one, and elements from those before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.centring.families import Located
from graphs.roots import reciprocal_sqrt


def from_below(
    share: TensorVariable,
    floor: TensorVariable,
    pull: TensorVariable,
    location: TensorVariable,
    scale: TensorVariable,
    ratio: TensorVariable,
) -> tuple[TensorVariable, TensorVariable]:
    """Return share and pull of each element with what is observed of those after it, as information filters have it.

    Parameters
    ----------
    share, floor, pull : TensorVariable
        Shape (n, ...): what is observed of each element, as in `graphs.centring.partial`; steps are along the first
        axis, sequences that have nothing to do with each other along others.
    location, scale, ratio : TensorVariable
        The same shape: of its distribution given the element before.
    """

    def step(share: Any, floor: Any, pull: Any, *known: Any) -> list[Any]:
        """Take what is known of the next element up to one."""
        location, variance, below, ratio, next_share, next_pull = known
        square = below + next_share * variance
        return [
            share + floor * ratio**2 * next_share / square,
            pull + floor * ratio * (next_pull - next_share * location) / square,
        ]

    parts = [share[:-1], floor[:-1], pull[:-1], location[1:], scale[1:] ** 2, floor[1:], ratio[1:]]
    shares, pulls = pytensor.scan(
        step, [part[::-1] for part in parts], [share[-1], pull[-1]], strict=True, return_updates=False
    )
    joined = [pt.concatenate([found[::-1], last[-1:]]) for found, last in ((shares, share), (pulls, pull))]
    return joined[0], joined[1]


def recursion(factors: TensorVariable, terms: TensorVariable) -> TensorVariable:
    """Return the sequence of which each element is a factor times the one before plus a term; the first is its term."""
    following = pytensor.scan(
        lambda factor, term, last: factor * last + term, [factors[1:], terms[1:]], [terms[0]], return_updates=False
    )
    return pt.concatenate([terms[:1], following])


def of_coordinates(
    coordinate: TensorVariable, one: Located, rows: NDArray[np.int64], *data: TensorVariable
) -> tuple[TensorVariable, TensorVariable]:
    """Return the values of sequences as a graph of coordinates, and the log-Jacobian, element by element.

    Parameters
    ----------
    coordinate : TensorVariable
        Of the shape of the variable.
    one : Located
        Location, scale and ratio at the values of others.
    rows : array, shape (m, n), int64
        Which elements follow on each other, one sequence a row.
    *data : TensorVariable
        Shape (k,): share, floor and pull, one sequence after the other.
    """
    shape = coordinate.type.shape
    location, scale, ratio = (in_steps(pt.broadcast_to(graph, shape), rows) for graph in one.graphs)
    in_turn = np.arange(rows.size).reshape(rows.shape)
    share, floor, pull = (in_steps(v, in_turn) for v in data)
    share, pull = from_below(share, floor, pull, location, scale, ratio)
    inverse = reciprocal_sqrt(floor + share * scale**2)
    remains, slope = floor * inverse**2, scale * inverse
    middle = remains * location + slope**2 * pull + slope * in_steps(coordinate, rows)
    return out_of_steps(recursion(remains * ratio, middle), rows, shape), pt.log(slope)


def in_steps(graph: TensorVariable, rows: NDArray[np.int64]) -> TensorVariable:
    """Return elements of an array with steps along the first axis, and where there are several sequences these.

    Parameters
    ----------
    graph : TensorVariable
        The array.
    rows : array, shape (m, n), int64
        Which elements, in C order, follow on each other.
    """
    flat = graph.ravel()
    if not _are_in_order(rows):
        flat = flat[rows.ravel()]
    return flat if len(rows) == 1 else flat.reshape(rows.shape).T


def out_of_steps(graph: TensorVariable, rows: NDArray[np.int64], shape: tuple[int, ...]) -> TensorVariable:
    """Return the array of which `in_steps` returns this."""
    flat = graph.T.ravel()
    if not _are_in_order(rows):
        flat = flat[np.argsort(rows.ravel())]
    return flat.reshape(shape)


def _are_in_order(rows: NDArray[np.int64]) -> bool:
    return bool((rows.ravel() == np.arange(rows.size)).all())
