"""Parameter checks, lifted so that each state is rejected by its own parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar.basic import Switch
from pytensor.tensor.basic import MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import All
from pytensor.tensor.variable import TensorVariable

from graphs.lifting.state import Lifted, Lifting, MixingError, folded


def as_guard(node: Apply) -> tuple[TensorVariable, list[Variable]] | None:
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


def lift_guard(expression: TensorVariable, conditions: list[Variable], lifting: Lifting) -> Lifted:
    """Guard element by element: a check of all parameters at once rejects each state by its own parameters."""
    if expression not in lifting.done:
        raise MixingError("a parameter check depends on the plate, but what it guards does not")
    lifted = lifting.done[expression]
    value = lifted.value
    for condition in _conjuncts(conditions):
        guard = _lift_condition(condition, lifted, lifting)
        if isinstance(guard, Constant) and bool(np.all(guard.data)):
            continue
        value = pt.switch(guard, value, -np.inf)
    return Lifted(value, lifted.axes)


def _conjuncts(conditions: Sequence[Variable]) -> list[Variable]:
    """Open ``all`` and ``stack`` around conditions, down to the element-wise comparisons."""
    found: list[Variable] = []
    for condition in conditions:
        node = condition.owner
        opens = isinstance(node.op, All | ScalarFromTensor | TensorFromScalar | MakeVector) if node else False
        found.extend(_conjuncts(node.inputs) if opens else [condition])
    return found


def _lift_condition(condition: Variable, guarded: Lifted, lifting: Lifting) -> TensorVariable:
    if condition in lifting.failed:
        raise MixingError(lifting.failed[condition])
    if condition not in lifting.done:
        return folded(pt.all(condition))
    lifted = lifting.done[condition]
    extra = len(lifted.axes) - len(guarded.axes)
    if extra > 0:
        if any(a is not None for a in lifted.axes[-extra:]):
            raise MixingError("a parameter check reduces along the plate")
        lifted = Lifted(pt.all(lifted.value, axis=tuple(range(-extra, 0))), lifted.axes[: len(lifted.axes) - extra])
    missing = len(guarded.axes) - len(lifted.axes)
    aligned = (None,) * missing + lifted.axes
    if any(a is not None and a != b for a, b in zip(aligned, guarded.axes, strict=True)):
        raise MixingError("a parameter check is not aligned with what it guards")
    return lifted.value.dimshuffle([0] + ["x"] * missing + list(range(1, len(lifted.axes) + 1)))
