"""Shares in a total, ``exp(x) / sum(exp(x))`` and ``exp(x) / (1 + exp(x))``, which are infinite over infinite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, cast

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.basic import MakeVector
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Sum
from pytensor.tensor.special import LogSumExp
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.log_scale.functions import added, is_elementwise, negative, scaled
from graphs.log_scale.polynomials import ONE
from graphs.log_scale.quotients import Quotients

type Index = Callable[[TensorVariable], TensorVariable]


@dataclass(frozen=True)
class Share:
    """An array over its sum along an axis, or an element of that."""

    array: Variable
    axis: int
    index: Index | None

    def of(self, function: Callable[..., TensorVariable], array: TensorVariable) -> TensorVariable:
        """Return a function of all shares, indexed as these are."""
        whole = function(array, axis=self.axis)
        return whole if self.index is None else self.index(whole)


def find_share(quotients: Quotients, part: Variable, total: Variable, kind: type = Sum) -> Share | None:
    """Return the array whose share a part is in a total, the outcome of a reduction; None where it is none."""
    moves = []
    while total.owner is not None and isinstance(total.owner.op, DimShuffle):
        moves.append(total.owner.op.new_order)
        total = total.owner.inputs[0]
    if total.owner is None or not isinstance(total.owner.op, kind):
        return None
    [array], op = total.owner.inputs, cast(Any, total.owner.op)
    axes = tuple(range(array.type.ndim)) if op.axis is None else tuple(op.axis)
    if len(axes) != 1:
        return None
    index = _index_of(quotients, part, array)
    if index is not None:
        return Share(array, axes[0], index)
    order: list[Any] = [axis for axis in range(array.type.ndim) if axis not in axes]
    for move in reversed(moves):
        order = ["x" if axis == "x" else order[axis] for axis in move]
    kept = ["x" if axis in axes else axis for axis in range(array.type.ndim)]
    return Share(array, axes[0], None) if order == kept and quotients.are_same(part, array) else None


def _index_of(quotients: Quotients, part: Variable, array: Variable) -> Index | None:
    """Return what takes the part from a vector, maybe before the exponentials of both."""
    if array.type.ndim != 1:
        return None
    if is_elementwise(part, ps.Exp) and is_elementwise(array, ps.Exp):
        part, array = part.owner.inputs[0], array.owner.inputs[0]
    node = part.owner
    if node is not None and isinstance(node.op, Subtensor | AdvancedSubtensor):
        op, indices = node.op, node.inputs[1:]
        return (lambda whole: op(whole, *indices)) if quotients.are_same(node.inputs[0], array) else None
    if array.owner is not None and isinstance(array.owner.op, MakeVector):
        places = [k for k, element in enumerate(array.owner.inputs) if quotients.are_same(element, part)]
        return (lambda whole: whole[places[0]]) if places else None
    return None


def as_chance(quotients: Quotients, x: TensorVariable) -> TensorVariable | None:
    """Return a share of exponentials as a sigmoid or softmax; None for what is none.

    Examples
    --------
    >>> x = pt.dvector("x")
    >>> as_chance(Quotients(), pt.exp(x) / pt.exp(x).sum()).owner.op
    Softmax(axis=(0,))
    """
    if is_elementwise(x, ps.Exp) and is_elementwise(x.owner.inputs[0], ps.Sub):
        part, total = x.owner.inputs[0].owner.inputs
        share = find_share(quotients, part, total, LogSumExp)
        return None if share is None else share.of(pt.special.softmax, pt.as_tensor(share.array))
    if is_elementwise(x, ps.TrueDiv):
        share = find_share(quotients, *x.owner.inputs)
        if share is not None and is_elementwise(share.array, ps.Exp):
            return share.of(pt.special.softmax, pt.as_tensor(share.array.owner.inputs[0]))
    return _as_sigmoid(quotients, x) if is_elementwise(x, ps.TrueDiv, ps.Reciprocal) else None


def _as_sigmoid(quotients: Quotients, x: TensorVariable) -> TensorVariable | None:
    quotient = quotients.of(x)
    odds = [(monomial, number) for monomial, number in quotient.below.items() if monomial]
    if quotient.above != ONE or quotient.below.get(()) != 1.0 or len(odds) != 1:
        return None
    [(monomial, number)] = odds
    factors = [quotients.factors[factor] for factor, _ in monomial]
    if number < 0 or not all(is_elementwise(factor, ps.Exp) for factor in factors):
        return None
    exponents = [factor.owner.inputs[0] for factor in factors]
    log_odds = [scaled(exponent, power) for exponent, (_, power) in zip(exponents, monomial, strict=True)]
    chance = pt.sigmoid(negative(pt.as_tensor(added([*log_odds, log(number)]))))
    return chance if chance.type.broadcastable == x.type.broadcastable else None
