"""Bounds and signs of the variables of a graph, from the supports of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import (
    Alloc,
    ExtractDiag,
    Join,
    MakeVector,
    ScalarFromTensor,
    TensorFromScalar,
)
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import All, Any, Dot, Max, Min, Prod, Sum
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.special import LogSoftmax, Softmax
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor

from graphs.intervals import EITHER, FALSE, TRUE, UNKNOWN, Interval, hull, of_array, point
from graphs.supports import Support

FINITE = Interval(-inf, inf, True, True)
_UNIT_SUM = Interval(1 - 1e-9, 1 + 1e-9)
_LARGEST_FOLDED = 10_000

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
_UNCHANGED = (DimShuffle, Reshape, SpecifyShape, Subtensor, AdvancedSubtensor, Alloc, ExtractDiag)
_UNCHANGED_TOO = (TensorFromScalar, ScalarFromTensor, CheckAndRaise, Max, Min)


class Signs:
    """Bounds of every variable of a graph, worked out on demand and remembered.

    The bounds hold for all elements of a variable, in exact arithmetic, whenever the inputs lie in their supports.
    They are conservative: what is not understood is unbounded and may be NaN.

    Parameters
    ----------
    supports : mapping of Variable to Support
        Supports of the inputs; others are finite real numbers, or integers where their dtype is.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from graphs.supports import POSITIVE
    >>> x = pt.vector("x")
    >>> Signs({x: POSITIVE}).of(pt.exp(x)).lower
    1.0
    """

    def __init__(self, supports: Mapping[Variable, Support]):
        self.supports = supports
        self._bounds: dict[Variable, Interval] = {}
        self._known: dict[Variable, NDArray | None] = {}

    def of(self, variable: Variable) -> Interval:
        """Return the interval that holds every element of ``variable``."""
        stack = [variable]
        while stack:
            current = stack[-1]
            if current in self._bounds:
                stack.pop()
                continue
            missing = [] if current.owner is None else [i for i in current.owner.inputs if i not in self._bounds]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._known[current] = self._fold(current)
            self._bounds[current] = self._bound(current)
        return self._bounds[variable]

    def known(self, variable: Variable) -> NDArray | None:
        """Return the value of ``variable`` where it depends on no input, and is not large."""
        self.of(variable)
        return self._known[variable]

    def _fold(self, variable: Variable) -> NDArray | None:
        if isinstance(variable, Constant):
            data = variable.data
            return np.asarray(data) if isinstance(data, np.ndarray | np.generic | int | float | bool) else None
        node = variable.owner
        if node is None:
            return None
        if isinstance(node.op, Shape) and None not in node.inputs[0].type.shape:
            return np.array(node.inputs[0].type.shape, dtype="int64")
        inputs = [self._known[i] for i in node.inputs]
        if len(node.outputs) > 1 or any(value is None or value.size > _LARGEST_FOLDED for value in inputs):
            return None
        return perform(node, inputs)

    def _bound(self, variable: Variable) -> Interval:
        node, known = variable.owner, self._known[variable]
        if known is not None:
            return of_array(known)
        if node is None:
            return self._bound_input(variable)
        return _within_dtype(self._bound_node(node, [self._bounds[i] for i in node.inputs]), variable)

    def _bound_input(self, variable: Variable) -> Interval:
        dtype = getattr(variable.type, "dtype", None)
        if dtype is None:
            return UNKNOWN
        if dtype == "bool":
            return EITHER
        support = self.supports.get(variable)
        if support is None or support.kind == "other":
            return FINITE
        is_open = support.kind in ("interval", "simplex")
        return Interval(
            support.lower,
            support.upper,
            is_open or support.lower == -inf,
            is_open or support.upper == inf,
        )

    def _bound_node(self, node: Apply, inputs: Sequence[Interval]) -> Interval:
        op = node.op
        if isinstance(op, Elemwise):
            return bound_scalar_op(op.scalar_op, inputs, node)
        if isinstance(op, ps.ScalarOp):
            return bound_scalar_op(op, inputs, node)
        if isinstance(op, _UNCHANGED) or isinstance(op, _UNCHANGED_TOO):
            return inputs[0]
        if isinstance(op, MakeVector | Join):
            return hull(inputs) if inputs else UNKNOWN
        if isinstance(op, IncSubtensor | AdvancedIncSubtensor) and op.set_instead_of_inc:
            return hull(inputs[:2])
        if isinstance(op, IncSubtensor):
            return hull((inputs[0], inputs[0].add(inputs[1])))
        if isinstance(op, Sum) and self._sums_to_one(node):
            return _UNIT_SUM
        if isinstance(op, CAReduce | CumOp):
            return _bound_reduction(node, inputs[0])
        if isinstance(op, Softmax):
            return Interval(0.0, 1.0, inputs[0].is_finite, False, not inputs[0].is_finite)
        if isinstance(op, LogSoftmax):
            return Interval(-inf, 0.0, inputs[0].is_finite, False, not inputs[0].is_finite)
        if isinstance(op, Shape | Shape_i):
            return Interval(0.0, inf, False, True)
        if isinstance(op, Dot) and all(i.is_non_negative and i.is_finite for i in inputs):
            return Interval(0.0, inf, False, True)
        return UNKNOWN

    def _sums_to_one(self, node: Apply) -> bool:
        """Whether a sum runs over the axis of a simplex."""
        axes = node.op.axis if node.op.axis is not None else tuple(range(node.inputs[0].type.ndim))
        return len(axes) == 1 and self._simplex_axis(node.inputs[0]) == axes[0]

    def _simplex_axis(self, variable: Variable) -> int | None:
        node = variable.owner
        if node is None:
            support = self.supports.get(variable)
            return variable.type.ndim - 1 if support is not None and support.kind == "simplex" else None
        if isinstance(node.op, Softmax):
            axes = range(variable.type.ndim) if node.op.axis is None else np.atleast_1d(node.op.axis)
            return int(axes[0]) % variable.type.ndim if len(axes) == 1 else None
        axis = self._simplex_axis(node.inputs[0]) if isinstance(node.op, _UNCHANGED) else None
        if axis is None:
            return None
        if isinstance(node.op, DimShuffle):
            return node.op.new_order.index(axis) if axis in node.op.new_order else None
        is_last = axis == node.inputs[0].type.ndim - 1
        if isinstance(node.op, Subtensor | AdvancedSubtensor):
            is_last = is_last and len(node.op.idx_list) < node.inputs[0].type.ndim
        elif not isinstance(node.op, Alloc | SpecifyShape):
            return None
        return variable.type.ndim - 1 if is_last else None


def perform(node: Apply, inputs: Sequence[NDArray]) -> NDArray | None:
    """Evaluate a node of one output on arrays by its Python implementation; None where that fails."""
    storage: list[list] = [[None]]
    try:
        with np.errstate(all="ignore"):
            node.op.perform(node, list(inputs), storage)
    except (NotImplementedError, ValueError, TypeError, IndexError):
        return None
    return np.asarray(storage[0][0])


def bound_scalar_op(op: ps.ScalarOp, inputs: Sequence[Interval], node: Apply) -> Interval:
    """Return the bounds of a scalar operation applied element by element."""
    kind = type(op)
    if kind in _INCREASING:
        function, domain = _INCREASING[kind]
        is_inside = inputs[0].lower >= domain.lower and not inputs[0].may_be_nan
        return inputs[0].map_increasing(function) if is_inside else UNKNOWN
    if kind in _STEPS:
        return inputs[0].map_increasing(_STEPS[kind], is_strict=False)
    rule = _RULES.get(kind)
    return UNKNOWN if rule is None else rule(inputs, node)


def _within_dtype(bounds: Interval, variable: Variable) -> Interval:
    """Forget the bounds of an integer that may overflow."""
    dtype = getattr(variable.type, "dtype", "float64")
    if dtype == "bool" or not np.issubdtype(dtype, np.integer):
        return bounds
    limits = np.iinfo(dtype)
    is_inside = (bounds.lower >= limits.min or bounds.lower_open) and (bounds.upper <= limits.max or bounds.upper_open)
    # An unbounded end is taken as a count that does not overflow in 64 bits, but may in fewer.
    if is_inside and (limits.bits == 64 or bounds.upper - bounds.lower < inf):
        return bounds
    return Interval(float(limits.min), float(limits.max))


def _bound_reduction(node: Apply, bounds: Interval) -> Interval:
    op = node.op
    if isinstance(op, All | Any):
        return bounds.truth()
    is_sum = isinstance(op, Sum) or (isinstance(op, CumOp) and op.mode == "add")
    if is_sum:
        return _bound_sum(node, bounds)
    if (isinstance(op, Prod) or (isinstance(op, CumOp) and op.mode == "mul")) and bounds.is_non_negative:
        is_in_unit = bounds.upper <= 1
        return Interval(0.0, 1.0 if is_in_unit else inf, bounds.is_positive, not is_in_unit and bounds.is_finite)
    return UNKNOWN


def _bound_sum(node: Apply, bounds: Interval) -> Interval:
    """Keep the sign of a sum; its size would depend on the order in which it is rounded."""
    shape = node.inputs[0].type.shape
    axes = range(len(shape)) if node.op.axis is None else np.atleast_1d(node.op.axis)
    lengths = [shape[axis] for axis in axes]
    is_surely_not_empty = isinstance(node.op, CumOp) or all(length for length in lengths)
    lower, upper = (0.0 if bounds.lower >= 0 else -inf), (0.0 if bounds.upper <= 0 else inf)
    if 0.0 not in (lower, upper):
        return Interval(-inf, inf, bounds.is_finite, bounds.is_finite, bounds.may_be_nan or not bounds.is_finite)
    never_zero = is_surely_not_empty and bounds.excludes_zero
    return Interval(
        lower,
        upper,
        never_zero if lower == 0 else bounds.is_finite,
        never_zero if upper == 0 else bounds.is_finite,
        bounds.may_be_nan,
    )


def _bound_add(inputs: Sequence[Interval], node: Apply) -> Interval:
    total = inputs[0]
    for bounds in inputs[1:]:
        total = total.add(bounds)
    return total


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
    psm.Erfc: lambda i, n: i[0].negate().map_increasing(lambda x: float(psm.erfc.impl(-x))),
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
