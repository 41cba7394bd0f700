"""Remove the checks of a log-density that the supports of its variables already imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import Alloc, Join, MakeVector, ScalarFromTensor
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import All
from pytensor.tensor.shape import Shape
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.limits.masked_slopes import without_idle_masks
from graphs.supports import Support


def strip_guards(graphs: Any, supports: Mapping[Any, Support], *, almost_surely: bool = False) -> Any:
    """Remove parameter checks and support guards that hold wherever the inputs lie in their supports.

    ``Check{c}(f)`` and ``switch(c, f, -inf)`` become ``f`` where ``c`` is implied, in exact arithmetic, by the supports
    and the constants. So does every other ``switch`` whose branch is decided, and its branch loses its masked slopes;
    ``abs``, ``sign`` and ``clip`` of values whose sign or range is known go, too, and static shapes become constants.
    What is not implied is kept: a check becomes ``switch(c, f, -inf)``, with the part of ``c`` that remains open, so
    that it never raises.

    Parameters
    ----------
    graphs : TensorVariable or sequence of TensorVariable
        Log-densities.
    supports : mapping of Variable to Support
        Supports of the value variables; those not listed are real, or integers where their dtype is.
    almost_surely : bool
        Whether to remove as well what fails with probability zero: squares of continuous inputs are positive.

    Returns
    -------
    TensorVariable or list of TensorVariable
        New graphs on the same inputs.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from graphs.supports import POSITIVE
    >>> x = pt.scalar("x")
    >>> guarded = pt.switch(x > 0, -x, -np.inf)
    >>> strip_guards(guarded, {x: POSITIVE}).owner.op
    Elemwise(scalar_op=neg,inplace_pattern=<frozendict {}>)
    """
    outputs = [graphs] if isinstance(graphs, Variable) else list(graphs)
    signs = Signs(supports, almost_surely=almost_surely)
    replaced: dict[Variable, Variable] = {}
    for node in toposort(outputs):
        inputs = [replaced.get(i, i) for i in node.inputs]
        simplified = _simplify(node, inputs, signs)
        if simplified is not None:
            replaced[node.outputs[0]] = _like(simplified, node.outputs[0])
        elif inputs != node.inputs:
            clone = node.clone_with_new_inputs(inputs, strict=False)
            replaced.update(zip(node.outputs, clone.outputs, strict=True))
    stripped = without_idle_masks([replaced.get(output, output) for output in outputs])
    return stripped[0] if isinstance(graphs, Variable) else stripped


def _simplify(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    """Return what the node becomes, or None where it stays as it is."""
    if isinstance(node.op, CheckAndRaise):
        return _simplify_check(node, inputs, signs)
    if isinstance(node.op, Elemwise):
        rule = _RULES.get(type(node.op.scalar_op))
        return None if rule is None else rule(node, inputs, signs)
    if isinstance(node.op, Shape) and None not in node.inputs[0].type.shape:
        return pt.constant(np.array(node.inputs[0].type.shape, dtype="int64"))
    return None


def _simplify_check(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    expression = inputs[0]
    remaining = [c for old, new in zip(node.inputs[1:], inputs[1:], strict=True) for c in _open_parts(old, new, signs)]
    if not remaining:
        return expression
    if expression.type.dtype not in ("float32", "float64"):
        return None
    condition = remaining[0] if len(remaining) == 1 else pt.all(pt.stack(remaining))
    # A failed assertion on something that is no log-density must not pass for a number.
    otherwise = -np.inf if isinstance(node.op, CheckParameterValue) else np.nan
    return pt.switch(condition, expression, np.asarray(otherwise, dtype=expression.type.dtype))


def _open_parts(condition: Variable, replacement: Variable, signs: Signs) -> list[Variable]:
    """Return the scalar parts of a conjunction that the supports do not imply."""
    if signs.of(condition).is_true:
        return []
    node, new = condition.owner, replacement.owner
    if node is not None and new is not None and len(node.inputs) == len(new.inputs):
        if isinstance(node.op, ScalarFromTensor | MakeVector | Join | DimShuffle) and condition.type.dtype == "bool":
            pairs = zip(node.inputs, new.inputs, strict=True)
            return [part for old, now in pairs for part in _open_parts(old, now, signs)]
        is_conjunction = isinstance(node.op, All) and node.op.axis in (None, tuple(range(node.inputs[0].type.ndim)))
        if is_conjunction:
            return [pt.all(part) for part in _open_parts(node.inputs[0], new.inputs[0], signs)]
    return [pt.as_tensor(replacement)]


def _simplify_switch(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    truth = signs.of(node.inputs[0])
    if truth.is_true:
        return inputs[1]
    return inputs[2] if truth.is_false else None


def _simplify_logic(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    """Drop the operands of ``and`` that are true and those of ``or`` that are false."""
    if node.outputs[0].type.dtype != "bool":
        return None
    truth = signs.of(node.outputs[0])
    if truth.is_true or truth.is_false:
        return pt.constant(truth.is_true)
    is_and = isinstance(node.op.scalar_op, ps.AND)
    bounds = [signs.of(i) for i in node.inputs]
    kept = [new for new, b in zip(inputs, bounds, strict=True) if not (b.is_true if is_and else b.is_false)]
    return kept[0] if len(kept) == 1 and kept[0].type.dtype == "bool" else None


def _simplify_sign(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    bounds = signs.of(node.outputs[0])
    if bounds.lower == bounds.upper and not bounds.may_be_nan:
        return pt.constant(np.asarray(bounds.lower, dtype=node.outputs[0].type.dtype))
    return None


def _simplify_abs(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    return inputs[0] if signs.of(node.inputs[0]).is_non_negative else None


def _simplify_clip(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    value, lower, upper = (signs.of(i) for i in node.inputs)
    may_be_nan = value.may_be_nan or lower.may_be_nan or upper.may_be_nan
    is_inside = not may_be_nan and value.lower >= lower.upper and value.upper <= upper.lower
    return inputs[0] if is_inside else None


def _simplify_comparison(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    """Drop the positive factors of a product that is compared with zero."""
    product, zero = node.inputs
    kept = _without_positive(product, signs) if signs.of(zero).is_false else product
    return None if kept is product else node.op(kept, zero)


def _without_positive(product: Variable, signs: Signs) -> Variable:
    """Return a product without the factors that are positive, unless all are or none."""
    node = product.owner
    if node is None or not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, ps.Mul):
        return product
    kept = [f for f in node.inputs if not signs.of(f).is_positive]
    if not kept or len(kept) == len(node.inputs):
        return product
    return pt.mul(*kept) if len(kept) > 1 else kept[0]


def _simplify_equal(node: Apply, inputs: list[Variable], signs: Signs) -> Variable | None:
    """Compare what the logarithm is taken of with zero, instead of the logarithm with minus infinity."""
    if not _is_minus_infinity(inputs[1]):
        return _simplify_comparison(node, inputs, signs)
    logarithm = node.inputs[0].owner
    is_log = logarithm is not None and isinstance(logarithm.op, Elemwise) and isinstance(logarithm.op.scalar_op, ps.Log)
    if not is_log:
        return None
    kept = _without_positive(logarithm.inputs[0], signs)
    return None if kept is logarithm.inputs[0] else pt.eq(kept, 0)


def _is_minus_infinity(variable: Variable) -> bool:
    while variable.owner is not None and (
        isinstance(variable.owner.op, DimShuffle | Alloc) or _is_cast(variable.owner)
    ):
        variable = variable.owner.inputs[0]
    return isinstance(variable, Constant) and bool(np.all(np.asarray(variable.data) == -np.inf))


def _is_cast(node: Apply) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Cast)


def _like(variable: Variable, original: Variable) -> Variable:
    """Give ``variable`` the dtype and shape of the one that it replaces."""
    if not isinstance(original, TensorVariable):
        return variable
    if variable.type.dtype != original.type.dtype:
        variable = pt.cast(variable, original.type.dtype)
    if variable.type.ndim < original.type.ndim:
        variable = pt.shape_padleft(variable, original.type.ndim - variable.type.ndim)
    if variable.type.shape == original.type.shape:
        return variable
    if None not in original.type.shape:
        return pt.alloc(variable, *original.type.shape)
    return pt.second(original, variable)


_RULES: dict[type, Callable[[Apply, list[Variable], Signs], Variable | None]] = {
    ps.Switch: _simplify_switch,
    ps.AND: _simplify_logic,
    ps.OR: _simplify_logic,
    ps.Sign: _simplify_sign,
    ps.Abs: _simplify_abs,
    ps.Clip: _simplify_clip,
    ps.EQ: _simplify_equal,
    ps.NEQ: _simplify_comparison,
    ps.GT: _simplify_comparison,
    ps.GE: _simplify_comparison,
    ps.LT: _simplify_comparison,
    ps.LE: _simplify_comparison,
}
