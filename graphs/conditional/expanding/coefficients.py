"""Arithmetic on coefficient graphs that folds numbers as it goes."""

from __future__ import annotations

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.subtensor import AdvancedIncSubtensor, IncSubtensor
from pytensor.tensor.variable import TensorVariable


def number(variable: Variable) -> float | None:
    """Return the number that fills ``variable``, or None where it is not one repeated constant."""
    while variable.owner is not None:
        if isinstance(variable.owner.op, DimShuffle | Alloc):
            variable = variable.owner.inputs[0]
        elif isinstance(variable.owner.op, Elemwise) and isinstance(variable.owner.op.scalar_op, ps.Second):
            variable = variable.owner.inputs[1]
        else:
            return None
    if not isinstance(variable, Constant):
        return None
    data: NDArray = np.asarray(variable.data)
    if data.size == 0 or data.dtype.kind not in "biuf" or not (data == data.flat[0]).all():
        return None
    return float(data.flat[0])


def as_coefficient(variable: TensorVariable) -> TensorVariable:
    """Cast to float64: small integer constants would overflow in the products that follow."""
    value = number(variable)
    if value is not None and set(variable.type.shape) <= {1}:
        return filled(value, variable.type.ndim)
    if variable.type.dtype == "float64":
        return variable
    if isinstance(variable, Constant):
        return pt.constant(np.asarray(variable.data, dtype="float64"))
    return pt.cast(variable, "float64")


def filled(value: float, ndim: int) -> TensorVariable:
    """Return a constant of ``ndim`` axes of length one."""
    return pt.constant(np.full((1,) * ndim, value))


def scale(factor: float, variable: TensorVariable) -> TensorVariable:
    """Multiply by a number, going into sums, products and negations so that signs cancel."""
    if factor == 1:
        return variable
    if factor == 0:
        return filled(0.0, variable.type.ndim)
    value = number(variable)
    if value is not None and set(variable.type.shape) <= {1}:
        return pt.constant(np.full(variable.type.shape, factor * value))
    if isinstance(variable, Constant):
        return pt.constant(factor * np.asarray(variable.data))
    node = variable.owner
    if node is not None and isinstance(node.op, Sum | DimShuffle):
        return node.op(scale(factor, node.inputs[0]))
    if node is not None and isinstance(node.op, IncSubtensor | AdvancedIncSubtensor):
        base, part, *index = node.inputs
        return node.op(scale(factor, base), scale(factor, part), *index)
    if node is not None and isinstance(node.op, Alloc):
        return node.op(scale(factor, node.inputs[0]), *node.inputs[1:])
    scaled = _scale_inside(factor, node) if node is not None and isinstance(node.op, Elemwise) else None
    if scaled is not None:
        return scaled
    return pt.neg(variable) if factor == -1 else pt.mul(filled(factor, variable.type.ndim), variable)


def _scale_inside(factor: float, node: Apply) -> TensorVariable | None:
    inputs = node.inputs
    match node.op.scalar_op:
        case ps.Neg():
            return scale(-factor, inputs[0])
        case ps.Add():
            return pt.add(*(scale(factor, i) for i in inputs))
        case ps.Sub():
            return minus(scale(factor, inputs[0]), scale(factor, inputs[1]))
        case ps.TrueDiv():
            if number(inputs[0]) is not None:
                return pt.true_div(scale(factor, inputs[0]), inputs[1])
        case ps.Mul():
            numbers = [n for n in map(number, inputs) if n is not None]
            others = [i for i in inputs if number(i) is None]
            if numbers and others:
                return scale(factor * float(np.prod(numbers)), pt.mul(*others) if len(others) > 1 else others[0])
    return None


