"""A graph half lifted: which variables are known at every state, and along which axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.variable import TensorVariable

Axes = tuple[int | None, ...]


class MixingError(Exception):
    """Internal: a node mixes elements of the plate; ``str`` is the reason."""


@dataclass(frozen=True, eq=False)
class Lifted:
    """A variable at every state: ``value`` has the states on its first axis; ``axes`` describe the others."""

    value: TensorVariable
    axes: Axes


@dataclass(frozen=True, eq=False)
class Lifting:
    """What is lifted: the axes of the plate that are followed, the states, and what became of each variable so far.

    A failure counts only once something needs the variable: the ``all`` inside a parameter check reduces along the
    plate, but a check is lifted from the comparisons below it.
    """

    plate_axes: tuple[int, ...]
    num_states: int
    done: dict[Variable, Lifted]
    failed: dict[Variable, str]

    def depends(self, variable: Variable) -> bool:
        """Whether a variable depends on the states."""
        return variable in self.done or variable in self.failed

    def value(self, variable: Variable) -> TensorVariable:
        """Return a variable with the states, or one, on its first axis."""
        if variable in self.done:
            return self.done[variable].value
        return folded(pt.expand_dims(pt.as_tensor(variable), 0))

    def axes(self, variable: Variable) -> Axes | None:
        """Return the axes of a lifted variable, ``None`` where it does not depend on the states."""
        return self.done[variable].axes if variable in self.done else None


def folded(value: TensorVariable) -> TensorVariable:
    """Evaluate a node of constants at once: the states are constants, and so is much of what they pass through."""
    node = value.owner
    if node is None or not all(isinstance(i, Constant) for i in node.inputs) or len(node.outputs) != 1:
        return value
    storage: list[list[Any]] = [[None]]
    node.op.perform(node, [np.asarray(i.data) if i.ndim is not None else i.data for i in node.inputs], storage)
    return pt.constant(np.asarray(storage[0][0], dtype=value.type.dtype))


def broadcast_axes(node: Apply, lifting: Lifting, batch_ndims: Sequence[int], out_ndim: int) -> Axes:
    """Join the axes of inputs that are broadcast together."""
    joined: list[int | None] = [None] * out_ndim
    for variable, ndim in zip(node.inputs, batch_ndims, strict=True):
        axes = lifting.axes(variable)
        if axes is None:
            continue
        for i, axis in enumerate(axes[:ndim]):
            position = out_ndim - ndim + i
            if axis is None:
                continue
            if joined[position] not in (None, axis):
                raise MixingError(f"{node.op} pairs different axes of the plate")
            joined[position] = axis
    for variable, ndim in zip(node.inputs, batch_ndims, strict=True):
        axes = lifting.axes(variable)
        if axes is None:
            continue
        own = {out_ndim - ndim + i: axis for i, axis in enumerate(axes[:ndim])}
        for position, axis in enumerate(joined):
            if axis is not None and own.get(position) != axis:
                raise MixingError(f"{node.op} pairs each element of the plate with every other")
    return tuple(joined)


def lift_unknown(op: Any, node: Apply, lifting: Lifting) -> list[Lifted]:
    """Lift a node of a kind that has no rule: possible where the plate has no axes."""
    if lifting.plate_axes:
        raise MixingError(f"it is not known how {op} treats the elements of the plate")
    replacements = {i: _full(lifting.done[i].value, lifting) for i in node.inputs if i in lifting.done}
    stand_ins = {i: i.type() for i in replacements}
    inputs = [stand_ins.get(i, i) for i in node.inputs]
    lifted = vectorize_graph(
        list(op.make_node(*inputs).outputs), {stand_ins[i]: value for i, value in replacements.items()}
    )
    return [Lifted(out, (None,) * (out.type.ndim - 1)) for out in lifted]


def _full(value: TensorVariable, lifting: Lifting) -> TensorVariable:
    if value.type.shape[0] == lifting.num_states:
        return value
    return pt.broadcast_to(value, (lifting.num_states, *tuple(value.shape)[1:]))


Rule = Callable[[Any, Apply, Lifting], list[Lifted]]
