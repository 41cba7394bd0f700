"""Read the linear predictor of a probability off its graph."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable, equal_computations
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.known import known_value


def logit_of(p: TensorVariable) -> TensorVariable | None:
    """Return ``psi`` where ``p`` is the logistic function of it, in any of the ways to write that; else None."""
    op, inputs = _elemwise(p)
    if op is psm.Sigmoid:
        return _without_logarithms(inputs[0])
    if op is ps.Sub and _is_number(inputs[0], 1.0):
        inner = logit_of(inputs[1])
        return None if inner is None else -inner
    if op is ps.TrueDiv:
        return _odds_of(*inputs)
    return None


def probit_of(p: TensorVariable) -> TensorVariable | None:
    """Return ``psi`` where ``p`` is the standard normal distribution function of it; else None."""
    op, inputs = _elemwise(p)
    if op is ps.Sub and _is_number(inputs[0], 1.0):
        inner = probit_of(inputs[1])
        return None if inner is None else -inner
    halved = _halved(op, inputs)
    if halved is None:
        return None
    op, inputs = _elemwise(halved)
    if op is psm.Erfc:
        return -sqrt(2.0) * inputs[0]
    if op in (ps.Add, ps.Sub) and len(inputs) == 2:
        for one, other, sign in ((*inputs, 1.0 if op is ps.Add else -1.0), (*reversed(inputs), 1.0)):
            kind, inner = _elemwise(other)
            if _is_number(one, 1.0) and kind is psm.Erf and (op is ps.Add or one is inputs[0]):
                return sign * sqrt(2.0) * inner[0]
    return None


def log_of(x: TensorVariable) -> TensorVariable:
    """Return the logarithm of a positive graph: products, quotients and exponentials are taken apart."""
    op, inputs = _elemwise(x)
    if op is ps.Exp:
        return inputs[0]
    if op is ps.Mul:
        return pt.add(*(log_of(i) for i in inputs))
    if op is ps.TrueDiv:
        return log_of(inputs[0]) - log_of(inputs[1])
    if x.owner is not None and isinstance(x.owner.op, DimShuffle):
        return log_of(x.owner.inputs[0]).dimshuffle(x.owner.op.new_order)
    logarithm: TensorVariable = pt.log(x)
    return logarithm


def _without_logarithms(psi: TensorVariable) -> TensorVariable:
    """Replace ``log(exp(x))`` by ``x`` in a sum."""
    op, inputs = _elemwise(psi)
    if op in (ps.Add, ps.Sub, ps.Neg):
        parts = [_without_logarithms(i) for i in inputs]
        return -parts[0] if op is ps.Neg else parts[0] - parts[1] if op is ps.Sub else pt.add(*parts)
    if op is ps.Log:
        return log_of(inputs[0])
    return psi


def _odds_of(numerator: TensorVariable, denominator: TensorVariable) -> TensorVariable | None:
    """Return the logarithm of ``a / m`` where the fraction is ``a / (a + m)``."""
    op, inputs = _elemwise(denominator)
    if op is not ps.Add or len(inputs) != 2:
        return None
    for own, other in (inputs, reversed(inputs)):
        if _are_equal(own, numerator):
            return log_of(numerator) - log_of(other)
    return None


def _halved(op: type | None, inputs: list[TensorVariable]) -> TensorVariable | None:
    if op is ps.Mul and len(inputs) == 2:
        for factor, other in (inputs, reversed(inputs)):
            if _is_number(factor, 0.5):
                return other
    if op is ps.TrueDiv and _is_number(inputs[1], 2.0):
        return inputs[0]
    return None


def _elemwise(variable: Variable) -> tuple[type | None, list[TensorVariable]]:
    """Return the kind of scalar operation that a graph ends with, and its inputs; casts to double are passed."""
    node = variable.owner
    if node is None or not isinstance(node.op, Elemwise):
        return None, []
    kind = type(node.op.scalar_op)
    if kind is ps.Cast and node.inputs[0].type.dtype.startswith("float"):
        return _elemwise(node.inputs[0])
    return kind, list(node.inputs)


def _are_equal(a: Variable, b: Variable) -> bool:
    return a is b or equal_computations([a], [b])


def _is_number(variable: Variable, number: float) -> bool:
    # Before it folds, PyTensor copies the whole graph.
    if any(not isinstance(i, Constant) for i in explicit_graph_inputs([variable])):
        return False
    value = known_value(variable)
    return value is not None and value.size > 0 and bool(np.all(value == number))
