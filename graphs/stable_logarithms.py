"""Logarithms of functions that reach zero, or come too near one, before their argument is large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, sqrt

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.tensor.basic import Alloc, Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.masked_slopes import MaskedSlope
from graphs.tails.functions import log1mexp, log_distinct, log_normal_lower
from graphs.tails.ops import log_betainc, log_betaincc, log_gammainc, log_gammaincc


def log_erfc(x: TensorVariable) -> TensorVariable:
    """Return ``log(erfc(x))``."""
    return log(2.0) + log_normal_lower(-sqrt(2.0) * x)


def log_erf(x: TensorVariable) -> TensorVariable:
    """Return ``log(erf(x))``, for x not below zero."""
    is_large = pt.gt(x, 0.5)
    return pt.switch(is_large, pt.log1p(-pt.erfc(pt.maximum(x, 0.5))), pt.log(pt.erf(pt.minimum(x, 0.5))))


def _of_distance(x: TensorVariable) -> TensorVariable:
    """Return ``log(1 - exp(x))``."""
    rate = x.owner.inputs[0] if _is_elementwise(x, ps.Neg) else None
    return log_distinct(rate.owner.inputs[0]) if rate is not None and _is_elementwise(rate, ps.Exp) else log1mexp(x)


_ARRANGEMENTS = (Alloc, AdvancedSubtensor, DimShuffle, Join, MakeVector, Reshape, SpecifyShape, Subtensor)
"""Operations whose outcomes have elements of their inputs, as they are."""


_LOGARITHMS: dict[type, tuple[Callable[..., TensorVariable], Callable[..., TensorVariable]]] = {
    psm.Sigmoid: (lambda x: -pt.softplus(-x), lambda x: -pt.softplus(x)),
    psm.Erfc: (log_erfc, log_erf),
    psm.GammaInc: (log_gammainc, log_gammaincc),
    psm.GammaIncC: (log_gammaincc, log_gammainc),
    psm.BetaInc: (log_betainc, log_betaincc),
    ps.Exp: (lambda x: x, _of_distance),
}
"""The logarithms of a function and of one minus it."""


def logarithm(x: Variable) -> TensorVariable | None:
    """Return ``log(x)`` in a form that holds for all arguments; None where none is known.

    Parameters
    ----------
    x : Variable
        A probability, or another number that is positive.

    Examples
    --------
    >>> x = pt.dscalar("x")
    >>> round(float(logarithm(1 + pt.erf(x)).eval({x: -30.0})), 4)
    -903.9741
    """
    node = x.owner
    if node is None:
        return None
    if _is_arrangement(node):
        return _arranged(node, logarithm, MaskedSlope(ps.log))
    if isinstance(node.op, Softmax):
        return pt.special.log_softmax(node.inputs[0], axis=node.op.axis)
    if not isinstance(node.op, Elemwise):
        return None
    kind = type(node.op.scalar_op)
    if kind in _LOGARITHMS:
        return _LOGARITHMS[kind][0](*node.inputs)
    if kind is ps.Mul:
        return _of_product(node)
    if kind is ps.TrueDiv:
        factor = number_of(node.inputs[1])
        inner = logarithm(node.inputs[0])
        return inner - log(factor) if inner is not None and factor is not None and factor > 0 else None
    if kind is ps.Sub:
        return _of_sum(node.inputs[0], node.inputs[1], -1.0)
    if kind is ps.Add and len(node.inputs) == 2:
        first, second = node.inputs
        return _of_sum(first, second, 1.0) if number_of(first) is not None else _of_sum(second, first, 1.0)
    return None


def complement(p: Variable) -> TensorVariable | None:
    """Return ``log(1 - p)`` in a form that holds for all arguments; None where none is known."""
    node = p.owner
    if node is None:
        return None
    if _is_arrangement(node):
        return _arranged(node, complement, lambda part: MaskedSlope(ps.log1p)(-part))
    if not isinstance(node.op, Elemwise):
        return None
    kind = type(node.op.scalar_op)
    if kind in _LOGARITHMS:
        return _LOGARITHMS[kind][1](*node.inputs)
    if kind is ps.Sub and number_of(node.inputs[0]) == 1.0:
        return logarithm(node.inputs[1])
    return None


def _arranged(
    node: Apply,
    stable: Callable[[Variable], TensorVariable | None],
    plain: Callable[[TensorVariable], TensorVariable],
) -> TensorVariable | None:
    """Return the same arrangement of logarithms; None where no part has a stable one.

    A part that is not selected may be zero: the infinite slope of its logarithm counts nothing.
    """
    places = _parts(node)
    found = {place: stable(node.inputs[place]) for place in places}
    if all(logarithm_of_part is None for logarithm_of_part in found.values()):
        return None
    parts = {place: plain(pt.as_tensor(node.inputs[place])) if part is None else part for place, part in found.items()}
    new: TensorVariable = _remade(node.op, [parts.get(place, i) for place, i in enumerate(node.inputs)])
    return new


def _parts(node: Apply) -> list[int]:
    """Return the places of the inputs of which every element of an outcome is one."""
    if isinstance(node.op, Join | MakeVector):
        return list(range(len(node.inputs)))
    return [1, 2] if _is_elementwise(node.outputs[0], ps.Switch) else [0]


def _is_arrangement(node: Apply) -> bool:
    """Whether every element of an outcome is one of an input."""
    out = node.outputs[0]
    return isinstance(node.op, _ARRANGEMENTS) or _is_elementwise(out, ps.Switch) or _is_elementwise(out, ps.Identity)


def _remade(op: Op, inputs: Sequence[Variable]) -> TensorVariable:
    return pt.stack(list(inputs)) if isinstance(op, MakeVector) else op(*inputs)


def logarithm_of_one_plus(x: Variable) -> TensorVariable | None:
    """Return ``log(1 + x)`` in a form that holds for all arguments; None where none is known."""
    return _of_sum(1.0, x, 1.0)


def number_of(variable: Variable | float) -> float | None:
    """Return the number of which every element of a constant is."""
    while isinstance(variable, Variable) and variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    if isinstance(variable, float):
        return variable
    if not isinstance(variable, Constant) or np.size(variable.data) == 0:
        return None
    data = np.asarray(variable.data)
    return float(data.flat[0]) if np.all(data == data.flat[0]) else None


def _of_product(node: Apply) -> TensorVariable | None:
    """Take positive numbers out of a product."""
    numbers = [number_of(i) for i in node.inputs]
    rest = [i for i, number in zip(node.inputs, numbers, strict=True) if number is None]
    factor = np.prod([number for number in numbers if number is not None])
    if len(rest) != 1 or factor <= 0:
        return None
    inner = logarithm(rest[0])
    return None if inner is None else inner + float(np.log(factor))


def _of_sum(number: Variable | float, other: Variable, sign: float) -> TensorVariable | None:
    """Return the logarithm of a number plus or minus a function that may reach it."""
    whole = number_of(number)
    if whole is None or whole <= 0:
        return None
    factor, inner = _scaled(other)
    share = sign * factor / whole
    if abs(share) == 1.0 and _is_elementwise(inner, psm.Erf):
        return log(whole) + log_erfc(-share * inner.owner.inputs[0])
    if share == -0.5 and _is_elementwise(inner, psm.Erfc):
        return log(whole / 2.0) + log_erfc(-inner.owner.inputs[0])
    if share == 1.0 and _is_elementwise(inner, ps.Exp):
        return log(whole) + pt.softplus(inner.owner.inputs[0])
    found = complement(inner) if share == -1.0 else None
    return None if found is None else found + log(whole)


def _scaled(variable: Variable) -> tuple[float, Variable]:
    """Return a number and the rest of a product."""
    if _is_elementwise(variable, ps.Neg):
        factor, inner = _scaled(variable.owner.inputs[0])
        return -factor, inner
    if _is_elementwise(variable, ps.Mul) and len(variable.owner.inputs) == 2:
        for number, rest in (variable.owner.inputs, variable.owner.inputs[::-1]):
            factor_found = number_of(number)
            if factor_found is not None:
                return factor_found, rest
    return 1.0, variable


def _is_elementwise(variable: Variable, kind: type) -> bool:
    node = variable.owner
    return node is not None and isinstance(node.op, Elemwise) and type(node.op.scalar_op) is kind
