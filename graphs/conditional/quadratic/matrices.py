"""The law of positive definite matrices, from the gradient of a log-density at a small and at a large one.

As a function of a positive definite matrix X the log-densities of Wishart and inverse Wishart laws are
``a log|X| - tr(B X)`` and ``a log|X| - tr(C X^-1)``. Their gradients at ``s P``, P being some definite matrix, are
``a/s P^-1 - B`` and ``a/s P^-1 + P^-1 C P^-1 / s^2``: two sizes s give the coefficients, whatever the graph is made of,
factors, inverses, determinants or quadratic forms. A small size and a large one lose no digits: one term is far larger
than the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.expansion import Obstacle, ObstacleKind
from graphs.conditional.expanding.simplify import simplify, with_data_folded
from graphs.conditional.families.wishart import InverseWishart, Wishart, diagonal
from graphs.conditional.law import Law
from graphs.conditional.points import finite_values
from graphs.conditional.verify import find_discrepancy
from graphs.supports import Support
from graphs.surgery.rebuilding import substitute

_SMALL, _LARGE = 2.0**-20, 2.0**20
_NUM_POINTS = 4


def matrix_law(total: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]) -> Law | Obstacle:
    """Return the law of positive definite matrices given the rest.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        The matrices, of static shape (..., d, d).
    supports : mapping of Variable to Support
        Supports of the variables.
    """
    if None in x.type.shape:
        return Obstacle("the number of rows of its matrices is not known")
    gradient = pytensor.grad(total, x, disconnected_inputs="ignore")
    at_small, at_large = (_at_size(gradient, x, size) for size in (_SMALL, _LARGE))
    forms: tuple[Callable[[], Law], ...] = (
        lambda: _wishart(at_small, at_large, x, supports),
        lambda: _inverse_wishart(at_small, at_large, x, supports),
    )
    improper = None
    for form in forms:
        law = form()
        discrepancy = find_discrepancy(total, law, supports)
        if discrepancy is None:
            return law
        if discrepancy.kind in (ObstacleKind.IMPROPER, ObstacleKind.SEEMS_IMPROPER):
            improper = discrepancy
    of_neither = "as a function of a positive definite matrix it is of neither form, Wishart nor inverse"
    return improper or Obstacle(of_neither)


def _wishart(
    at_small: TensorVariable, at_large: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]
) -> Law:
    length = int(x.type.shape[-1])
    point = _point(length)
    power = _trace(point @ (at_small - at_large)) / (length * (1.0 / _SMALL - 1.0 / _LARGE))
    power = _constant_if_free(power, supports)
    linear = (power / _LARGE)[..., None, None] * np.linalg.inv(point) - at_large
    return _law(Wishart, x, 2.0 * power + length + 1.0, ("inverse_scale", 2.0 * linear))


def _inverse_wishart(
    at_small: TensorVariable, at_large: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]
) -> Law:
    length = int(x.type.shape[-1])
    point = _point(length)
    power = _trace(point @ (_LARGE**2 * at_large - _SMALL**2 * at_small)) / (length * (_LARGE - _SMALL))
    power = _constant_if_free(power, supports)
    inverse = _SMALL**2 * (point @ at_small @ point) - (power * _SMALL)[..., None, None] * point
    return _law(InverseWishart, x, -2.0 * power - length - 1.0, ("scale", 2.0 * inverse))


def _law(family: type[Law], x: TensorVariable, degrees: TensorVariable, matrix: tuple[str, TensorVariable]) -> Law:
    name, value = matrix
    shape = tuple(int(n) for n in x.type.shape)
    parameters = simplify([pt.broadcast_to(degrees, shape[:-2]), pt.broadcast_to(value, shape)])
    return family(x, dict(zip(("degrees_of_freedom", name), parameters, strict=True)))


def _at_size(gradient: TensorVariable, x: TensorVariable, size: float) -> TensorVariable:
    """Return the symmetric part of a gradient at a multiple of a matrix."""
    matrices = np.broadcast_to(size * _point(int(x.type.shape[-1])), x.type.shape)
    [value] = substitute([gradient], {x: pt.constant(np.array(matrices), dtype=x.type.dtype)})
    value = pt.as_tensor(value)
    [symmetric] = with_data_folded([0.5 * (value + value.mT)])
    return symmetric


def _constant_if_free(power: TensorVariable, supports: Mapping[Variable, Support]) -> TensorVariable:
    """Return numbers in place of a graph that has the same value everywhere, up to rounding."""
    values = finite_values([power], supports, np.random.default_rng(20261124), 3 * _NUM_POINTS)
    found = [np.asarray(value, dtype="float64") for [value] in islice(values, _NUM_POINTS)]
    if len(found) < _NUM_POINTS:
        return power
    all_found = np.stack(found)
    if (np.ptp(all_found, axis=0) > 1e-9 * (1.0 + np.abs(all_found[0]))).any():
        return power
    halves = 0.5 * np.round(2.0 * all_found[0])
    constant: TensorVariable = pt.constant(np.where(np.abs(halves - all_found[0]) < 1e-7, halves, all_found[0]))
    return constant


def _trace(matrix: TensorVariable) -> TensorVariable:
    total: TensorVariable = diagonal(matrix).sum(axis=-1)
    return total


def _point(length: int) -> NDArray[np.float64]:
    """Return a well-conditioned matrix that is not diagonal: rewrites for diagonal ones could go astray."""
    return np.eye(length) + 0.5 / length
