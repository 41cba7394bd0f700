"""Parameter checks, lifted so that each state is rejected by its own parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar.basic import Switch, switch
from pytensor.tensor.basic import MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import All

from graphs.marginal.lifting.elementwise import apply_elementwise, reduce_axes
from graphs.marginal.lifting.state import Lifted, Lifting, folded

_SWITCH = Elemwise(switch)
_ALL = All()


def as_guard(node: Apply) -> tuple[Variable, list[Variable]] | None:
    """Read ``Check(expression, conditions)`` and ``switch(all(condition), expression, -inf)``."""
    if isinstance(node.op, CheckParameterValue):
        return node.inputs[0], node.inputs[1:]
    if not (isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Switch)):
        return None
    condition, otherwise = _without_new_axes(node.inputs[0]), _without_new_axes(node.inputs[2])
    is_impossible = isinstance(otherwise, Constant) and np.all(np.asarray(otherwise.data) == -np.inf)
    if is_impossible and condition.owner is not None and isinstance(condition.owner.op, All):
        return node.inputs[1], [condition]
    return None


def _without_new_axes(variable: Variable) -> Variable:
    node = variable.owner
    if node is not None and isinstance(node.op, DimShuffle) and node.op.is_expand_dims:
        return _without_new_axes(node.inputs[0])
    return variable


def lift_guard(expression: Variable, conditions: Sequence[Variable], lifting: Lifting) -> Lifted:
    """Guard element by element: a check of all parameters at once rejects each state by its own parameters.

    Every element of a condition guards at least one element of the expression, and minus infinity anywhere is minus
    infinity in the sum.
    """
    guarded = lifting.get(expression)
    impossible = Lifted(pt.constant(np.float64(-np.inf)), (), ())
    for condition in conjuncts(conditions):
        if not lifting.depends(condition):
            fixed = folded(pt.all(condition))
            if isinstance(fixed, Constant) and bool(fixed.data):
                continue
            guard = Lifted(fixed, (), ())
        else:
            guard = _aligned_condition(lifting.get(condition), guarded, lifting)
            if isinstance(guard.value, Constant) and bool(np.all(guard.value.data)):
                continue
        [guarded] = apply_elementwise(_SWITCH, [guard, guarded, impossible], lifting)
    return guarded


def conjuncts(conditions: Sequence[Variable]) -> list[Variable]:
    """Open ``all`` and ``stack`` around conditions, down to the element-wise comparisons."""
    found: list[Variable] = []
    for condition in conditions:
        node = condition.owner
        opens = isinstance(node.op, All | ScalarFromTensor | TensorFromScalar | MakeVector) if node else False
        found.extend(conjuncts(node.inputs) if opens else [condition])
    return found


def _aligned_condition(condition: Lifted, guarded: Lifted, lifting: Lifting) -> Lifted:
    """Bring a condition to the axes of what it guards: those that it has more are about vectors and matrices."""
    extra = len(condition.shape) - len(guarded.shape)
    if extra > 0:
        last = range(len(condition.shape) - 1, len(guarded.shape) - 1, -1)
        condition = reduce_axes(condition, list(last), _ALL, lifting)
    own = guarded.shape[len(guarded.shape) - len(condition.shape) :]
    if any(n not in (1, m) for n, m in zip(condition.shape, own, strict=True)):
        condition = reduce_axes(condition, list(range(len(condition.shape)))[::-1], _ALL, lifting)
    return condition
