"""The laws of transforms: forward undoes backward, and the log-Jacobian is that of autodiff or of differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

from graphs.centring import PartialCentring
from graphs.density import LogDensity
from graphs.surgery.interpreting import INTERPRETED, interpret, without_c
from graphs.variables.transforms import constrain, log_jacobian


def assert_is_transform(rv: Any, transform: Any, given: NDArray[np.float64]) -> None:
    """Assert the law of the transform of a random variable, and that its image is possible.

    Parameters
    ----------
    rv : TensorVariable
        The variable.
    transform : Transform
        From its support to the real line.
    given : (n,) float64 array
        A point of the real line.
    """
    inputs = rv.owner.inputs
    value = pt.tensor("v", dtype="float64", shape=given.shape)
    natural = constrain(transform, value, inputs)
    there, back = interpret([value], [natural, transform.forward(natural, *inputs)])(given)
    np.testing.assert_allclose(back, given, atol=1e-10)
    assert np.isfinite(pm.logp(rv, there).eval(mode=INTERPRETED)).all()
    jacobian, _ = log_jacobian(transform, value, inputs, None)
    # A simplex has one coordinate less than elements.
    square = pytensor.gradient.jacobian(natural[: given.size], value)
    with without_c():  # PyTensor's Jacobian is a loop
        found, matrix = interpret([value], [pt.sum(jacobian), square])(given)
    np.testing.assert_allclose(found, np.linalg.slogdet(matrix)[1], atol=1e-9)


def positions_of(centring: PartialCentring, at: Mapping[Any, NDArray[np.float64]]) -> dict[Any, NDArray[np.float64]]:
    """Return the values that partially centred coordinates stand for, by the formula in the plainest form.

    Parameters
    ----------
    centring : PartialCentring
        In which the coordinates are.
    at : mapping of TensorVariable to array
        Coordinates, the other values, and the data of the coordinates.
    """
    share, floor, pull = (at[v] for v in centring.data)
    scale = np.sqrt(np.divide(floor, 1.0 - share, out=np.ones_like(share), where=share < 1.0))
    values = {v: given for v, given in at.items() if v not in centring.coordinates.values()}
    # Those of which the location is known come first.
    values |= dict.fromkeys(centring.values, np.nan)
    first = 0
    for value, one, size in zip(centring.values, centring.located, centring.sizes, strict=True):
        part, shape = slice(first, first + size), value.type.shape
        known = {v: np.full(v.type.shape, given) if np.ndim(given) == 0 else given for v, given in values.items()}
        location, sigma = (np.broadcast_to(g, shape).ravel() for g in interpreted([one.location, one.scale], known))
        lam, s, h, z = share[part], scale[part], pull[part], at[centring.coordinates[value]].ravel()
        k = (sigma / s) / np.sqrt(1.0 - lam + lam * (sigma / s) ** 2)
        values[value] = (location + k**2 * (h - lam * location) + k * z).reshape(shape)
        first += size
    return {v: given for v, given in values.items() if v not in centring.data}


def assert_is_centring(plain: LogDensity, centring: PartialCentring, at: Mapping[Any, NDArray[np.float64]]) -> None:
    """Assert that the density in coordinates is that of the values they stand for, times the Jacobian of differences.

    Parameters
    ----------
    plain : LogDensity
        Of values.
    centring : PartialCentring
        In partially centred coordinates.
    at : mapping of TensorVariable to array
        As in `positions_of`.
    """
    own = list(centring.coordinates.values())
    flat = np.concatenate([at[v].ravel() for v in own])

    def positions(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.split(coordinates, np.cumsum(centring.sizes)[:-1])
        given = {v: part.reshape(v.type.shape) for v, part in zip(own, parts, strict=True)}
        there = positions_of(centring, {**at, **given})
        return np.concatenate([there[v].ravel() for v in centring.values])

    step = 1e-4
    columns = [(positions(flat + step * e) - positions(flat - step * e)) / (2 * step) for e in np.eye(flat.size)]
    _, log_determinant = np.linalg.slogdet(np.array(columns))
    [expected] = interpreted([plain.total], positions_of(centring, at))
    [found] = interpreted([centring.logdensity.total], at)
    np.testing.assert_allclose(found, expected + log_determinant, rtol=1e-8, atol=1e-8)


def interpreted(graphs: Sequence[Any], at: Mapping[Any, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return the values of graphs."""
    found: list[NDArray[np.float64]] = interpret(list(at), list(graphs))(*at.values())
    return found
