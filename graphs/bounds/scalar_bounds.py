"""Bounds of scalar operations from the bounds of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
from pytensor.graph.basic import Apply

from graphs.bounds.intervals import EITHER, FALSE, TRUE, UNKNOWN, Interval, hull, point

_INCREASING: dict[type, tuple[Callable, Interval]] = {
    ps.Exp: (np.exp, Interval()),
    ps.Exp2: (np.exp2, Interval()),
    ps.Expm1: (np.expm1, Interval()),
    ps.Log: (np.log, Interval(0.0, inf)),
    ps.Log2: (np.log2, Interval(0.0, inf)),
    ps.Log10: (np.log10, Interval(0.0, inf)),
    ps.Log1p: (np.log1p, Interval(-1.0, inf)),
    ps.Sqrt: (np.sqrt, Interval(0.0, inf)),
    ps.Tanh: (np.tanh, Interval()),
    ps.ArcTan: (np.arctan, Interval()),
    ps.Sinh: (np.sinh, Interval()),
    psm.Sigmoid: (lambda x: 1 / (1 + np.exp(-x)), Interval()),
    psm.Softplus: (lambda x: np.logaddexp(0, x), Interval()),
    psm.Erf: (lambda x: np.sign(x) if np.isinf(x) else psm.erf.impl(x), Interval()),
}
_STEPS: dict[type, Callable] = {
    ps.Floor: np.floor,
    ps.Ceil: np.ceil,
    ps.Trunc: np.trunc,
    ps.RoundHalfToEven: np.round,
}


def bound_scalar_op(op: ps.ScalarOp, inputs: Sequence[Interval], node: Apply) -> Interval:
    """Return the bounds of a scalar operation applied element by element."""
    kind = type(op)
    if kind in _INCREASING:
        function, domain = _INCREASING[kind]
        return inputs[0].map_increasing(function) if inputs[0].lower >= domain.lower else UNKNOWN
    if kind in _STEPS:
        return inputs[0].map_increasing(_STEPS[kind], is_strict=False)
    rule = _RULES.get(kind)
    return UNKNOWN if rule is None else rule(inputs, node)


def _bound_add(inputs: Sequence[Interval], node: Apply) -> Interval:
    total = inputs[0]
    for bounds in inputs[1:]:
        total = total.add(bounds)
    return total


def _bound_erfc(inputs: Sequence[Interval], node: Apply) -> Interval:
    bounds = inputs[0].negate().map_increasing(lambda x: float(psm.erfc.impl(-x)))
    # No more than two, whatever the rounding: half of it is a probability.
    return replace(bounds, upper=min(bounds.upper, 2.0))


def _bound_mul(inputs: Sequence[Interval], node: Apply) -> Interval:
    if len(inputs) == 2 and node.inputs[0] is node.inputs[1]:
        return _bound_sqr(inputs, node)
    total = inputs[0]
    for bounds in inputs[1:]:
        total = total.multiply(bounds)
    return total


def _bound_sqr(inputs: Sequence[Interval], node: Apply) -> Interval:
    return inputs[0].absolute().multiply(inputs[0].absolute())


def _bound_pow(inputs: Sequence[Interval], node: Apply) -> Interval:
    base, exponent = inputs
    if exponent.may_be_nan or base.may_be_nan:
        return UNKNOWN
    power = exponent.lower if exponent.lower == exponent.upper else None
    if power == 0:
        return TRUE
    if power is not None and power % 2 == 0:
        base = base.absolute()
    if not base.is_positive and not (base.is_non_negative and power is not None and power > 0):
        return UNKNOWN
    if power is not None:
        raised = base.map_increasing(lambda x: float(np.power(x, abs(power))))
        return raised if power > 0 else raised.reciprocal()
    return Interval(0.0, inf, base.is_finite and exponent.is_finite, base.is_finite and exponent.is_finite)


def _bound_switch(inputs: Sequence[Interval], node: Apply) -> Interval:
    condition, if_true, if_false = inputs
    if condition.is_true:
        return if_true
    return if_false if condition.is_false else hull((if_true, if_false))


def _bound_cast(inputs: Sequence[Interval], node: Apply) -> Interval:
    (bounds,) = inputs
    dtype = np.dtype(node.outputs[0].type.dtype)
    if dtype.kind == "b":
        return bounds.truth()
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if bounds.may_be_nan or bounds.lower < limits.min or bounds.upper > limits.max:
            return Interval(float(limits.min), float(limits.max)) if not bounds.is_finite else bounds
        return bounds.map_increasing(np.trunc, is_strict=False)
    return bounds if dtype == np.float64 else bounds.map_increasing(dtype.type, is_strict=False)


def _bound_sign(inputs: Sequence[Interval], node: Apply) -> Interval:
    (bounds,) = inputs
    if bounds.excludes_zero and not bounds.may_be_nan and (bounds.lower >= 0 or bounds.upper <= 0):
        return point(1.0 if bounds.lower >= 0 else -1.0)
    return bounds.map_increasing(np.sign, is_strict=False)


def _bound_clip(inputs: Sequence[Interval], node: Apply) -> Interval:
    x, lower, upper = inputs
    return _bound_minimum((_bound_maximum((x, lower), node), upper), node)


def _bound_maximum(inputs: Sequence[Interval], node: Apply) -> Interval:
    a, b = inputs
    lowest = max((a.lower, a.lower_open), (b.lower, b.lower_open))
    highest = hull(inputs)
    return Interval(lowest[0], highest.upper, lowest[1], highest.upper_open, highest.may_be_nan)


def _bound_minimum(inputs: Sequence[Interval], node: Apply) -> Interval:
    return _bound_maximum([i.negate() for i in inputs], node).negate()


def _bound_and(inputs: Sequence[Interval], node: Apply) -> Interval:
    truths = [i.truth() for i in inputs]
    if FALSE in truths:
        return FALSE
    return TRUE if all(t == TRUE for t in truths) else EITHER


def _bound_bits(rule: Callable) -> Callable:
    """Apply a rule of logic where the dtype is Boolean: on integers the same operations act on bits."""

    def bound(inputs: Sequence[Interval], node: Apply) -> Interval:
        return rule(inputs, node) if node.outputs[0].type.dtype == "bool" else UNKNOWN

    return bound


def _bound_not(inputs: Sequence[Interval], node: Apply) -> Interval:
    return {TRUE: FALSE, FALSE: TRUE}.get(inputs[0].truth(), EITHER)


def _bound_or(inputs: Sequence[Interval], node: Apply) -> Interval:
    negated = [_bound_not((i,), node) for i in inputs]
    return _bound_not((_bound_and(negated, node),), node)


def _bound_xor(inputs: Sequence[Interval], node: Apply) -> Interval:
    first, second = (i.truth() for i in inputs)
    if EITHER in (first, second):
        return EITHER
    return FALSE if first == second else TRUE


def _not(interval: Interval) -> Interval:
    return {TRUE: FALSE, FALSE: TRUE}.get(interval, EITHER)


def _bound_greater_equal(a: Interval, b: Interval) -> Interval:
    return EITHER if a.may_be_nan or b.may_be_nan else _not(b.is_greater(a))


_RULES: dict[type, Callable[[Sequence[Interval], Apply], Interval]] = {
    ps.Add: _bound_add,
    ps.Sub: lambda i, n: i[0].add(i[1].negate()),
    ps.Mul: _bound_mul,
    ps.TrueDiv: lambda i, n: i[0].multiply(i[1].reciprocal()),
    ps.Reciprocal: lambda i, n: i[0].reciprocal(),
    ps.Neg: lambda i, n: i[0].negate(),
    ps.Abs: lambda i, n: i[0].absolute(),
    ps.Sign: _bound_sign,
    ps.Sqr: _bound_sqr,
    ps.Pow: _bound_pow,
    ps.Switch: _bound_switch,
    ps.Second: lambda i, n: i[1],
    ps.Identity: lambda i, n: i[0],
    ps.Cast: _bound_cast,
    ps.Clip: _bound_clip,
    ps.ScalarMaximum: _bound_maximum,
    ps.ScalarMinimum: _bound_minimum,
    ps.Cosh: lambda i, n: Interval(1.0, inf, False, i[0].is_finite, i[0].may_be_nan),
    ps.Sin: lambda i, n: Interval(-1.0, 1.0, may_be_nan=i[0].may_be_nan or not i[0].is_finite),
    ps.Cos: lambda i, n: Interval(-1.0, 1.0, may_be_nan=i[0].may_be_nan or not i[0].is_finite),
    psm.Erfc: _bound_erfc,
    ps.GT: lambda i, n: i[0].is_greater(i[1]),
    ps.LT: lambda i, n: i[1].is_greater(i[0]),
    ps.GE: lambda i, n: _bound_greater_equal(i[0], i[1]),
    ps.LE: lambda i, n: _bound_greater_equal(i[1], i[0]),
    ps.EQ: lambda i, n: i[0].is_equal(i[1]),
    ps.NEQ: lambda i, n: _not(i[0].is_equal(i[1])),
    ps.AND: _bound_bits(_bound_and),
    ps.OR: _bound_bits(_bound_or),
    ps.XOR: _bound_bits(_bound_xor),
    ps.Invert: _bound_bits(_bound_not),
    ps.IsNan: lambda i, n: EITHER if i[0].may_be_nan else FALSE,
    ps.IsInf: lambda i, n: FALSE if i[0].is_finite else EITHER,
}
