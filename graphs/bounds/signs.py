"""Bounds and signs of the variables of a graph, from the supports of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedGrad
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor import math as ptm
from pytensor.tensor.basic import (
    Alloc,
    ExtractDiag,
    Join,
    MakeVector,
    ScalarFromTensor,
    TensorFromScalar,
)
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Dot, Max, Min, Prod, Sum
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.special import LogSoftmax, Softmax
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor

from graphs.bounds.definite import is_factor_of_definite
from graphs.bounds.intervals import EITHER, UNKNOWN, Interval, hull, of_array
from graphs.bounds.scalar_bounds import bound_scalar_op
from graphs.supports import Support
from graphs.surgery.evaluating import perform

FINITE = Interval(-inf, inf, True, True)
_UNIT_SUM = Interval(1 - 1e-9, 1 + 1e-9)
_LARGEST_FOLDED = 10_000

_UNCHANGED = (DimShuffle, Reshape, SpecifyShape, Subtensor, AdvancedSubtensor, Alloc, ExtractDiag)
_UNCHANGED_TOO = (TensorFromScalar, ScalarFromTensor, CheckAndRaise, DisconnectedGrad, Max, Min)


class Signs:
    """Bounds of every variable of a graph, worked out on demand and remembered.

    The bounds hold for all elements of a variable, in exact arithmetic, whenever the inputs lie in their supports.
    They are conservative: what is not understood is unbounded and may be NaN.

    Parameters
    ----------
    supports : mapping of Variable to Support
        Supports of the inputs; others are finite real numbers, or integers where their dtype is.
    almost_surely : bool
        Whether squares of continuous inputs count as positive: they are, but for a set of probability zero.

    Parameters
    ----------
    supports : mapping of Variable to Support
        Supports of the inputs; others are finite real numbers, or integers where their dtype is.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from graphs.supports import POSITIVE
    >>> x = pt.vector("x")
    >>> Signs({x: POSITIVE}).of(1 - pt.exp(x)).upper
    0.0
    """

    def __init__(self, supports: Mapping[Variable, Support], *, almost_surely: bool = False):
        self.supports = supports
        self.almost_surely = almost_surely
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
        inputs = [value for i in node.inputs if (value := self._known[i]) is not None and value.size <= _LARGEST_FOLDED]
        if len(node.outputs) > 1 or len(inputs) < len(node.inputs):
            return None
        return _performed(node, inputs)

    def _bound(self, variable: Variable) -> Interval:
        node, known = variable.owner, self._known[variable]
        if known is not None:
            return of_array(known)
        if node is None:
            return self._bound_input(variable)
        return _within_dtype(self._bound_node(node, [self._bounds[i] for i in node.inputs]), variable)

    def _is_continuous(self, variable: Variable) -> bool:
        """Whether these are elements of a continuous input, which are zero with probability zero."""
        while variable.owner is not None and isinstance(variable.owner.op, _UNCHANGED):
            variable = variable.owner.inputs[0]
        is_input = variable.owner is None and not isinstance(variable, Constant)
        return is_input and str(getattr(variable.type, "dtype", "")).startswith("float")

    def _bound_input(self, variable: Variable) -> Interval:
        dtype = getattr(variable.type, "dtype", None)
        if dtype is None:
            return UNKNOWN
        if dtype == "bool":
            return EITHER
        support = self.supports.get(variable)
        if support is None or support.kind in ("positive_definite", "other"):
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
            bounds = bound_scalar_op(op.scalar_op, inputs, node)
            is_even = (
                self.almost_surely and bounds.lower == 0 and _is_even(node) and self._is_continuous(node.inputs[0])
            )
            return replace(bounds, lower_open=True) if is_even else bounds
        if isinstance(op, ExtractDiag) and is_factor_of_definite(
            node.inputs[0], self.supports, lambda v: self.of(v).is_positive
        ):
            return Interval(0.0, inf, True, True)
        if isinstance(op, ScalarOp):
            return bound_scalar_op(op, inputs, node)
        if isinstance(op, Sum) and self._sums_to_one(node):
            return _UNIT_SUM
        for kinds, rule in _RULES:
            if isinstance(op, kinds):
                return rule(node, inputs)
        return UNKNOWN

    def _sums_to_one(self, node: Apply) -> bool:
        """Whether a sum runs over the axis of a simplex."""
        axes = node.op.axis if node.op.axis is not None else tuple(range(node.inputs[0].type.ndim))
        return len(axes) == 1 and self.simplex_axis(node.inputs[0]) == axes[0]

    def simplex_axis(self, variable: Variable) -> int | None:
        """Return the axis along which elements are probabilities that add up to one; None of other variables."""
        node = variable.owner
        if node is None:
            support = self.supports.get(variable)
            return variable.type.ndim - 1 if support is not None and support.kind == "simplex" else None
        if isinstance(node.op, Softmax):
            axes = range(variable.type.ndim) if node.op.axis is None else np.atleast_1d(node.op.axis)
            return int(axes[0]) % variable.type.ndim if len(axes) == 1 else None
        axis = self.simplex_axis(node.inputs[0]) if isinstance(node.op, _UNCHANGED) else None
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


def _performed(node: Apply, inputs: Sequence[NDArray]) -> NDArray | None:
    """Evaluate a node of one output on arrays by its Python implementation; None where that fails."""
    try:
        with np.errstate(all="ignore"):
            results = perform(node, inputs)
    except Exception:  # operations may raise anything; of what cannot be evaluated nothing is known
        return None
    return None if results is None else np.asarray(results[0])


def _is_even(node: Apply) -> bool:
    """Whether this is a square, an absolute value or a product of a variable with itself."""
    kind = type(node.op.scalar_op)
    if kind is ps.Pow:
        exponent = node.inputs[1]
        while exponent.owner is not None and isinstance(exponent.owner.op, DimShuffle):
            exponent = exponent.owner.inputs[0]
        return isinstance(exponent, Constant) and bool(np.all(np.asarray(exponent.data) % 2 == 0))
    return kind in (ps.Sqr, ps.Abs) or (kind is ps.Mul and len(node.inputs) == 2 and node.inputs[0] is node.inputs[1])


def _within_dtype(bounds: Interval, variable: Variable) -> Interval:
    """Forget the bounds of an integer that may overflow, and widen those of low precision by their rounding."""
    dtype = getattr(variable.type, "dtype", "float64")
    if dtype in ("float16", "float32"):
        eps = 4 * float(np.finfo(dtype).eps)
        return replace(
            bounds, lower=bounds.lower - eps * abs(bounds.lower), upper=bounds.upper + eps * abs(bounds.upper)
        )
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
    if isinstance(op, ptm.All | ptm.Any):
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


def _bound_write(node: Apply, inputs: Sequence[Interval]) -> Interval:
    """Bound an array with some elements set or incremented."""
    if node.op.set_instead_of_inc:
        return hull(inputs[:2])
    # An index that repeats adds several times.
    return hull((inputs[0], inputs[0].add(inputs[1]))) if isinstance(node.op, IncSubtensor) else UNKNOWN


def _bound_softmax(node: Apply, inputs: Sequence[Interval]) -> Interval:
    (bounds,) = inputs
    lower, upper = (-inf, 0.0) if isinstance(node.op, LogSoftmax) else (0.0, 1.0)
    return Interval(lower, upper, bounds.is_finite, False, not bounds.is_finite)


def _bound_dot(node: Apply, inputs: Sequence[Interval]) -> Interval:
    """Bound a product of matrices, which is finite where its factors are; so are those of a batch."""
    is_product = isinstance(node.op, Dot) or isinstance(node.op.core_op, Dot)
    if not is_product or not all(i.is_finite for i in inputs):
        return UNKNOWN
    return Interval(0.0, inf, False, True) if all(i.is_non_negative for i in inputs) else FINITE


_RULES: tuple[tuple[Any, Callable[[Apply, Sequence[Interval]], Interval]], ...] = (
    ((*_UNCHANGED, *_UNCHANGED_TOO), lambda node, inputs: inputs[0]),
    ((MakeVector, Join), lambda node, inputs: hull(inputs) if inputs else UNKNOWN),
    ((IncSubtensor, AdvancedIncSubtensor), _bound_write),
    ((CAReduce, CumOp), lambda node, inputs: _bound_reduction(node, inputs[0])),
    ((Softmax, LogSoftmax), _bound_softmax),
    ((Shape, Shape_i), lambda node, inputs: Interval(0.0, inf, False, True)),
    ((Dot, Blockwise), _bound_dot),
)
