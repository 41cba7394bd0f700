"""Expansions of operations on whole arrays: gathers, sums, products with constant matrices, joins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.tensor.basic import Alloc, ExtractDiag, Join, MakeVector
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import filled, number, times
from graphs.conditional.expanding.expansion import CONSTANT, Expansion, Key, Obstacle, Result, add, multiply
from graphs.conditional.expanding.indexing import trivial_axes
from graphs.conditional.expanding.scalar_rules import without_obstacle
from graphs.conditional.expanding.views import ElementView

if TYPE_CHECKING:
    from graphs.conditional.expanding.expander import Expander


def expand_array_op(expander: Expander, node: Apply, inputs: Sequence[Result]) -> Result:
    """Return the expansion of a node that is not element by element."""
    expansions = without_obstacle(expander, node, inputs)
    if isinstance(expansions, Obstacle):
        return expansions
    for kinds, rule in _RULES:
        if isinstance(node.op, kinds):
            return rule(expander, node, expansions)
    if _is_product(node):
        return _expand_product(expander, node, expansions)
    return Obstacle(f"{expander.show(node.outputs[0])} is no sum of features of it")


def _expand_move(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    if any(expander.depends(i) for i in node.inputs[1:]):
        return Obstacle(f"it is an index in {expander.show(node.outputs[0])}")
    if isinstance(node.op, AdvancedSubtensor):
        entries = indices_from_subtensor(node.inputs[1:], node.op.idx_list)
        trivial = trivial_axes(node.inputs[0], entries)
        if trivial:
            squeezed = node.inputs[0].squeeze(trivial)
            moved = squeezed[tuple(e for axis, e in enumerate(entries) if axis not in trivial)]
            return _move(expander, moved.owner, _reorder(inputs[0], squeezed.owner.op))
    return _move(expander, node, inputs[0])


def _expand_product(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    if sum(expander.depends(i) for i in node.inputs) == 1:
        return _apply_linear(expander, node, inputs)
    if all(i.type.ndim == 1 for i in node.inputs):
        return _inner_product(expander, node, inputs)
    return Obstacle(f"it enters twice in {expander.show(node.outputs[0])}")


def _expand_cumulative(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    if node.op.mode == "add":
        return _apply_linear(expander, node, inputs)
    return Obstacle(f"{expander.show(node.outputs[0])} is no sum of features of it")


def _is_product(node: Apply) -> bool:
    op = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    return isinstance(op, Dot)


def _reorder(given: Expansion, op: DimShuffle) -> Expansion:
    terms = {
        (view if view is None else view.reorder(op.new_order), monomial): coefficient.dimshuffle(*op.new_order)
        if all(coefficient.type.broadcastable[axis] for axis in op.drop)
        else coefficient.reshape([coefficient.shape[a] if a != "x" else 1 for a in op.new_order])
        for (view, monomial), coefficient in given.terms.items()
    }
    return Expansion(terms, None if given.linear is None else op(given.linear))


def _move(expander: Expander, node: Apply, given: Expansion) -> Expansion:
    """Index or reshape: views that vary take another step, coefficients are moved alike."""
    source, output, rest = node.inputs[0], node.outputs[0], node.inputs[1:]
    terms: dict[Key, TensorVariable] = {}
    for (view, monomial), coefficient in given.terms.items():
        if number(coefficient) is not None and view is not None:
            moved = filled(float(number(coefficient) or 0.0), output.type.ndim)
        else:
            moved = node.op(full(coefficient, source), *rest)
        if view is None:
            terms[CONSTANT] = moved
        elif view.is_constant:
            terms[ElementView(view.steps, view.base_ndim, ("x",) * output.type.ndim), monomial] = moved
        else:
            repeated = view.repeated_as(source, expander.x)
            terms[repeated.then(node.op, tuple(rest), output.type.ndim), monomial] = moved
    return Expansion(terms, None if given.linear is None else node.op(full(given.linear, source), *rest))


def _broadcast(node: Apply, given: Expansion) -> Expansion:
    """Repeat an array: left axes are added, the rest broadcasts by itself."""
    extra = node.outputs[0].type.ndim - node.inputs[0].type.ndim
    order = ("x",) * extra + tuple(range(node.inputs[0].type.ndim))
    return given if extra == 0 else _reorder(given, DimShuffle(input_ndim=len(order) - extra, new_order=order))


def _sum(expander: Expander, node: Apply, given: Expansion) -> Expansion:
    """Sum: within coefficients where the view is repeated, over elements of x otherwise."""
    source = node.inputs[0]
    axes = tuple(range(source.type.ndim)) if node.op.axis is None else tuple(node.op.axis)
    kept = tuple(axis for axis in range(source.type.ndim) if axis not in axes)
    result = Expansion()
    for (view, monomial), coefficient in given.terms.items():
        if view is None or view.is_repeated_along(axes):
            reduced = (
                view if view is None else ElementView(view.steps, view.base_ndim, tuple(view.order[a] for a in kept))
            )
            part = Expansion({(reduced, monomial): _sum_full(coefficient, source, axes)})
        else:
            closed = expander.close((view, monomial), coefficient)
            part = Expansion({}, full(closed, source).sum(axis=axes))
        result = add(result, part)
    if given.linear is not None:
        result = add(result, Expansion({}, full(given.linear, source).sum(axis=axes)))
    return result


def _sum_full(coefficient: TensorVariable, like: TensorVariable, axes: tuple[int, ...]) -> TensorVariable:
    """Sum a coefficient over axes along which it may have to be repeated first."""
    lengths = [like.type.shape[axis] for axis in axes]
    value = number(coefficient)
    if value is not None and None not in lengths and set(coefficient.type.shape) <= {1}:
        count = 1.0
        for length in lengths:
            count *= length or 0
        return filled(value * count, coefficient.type.ndim - len(axes))
    repeated = [axis for axis in axes if coefficient.type.broadcastable[axis] and like.type.shape[axis] is not None]
    if len(repeated) == len(axes):
        factor = 1.0
        for axis in axes:
            factor *= like.type.shape[axis] or 0
        kept = [axis for axis in range(coefficient.type.ndim) if axis not in axes]
        return times(filled(factor, len(kept)), coefficient.dimshuffle(*kept))
    return full(coefficient, like).sum(axis=axes)


def _inner_product(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    product = multiply(*inputs)
    if isinstance(product, Obstacle):
        return product
    summed = pt.mul(*node.inputs).sum()
    return _sum(expander, summed.owner, product)


def _apply_linear(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    """Apply an operation that is linear in all the inputs that depend on x, taken together."""
    dependent = [i for i, variable in enumerate(node.inputs) if expander.depends(variable)]
    constant_like = [i for i in range(len(node.inputs)) if i in dependent or _is_additive(node, i)]
    output = node.outputs[0]

    def applied(parts: dict[int, TensorVariable]) -> TensorVariable:
        arguments = [
            full(parts[i], variable) if i in parts else pt.zeros(variable.shape) if i in constant_like else variable
            for i, variable in enumerate(node.inputs)
        ]
        return node.op(*arguments)

    keys = dict.fromkeys(key for i in dependent for key in inputs[i].terms if key[0] is not None)
    result = Expansion()
    linear = {i: inputs[i].linear for i in dependent if inputs[i].linear is not None}
    for key in keys:
        view, monomial = key
        parts = {i: inputs[i].terms[key] for i in dependent if key in inputs[i].terms}
        if view is not None and view.is_constant:
            moved = ElementView(view.steps, view.base_ndim, ("x",) * output.type.ndim)
            result = add(result, Expansion({(moved, monomial): applied(parts)}))
        else:
            for i, coefficient in parts.items():
                closed = expander.close(key, coefficient)
                linear[i] = closed if i not in linear else full(linear[i], node.inputs[i]) + closed
    constants = {i: inputs[i].terms[CONSTANT] for i in constant_like if CONSTANT in inputs[i].terms}
    if constants:
        result = add(result, Expansion({CONSTANT: applied(constants)}))
    return add(result, Expansion({}, applied(linear))) if linear else result


def _is_additive(node: Apply, position: int) -> bool:
    """Whether an input without x counts as a constant part rather than as a factor or an index."""
    if isinstance(node.op, MakeVector | Join):
        return True
    return isinstance(node.op, IncSubtensor | AdvancedIncSubtensor) and position < 2


def full(part: TensorVariable, like: TensorVariable) -> TensorVariable:
    """Repeat ``part`` to the shape of ``like``."""
    if part.type.shape == like.type.shape and None not in like.type.shape:
        return part
    lengths = [n if n is not None else like.shape[axis] for axis, n in enumerate(like.type.shape)]
    return pt.alloc(part, *lengths) if lengths else part


_RULES: tuple[tuple[Any, Callable[[Expander, Apply, Sequence[Expansion]], Result]], ...] = (
    (SpecifyShape, lambda expander, node, inputs: inputs[0]),
    (DimShuffle, lambda expander, node, inputs: _reorder(inputs[0], node.op)),
    (Alloc, lambda expander, node, inputs: _broadcast(node, inputs[0])),
    (Sum, lambda expander, node, inputs: _sum(expander, node, inputs[0])),
    ((Subtensor, AdvancedSubtensor, Reshape, ExtractDiag), _expand_move),
    ((Join, MakeVector, IncSubtensor, AdvancedIncSubtensor), _apply_linear),
    (CumOp, _expand_cumulative),
)
