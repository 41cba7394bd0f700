"""Shares in a total, ``exp(x) / sum(exp(x))`` and ``exp(x) / (1 + exp(x))``, which are infinite over infinite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
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

from graphs.log_scale.arithmetic import added, is_elementwise, negative, scaled
from graphs.log_scale.polynomials import ONE, Monomial
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
    total, to_total = _unmoved(total)
    if total.owner is None or not isinstance(total.owner.op, kind):
        return None
    [array], op = total.owner.inputs, cast(Any, total.owner.op)
    axes = tuple(range(array.type.ndim)) if op.axis is None else tuple(op.axis)
    if len(axes) != 1:
        return None
    index = _index_of(quotients, part, array)
    if index is not None:
        return Share(array, axes[0], index)
    bare, to_part = _unmoved(part)
    if quotients.are_same(part, array):
        bare, to_part = part, []
    elif not quotients.are_same(bare, array):
        return None
    left = _order([axis for axis in range(array.type.ndim) if axis not in axes], to_total)
    kept = _order(list(range(array.type.ndim)), to_part)
    if left != ["x" if axis in axes else axis for axis in kept]:
        return None
    return Share(array, axes[0], (lambda whole: reduce(lambda x, move: move(x), to_part, whole)) if to_part else None)


def _unmoved(x: Variable) -> tuple[Variable, list[DimShuffle]]:
    """Return that whose axes are moved, and how they are."""
    moves: list[DimShuffle] = []
    while x.owner is not None and isinstance(x.owner.op, DimShuffle):
        moves.insert(0, x.owner.op)
        x = x.owner.inputs[0]
    return x, moves


def _order(axes: list[Any], moves: Sequence[DimShuffle]) -> list[Any]:
    """Return which axes stand where after moves, "x" where there was none."""
    for move in moves:
        axes = ["x" if axis == "x" else axes[axis] for axis in move.new_order]
    return axes


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
    return _as_share(quotients, x) if is_elementwise(x, ps.TrueDiv, ps.Reciprocal) else None


def _as_share(quotients: Quotients, x: TensorVariable) -> TensorVariable | None:
    """Return one over one and products of exponentials."""
    quotient = quotients.of(x)
    odds = {monomial: number for monomial, number in quotient.below.items() if monomial}
    if quotient.above != ONE or quotient.below.get(()) != 1.0 or not odds:
        return None
    log_odds = [_log_odds(quotients, monomial, number) for monomial, number in odds.items()]
    known = [each for each in log_odds if each is not None]
    if len(known) < len(log_odds):
        return None
    if len(known) == 1:
        chance = pt.sigmoid(negative(known[0]))
    else:
        rest = pt.stack(pt.broadcast_arrays(*known), axis=-1)
        chance = pt.special.softmax(pt.concatenate([pt.zeros_like(rest[..., :1]), rest], axis=-1), axis=-1)[..., 0]
    return chance if chance.type.broadcastable == x.type.broadcastable else None


def _log_odds(quotients: Quotients, monomial: Monomial, number: float) -> TensorVariable | None:
    """Return the logarithm of a product of exponentials; None of other products."""
    factors = [quotients.factors[factor] for factor, _ in monomial]
    if number < 0 or not all(is_elementwise(factor, ps.Exp) for factor in factors):
        return None
    exponents = [factor.owner.inputs[0] for factor in factors]
    terms = [scaled(exponent, power) for exponent, (_, power) in zip(exponents, monomial, strict=True)]
    return pt.as_tensor(added([*terms, log(number)]))