def plus(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``a + b``."""
    if number(a) == 0 and _fits(a, b):
        return b
    if number(b) == 0 and _fits(b, a):
        return a
    if isinstance(a, Constant) and isinstance(b, Constant):
        return pt.constant(np.asarray(a.data) + np.asarray(b.data))
    for value, other in ((a, b), (b, a)):
        node = other.owner
        if node is not None and number(value) is not None and _fits(value, other):
            if isinstance(node.op, Alloc) and number(other) is not None:
                return node.op(pt.constant(float(number(value) or 0.0) + float(number(other) or 0.0)), *node.inputs[1:])
            if _is_accumulation(node):
                base, part, *index = node.inputs
                return node.op(plus(base, value), part, *index)
    return pt.add(a, b)


def _is_accumulation(node: Apply) -> bool:
    return isinstance(node.op, IncSubtensor | AdvancedIncSubtensor) and not node.op.set_instead_of_inc


def minus(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``a - b``."""
    negated = scale(-1.0, b)
    is_negation = negated.owner is not None and negated.owner.inputs[0] is b
    return pt.sub(a, b) if is_negation and number(a) != 0 else plus(a, negated)


def times(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``a * b``."""
    for factor, other in ((a, b), (b, a)):
        value = number(factor)
        if value is not None and _fits(factor, other):
            return scale(value, other)
    if a is b:
        return square(a)
    switch_a, switch_b = _arguments(a, ps.Switch), _arguments(b, ps.Switch)
    if switch_a and switch_b and switch_a[0] is switch_b[0]:
        return chosen(switch_a[0], times(switch_a[1], switch_b[1]), times(switch_a[2], switch_b[2]))
    over_a, under_a = _arguments(a, ps.TrueDiv) or (a, None)
    over_b, under_b = _arguments(b, ps.TrueDiv) or (b, None)
    if under_a is not None and under_b is not None:
        return divide(times(over_a, over_b), times(under_a, under_b))
    under = under_a if under_b is None else under_b
    return pt.mul(a, b) if under is None else divide(times(over_a, over_b), under)


def square(a: TensorVariable) -> TensorVariable:
    """Return ``a ** 2``, going into roots, powers, quotients, products and switches."""
    if under_root := _arguments(a, ps.Sqrt):
        return under_root[0]
    if raised := _arguments(a, ps.Pow):
        exponent = number(raised[1])
        return pt.sqr(a) if exponent is None else power(raised[0], 2.0 * exponent)
    if quotient := _arguments(a, ps.TrueDiv):
        return divide(square(quotient[0]), square(quotient[1]))
    if inverted := _arguments(a, ps.Reciprocal):
        return divide(filled(1.0, a.type.ndim), square(inverted[0]))
    if negated := _arguments(a, ps.Neg):
        return square(negated[0])
    if branches := _arguments(a, ps.Switch):
        return chosen(branches[0], square(branches[1]), square(branches[2]))
    if (factors := _arguments(a, ps.Mul)) and any(number(f) is not None or _arguments(f, ps.Sqrt) for f in factors):
        product = filled(1.0, a.type.ndim)
        for factor in factors:
            product = times(product, square(factor))
        return product
    value = number(a)
    return pt.sqr(a) if value is None else scale(value, a)


def divide(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``a / b``."""
    value = number(b)
    if value:
        return times(a, filled(1.0 / value, a.type.ndim))
    if number(a) == 0 and _fits(a, b):
        return a
    if raised := _arguments(b, ps.Pow):
        exponent = number(raised[1])
        if exponent is not None and exponent < 0:
            return times(a, power(raised[0], -exponent))
    if inverted := _arguments(b, ps.Reciprocal):
        return times(a, inverted[0])
    return pt.true_div(a, b)


def power(a: TensorVariable, exponent: float) -> TensorVariable:
    """Return ``a ** exponent``."""
    value = number(a)
    if exponent == 1 or value == 1:
        return a
    if value is not None and value > 0 and set(a.type.shape) <= {1}:
        return pt.constant(np.full(a.type.shape, value**exponent))
    named = {2.0: square, 0.5: pt.sqrt, -1.0: pt.reciprocal}
    return named[exponent](a) if exponent in named else pt.pow(a, filled(exponent, a.type.ndim))


def _arguments(a: TensorVariable, kind: type) -> list[TensorVariable]:
    """Return the inputs of an elementwise operation of this kind, or an empty list for another."""
    node = a.owner
    is_kind = node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kind)
    return node.inputs if is_kind else []


def chosen(condition: TensorVariable, a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``a`` where the condition holds and ``b`` elsewhere."""
    if a is b or (number(a) is not None and number(a) == number(b) and a.type.shape == b.type.shape):
        return a
    return pt.switch(condition, a, b)


def _fits(small: TensorVariable, large: TensorVariable) -> bool:
    """Whether ``small`` broadcasts against ``large`` without changing its shape."""
    return all(n == 1 or n == m for n, m in zip(small.type.shape, large.type.shape, strict=True))
