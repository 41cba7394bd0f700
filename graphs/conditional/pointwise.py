"""The law of a variable of finite support: the log-density at each of its values, element by element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc, ExtractDiag, Join, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.expansion import ACROSS, Obstacle
from graphs.conditional.expanding.formula import formula
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.expanding.tensor_rules import full
from graphs.conditional.expanding.views import View
from graphs.conditional.families.finite import Finite
from graphs.conditional.gather import gather
from graphs.conditional.law import Law
from graphs.supports import Support
from graphs.surgery.rebuilding import substitute

MOST_VALUES = 1000
"""Most values of a variable at which a log-density is evaluated."""
_MOVES = (Subtensor, AdvancedSubtensor, Reshape)


@dataclass(frozen=True, eq=False)
class Pointwise:
    """An array whose elements each depend on one element of x.

    Parameters
    ----------
    view : View
        Which element of x.
    values : TensorVariable
        The array for each value of x, on a new first axis.
    """

    view: View
    values: TensorVariable


@dataclass(frozen=True)
class Summed:
    """An array that is a sum of functions of single elements of x."""


State = Pointwise | Summed | Obstacle


def finite_law(
    total: TensorVariable, x: TensorVariable, support: Support, supports: Mapping[Variable, Support]
) -> Law | Obstacle:
    """Return the law of an integer variable by evaluating the log-density at each of its values.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        The variable; its elements have to be independent given the rest.
    support : Support
        Finite.
    supports : mapping of Variable to Support
        Supports of the other variables.

    Returns
    -------
    Law or Obstacle
    """
    lower, upper = int(support.lower), int(support.upper)
    if upper - lower >= MOST_VALUES:
        return Obstacle(f"it takes {upper - lower + 1} values; at most {MOST_VALUES} are enumerated")
    enumeration = Enumeration(x, np.arange(lower, upper + 1, dtype=x.type.dtype))
    weights = enumeration.log_weights(total)
    if isinstance(weights, Obstacle):
        return weights
    (weights,) = simplify([pt.moveaxis(weights, 0, -1)])
    return Finite.of_weights(x, weights, lower, upper)


class Enumeration:
    """Walk a log-density from an integer variable to the total, at all its values at once."""

    def __init__(self, x: TensorVariable, values: np.ndarray):
        self.x = x
        first = pt.constant(values.reshape((-1,) + (1,) * x.type.ndim))
        self.states: dict[Variable, State] = {x: Pointwise(View.of_base(x), first)}
        self.indicators = pt.tensor("indicators", shape=(len(values), *x.type.shape), dtype="float64")

    def log_weights(self, total: TensorVariable) -> TensorVariable | Obstacle:
        """Return the log-density for each value (first axis) of each element of x, up to constants."""
        for node in toposort([total]):
            if isinstance(node.op, Shape | Shape_i) or not any(i in self.states for i in node.inputs):
                continue
            for output in node.outputs:
                self.states[output] = (
                    self._state(node) if len(node.outputs) == 1 else Obstacle(f"{node.op} depends on it")
                )
        state = self.states[total]
        if isinstance(state, Obstacle):
            return state
        closed = self._close(total)
        (gradient,) = pytensor.grad(closed, [self.indicators])
        # The gradient is free of the indicators, but for their shape.
        unused = pt.zeros(self.indicators.shape) if None in self.x.type.shape else np.zeros(self.indicators.type.shape)
        (weights,) = substitute([full(gradient, self.indicators)], {self.indicators: pt.as_tensor(unused)})
        return weights

    def _state(self, node: Apply) -> State:
        states = [self.states[i] for i in node.inputs if i in self.states]
        for state in states:
            if isinstance(state, Obstacle):
                return state
        views = {state.view for state in states if isinstance(state, Pointwise)}
        if all(isinstance(state, Pointwise) for state in states):
            result = self._pointwise(node, states, views)
            if result is not None:
                return result
        if self._is_linear(node):
            return Summed()
        if len(views) > 1:
            return ACROSS
        return Obstacle(f"{formula(node.outputs[0], 80)} mixes its elements, which are then not independent")

    def _pointwise(self, node: Apply, states: Sequence[State], views: set[View]) -> Pointwise | None:
        op, output = node.op, node.outputs[0]
        values = {i: s.values for i in node.inputs if isinstance(s := self.states.get(i), Pointwise)}
        first = values.get(node.inputs[0])
        if isinstance(op, Elemwise) and len(views) == 1:
            (view,) = views
            return Pointwise(view, op(*(values[i] if i in values else pt.shape_padleft(i) for i in node.inputs)))
        if isinstance(op, Subtensor | AdvancedSubtensor) and first is None:
            views_by_index = {i: s.view for i in values if isinstance(s := self.states[i], Pointwise)}
            gathered = gather(node, values, views_by_index)
            return None if gathered is None else Pointwise(*gathered)
        if isinstance(op, Blockwise):
            return self._blockwise(node, values, views)
        if len(views) != 1:
            return None
        (view,) = views
        if len(values) == 1 and first is not None:
            laid_out = self._laid_out(node, view, first)
            if laid_out is not None:
                return laid_out
        if not view.is_constant:
            return None
        batches = {i: _full_batch(batch, i) for i, batch in values.items()}
        constant = View(view.steps, view.base_ndim, ("x",) * output.type.ndim)
        return Pointwise(constant, vectorize_graph(output, batches))

    def _blockwise(self, node: Apply, values: Mapping[Variable, TensorVariable], views: set[View]) -> Pointwise | None:
        """Apply an operation on matrices or vectors, within which x does not vary, for each value of x."""
        ndim = node.op.batch_ndim(node)
        batches = {View(v.steps, v.base_ndim, v.order[:ndim]) for v in views}
        if len(batches) != 1 or any(axis != "x" for v in views for axis in v.order[ndim:]):
            return None
        (batch,) = batches
        given = [_full_core(values[i], i, ndim) if i in values else pt.shape_padleft(i) for i in node.inputs]
        core = ("x",) * (node.outputs[0].type.ndim - ndim)
        return Pointwise(View(batch.steps, batch.base_ndim, batch.order + core), node.op(*given))

    def _laid_out(self, node: Apply, view: View, first: TensorVariable) -> Pointwise | None:
        """Follow an operation that moves, repeats or reduces."""
        op, output = node.op, node.outputs[0]
        if isinstance(op, TensorFromScalar | ScalarFromTensor | SpecifyShape):
            return Pointwise(view, first)
        if isinstance(op, DimShuffle):
            order = (0, *(axis if axis == "x" else axis + 1 for axis in op.new_order))
            return Pointwise(view.reorder(op.new_order), first.dimshuffle(*order))
        if isinstance(op, Alloc):
            extra = output.type.ndim - node.inputs[0].type.ndim
            order = ("x",) * extra + tuple(range(output.type.ndim - extra))
            padded = first.dimshuffle(0, *("x",) * extra, *range(1, first.type.ndim))
            return Pointwise(view.reorder(order), padded)
        if isinstance(op, CAReduce):
            return self._reduced(node, view, first)
        if isinstance(op, ExtractDiag) and view.is_repeated_along((op.axis1, op.axis2)):
            axes = [axis for axis in range(node.inputs[0].type.ndim) if axis not in (op.axis1, op.axis2)]
            kept = View(view.steps, view.base_ndim, (*(view.order[axis] for axis in axes), "x"))
            diagonal = ExtractDiag(op.offset, op.axis1 + 1, op.axis2 + 1)
            return Pointwise(kept, diagonal(_full_batch(first, node.inputs[0])))
        if not isinstance(op, _MOVES) or view.is_constant:
            return None
        repeated = view.repeated_as(node.inputs[0], self.x)
        moved = repeated.then(op, tuple(node.inputs[1:]), output.type.ndim)
        if all(first.type.broadcastable[1:]):
            flat = first.reshape((first.type.shape[0],))
            return Pointwise(moved, flat.dimshuffle(0, *("x",) * output.type.ndim))
        return Pointwise(moved, vectorize_graph(output, {node.inputs[0]: _full_batch(first, node.inputs[0])}))

    def _reduced(self, node: Apply, view: View, first: TensorVariable) -> Pointwise | None:
        """Reduce over axes along which x does not vary."""
        source = node.inputs[0]
        axes = tuple(range(source.type.ndim)) if node.op.axis is None else tuple(node.op.axis)
        if not view.is_repeated_along(axes):
            return None
        kept = tuple(view.order[axis] for axis in range(source.type.ndim) if axis not in axes)
        batch = _full_batch(first, source)
        reduced = node.op.clone(axis=tuple(axis + 1 for axis in axes))(batch)
        return Pointwise(View(view.steps, view.base_ndim, kept), reduced)

    def _is_linear(self, node: Apply) -> bool:
        """Whether the node is linear in the inputs that depend on x, taken together."""
        op = node.op
        dependent = [i in self.states for i in node.inputs]
        if isinstance(op, Elemwise):
            kind = type(op.scalar_op)
            is_float = node.outputs[0].type.dtype.startswith("float")
            return is_float and (
                kind in (ps.Add, ps.Sub, ps.Neg, ps.Identity, ps.Cast)
                or (kind is ps.Mul and sum(dependent) == 1)
                or (kind in (ps.TrueDiv, ps.Switch) and not dependent[1 if kind is ps.TrueDiv else 0])
                or (kind is ps.Second and not dependent[0])
            )
        if isinstance(op, Sum | DimShuffle | SpecifyShape | Join | MakeVector) or (
            isinstance(op, CumOp) and op.mode == "add"
        ):
            return True
        if isinstance(op, Dot) or (isinstance(op, Blockwise) and isinstance(op.core_op, Dot)):
            return sum(dependent) == 1
        return isinstance(op, Alloc | Subtensor | AdvancedSubtensor | Reshape) and not any(dependent[1:])

    def _close(self, variable: TensorVariable) -> TensorVariable:
        """Return a graph linear in the indicators of x, without the parts that do not depend on x."""
        state, node = self.states[variable], variable.owner
        is_linear = node is not None and self._is_linear(node)
        if isinstance(state, Summed) or (is_linear and isinstance(node.op, Elemwise | Sum) and self._is_sum(node)):
            return self._close_linear(node)
        assert isinstance(state, Pointwise)
        values, view = state.values, state.view
        if not view.steps:
            order = (0, *(axis if axis == "x" else axis + 1 for axis in view.order))
            return (values * self.indicators.dimshuffle(*order)).sum(axis=0)
        products = [values[k] * view.apply(self.indicators[k]) for k in range(self.indicators.type.shape[0])]
        return pt.add(*products)

    @staticmethod
    def _is_sum(node: Apply) -> bool:
        return isinstance(node.op, Sum) or isinstance(node.op.scalar_op, ps.Add | ps.Sub | ps.Neg)

    def _close_linear(self, node: Apply) -> TensorVariable:
        op, output = node.op, node.outputs[0]
        closed = {i: self._close(i) for i in node.inputs if i in self.states}
        if not isinstance(op, Elemwise):
            closed = {i: full(part, i) for i, part in closed.items()}
        if isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Add):
            total = sum(closed[i] for i in node.inputs if i in closed)
            return full(total, output)
        # Parts without x of what is added up, joined or chosen count as zero; factors and indices stay.
        first = 1 if isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Switch) else 0
        is_additive = isinstance(op, Join | MakeVector) or (
            isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Sub | ps.Switch)
        )
        arguments = [
            closed.get(i, pt.zeros_like(i, dtype="float64") if is_additive and position >= first else i)
            for position, i in enumerate(node.inputs)
        ]
        return full(op(*arguments), output)


def _full_core(values: TensorVariable, like: TensorVariable, batch_ndim: int) -> TensorVariable:
    """Repeat values along the axes of matrices and vectors, where they are the same along these."""
    lengths = [n if n is not None else like.shape[axis] for axis, n in enumerate(like.type.shape)]
    kept = [values.shape[axis + 1] for axis in range(batch_ndim)]
    is_full = values.type.shape[1 + batch_ndim :] == like.type.shape[batch_ndim:]
    return values if is_full else pt.alloc(values, values.shape[0], *kept, *lengths[batch_ndim:])


def _full_batch(values: TensorVariable, like: TensorVariable) -> TensorVariable:
    lengths = [n if n is not None else like.shape[axis] for axis, n in enumerate(like.type.shape)]
    return values if values.type.shape[1:] == like.type.shape else pt.alloc(values, values.shape[0], *lengths)
