"""Sums of weights times probabilities, whatever they are written as: sums along axes, products of arrays, means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.basic import MakeVector
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.einsum import Einsum
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.log_scale.arithmetic import is_elementwise
from graphs.log_scale.polynomials import ONE
from graphs.log_scale.quotients import Quotient, Quotients, added_up
from graphs.surgery.rebuilding import opened

_LARGEST = 20_000
"""Products of arrays are written out up to this many numbers, an exponential each."""
_ROUNDING = 1e-12
"""By how much weights that add up to one miss it."""


@dataclass(frozen=True)
class Weighted:
    """``sum(weights * parts)`` along axes, with weights that add up to one, but for what is lost."""

    weights: TensorVariable
    parts: TensorVariable
    axes: tuple[int, ...]
    lost: np.ndarray


def as_sum(x: Variable, signs: Signs) -> TensorVariable | None:
    """Return a product of arrays, or a mean, as sums along axes; None for what is neither, or large.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> as_sum(pt.mean(pt.vector("p", shape=(4,))), Signs({})).owner.op
    Sum(scalar_op=add,axis=None,dtype=float64,acc_dtype=float64,upcast_discrete_output=True)
    """
    node = x.owner
    if node is None:
        return None
    if is_elementwise(x, ps.TrueDiv, ps.Mul):
        return _as_scaled_sum(x, signs)
    if isinstance(node.op, Einsum):
        [inner] = opened(node.op.inner_outputs, dict(zip(node.op.inner_inputs, node.inputs, strict=True)))
        return pt.as_tensor(inner)
    if not isinstance(node.op, Dot) and not (isinstance(node.op, Blockwise) and isinstance(node.op.core_op, Dot)):
        return None
    a, b = map(pt.as_tensor, node.inputs)
    if a.type.ndim == 0 or b.type.ndim == 0 or _size(a, b) > _LARGEST:
        return None
    if b.type.ndim == 1:
        return pt.sum(a * b, axis=-1)
    return pt.sum(pt.expand_dims(a, -1) * pt.expand_dims(b, -3), axis=-2)


def _as_scaled_sum(x: Variable, signs: Signs) -> TensorVariable | None:
    """Take a number that a sum is multiplied with, or divided by, into the sum."""
    inputs = x.owner.inputs
    totals = [i for i in inputs if i.owner is not None and isinstance(i.owner.op, Sum)]
    numbers = [signs.known(i) for i in inputs if i not in totals]
    if len(totals) != 1 or len(inputs) != 2 or numbers[0] is None or numbers[0].size != 1:
        return None
    is_quotient = is_elementwise(x, ps.TrueDiv)
    number = float(numbers[0].flat[0])
    if number <= 0 or (is_quotient and totals[0] is not inputs[0]):
        return None
    [array], op = totals[0].owner.inputs, cast(Any, totals[0].owner.op)
    return op(pt.as_tensor(array) * pt.constant(1.0 / number if is_quotient else number))


def _size(a: TensorVariable, b: TensorVariable) -> float:
    """Return how many numbers a product of arrays multiplies, infinitely many where that is not known."""
    shapes = [*a.type.shape, *b.type.shape[-1:]]
    return prod(np.inf if length is None else length for length in shapes)


def as_weighted(node: Apply, signs: Signs, quotients: Quotients) -> Weighted | None:
    """Return a sum as one of weights that add up to at most one; None where no such weights are found."""
    [array], op = node.inputs, cast(Any, node.op)
    axes = tuple(range(array.type.ndim)) if op.axis is None else tuple(op.axis)
    factors = list(array.owner.inputs) if is_elementwise(array, ps.Mul) else [array]
    for place, factor in enumerate(factors):
        others = factors[:place] + factors[place + 1 :]
        if others and len(axes) == 1 and _is_simplex(factor, axes[0], signs, quotients):
            return Weighted(pt.as_tensor(factor), _product(others), axes, np.zeros(()))
    known = [value for factor in factors if (value := signs.known(factor)) is not None]
    others = [factor for factor in factors if signs.known(factor) is None]
    if not known or not others or any(array.type.shape[axis] is None for axis in axes):
        return None
    weights = np.prod(np.broadcast_arrays(*known), axis=0) if len(known) > 1 else known[0]
    lengths = [n if axis in axes else 1 for axis, n in enumerate(array.type.shape)]
    lost = 1.0 - np.sum(weights * np.ones(lengths), axis=axes)
    if np.any(weights < 0) or np.any(lost < -_ROUNDING):
        return None
    return Weighted(pt.constant(weights), _product(others), axes, np.where(lost < _ROUNDING, 0.0, lost))


def _product(factors: Sequence[Variable]) -> TensorVariable:
    return pt.mul(*factors) if len(factors) > 1 else pt.as_tensor(factors[0])


def _is_simplex(x: Variable, axis: int, signs: Signs, quotients: Quotients) -> bool:
    """Whether elements along an axis are not negative and add up to one."""
    if not signs.of(x).is_non_negative:
        return False
    if signs.simplex_axis(x) == axis:
        return True
    while x.owner is not None and isinstance(x.owner.op, DimShuffle) and x.owner.op.new_order[axis] != "x":
        x, axis = x.owner.inputs[0], x.owner.op.new_order[axis]
    if x.owner is None or not isinstance(x.owner.op, MakeVector):
        return False
    return added_up([quotients.of(part) for part in x.owner.inputs]) == Quotient(ONE, ONE)
