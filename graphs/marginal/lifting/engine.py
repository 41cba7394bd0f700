"""Walks over graphs that lift node by node, each by the rule of its operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.lifting.guards import as_guard, conjuncts, lift_guard
from graphs.marginal.lifting.state import Lifted, Lifting, MixingError, Slot, folded, with_shape

MOST_STATES = 2**24
"""Most joint states of what a term depends on."""

RULES: dict[type, Any] = {}
"""How to lift an operation, by its class; that of `object` is for all that have none of their own."""


def of_states(variable: TensorVariable, states: NDArray[np.int64], atoms: NDArray[np.int64]) -> Lifted:
    """Return a discrete variable at its states.

    Parameters
    ----------
    variable : TensorVariable
        A discrete variable.
    states : (K,) int64 array
        Its states.
    atoms : int64 array of the variable's shape
        The number of each element.
    """
    shape = atoms.shape
    constant = _states(tuple(states.tolist()), len(shape), variable.type.dtype)
    return Lifted(constant, (Slot(len(states), atoms),), shape)


@lru_cache(maxsize=1000)
def _states(states: tuple[int, ...], ndim: int, dtype: str) -> TensorVariable:
    """Return the same constant for all variables of the same states: what is the same need not be joined."""
    constant: TensorVariable = pt.constant(np.array(states, dtype=dtype).reshape((-1, *(1,) * ndim)))
    return constant


def lift(
    outputs: Sequence[TensorVariable], bindings: Mapping[Variable, Lifted], max_states: int = MOST_STATES
) -> list[Lifted | MixingError]:
    """Evaluate ``outputs`` at all states of discrete variables.

    Parameters
    ----------
    outputs : sequence of TensorVariable
        Graphs that may depend on the variables.
    bindings : mapping of TensorVariable to Lifted
        The variables at their states.
    max_states : int
        Most joint states of the atoms that one element may depend on.

    Returns
    -------
    list of Lifted or MixingError
        For each output, why it could not be lifted.
    """
    lifting = Lifting(dict(bindings), {}, max_states)
    lift_nodes(outputs, lifting)
    return [lifting.failed[out] if out in lifting.failed else lifting.get(out) for out in outputs]


def lift_nodes(outputs: Sequence[Variable], lifting: Lifting) -> None:
    """Lift what the outputs need of what depends on atoms; failures are kept where they happened."""
    _find_dependent(outputs, lifting)
    stack = list(outputs)
    while stack:
        variable = stack[-1]
        if variable.owner is None or not lifting.depends(variable) or _is_settled(variable, lifting):
            stack.pop()
            continue
        missing = [v for v in _needed(variable.owner) if v in lifting.dependent and not _is_settled(v, lifting)]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        node = variable.owner
        try:
            lifting.done.update(zip(node.outputs, _lift_node(node, lifting), strict=True))
        except MixingError as reason:
            lifting.failed.update(dict.fromkeys(node.outputs, reason))


def _is_settled(variable: Variable, lifting: Lifting) -> bool:
    return variable in lifting.done or variable in lifting.failed


def _find_dependent(outputs: Sequence[Variable], lifting: Lifting) -> None:
    lifting.dependent.update(lifting.done)
    for node in toposort(list(outputs)):
        if not isinstance(node.op, Shape | Shape_i) and any(i in lifting.dependent for i in node.inputs):
            lifting.dependent.update(node.outputs)


def _needed(node: Apply) -> list[Variable]:
    """Return the inputs to lift: of a parameter check the comparisons, not whether all of them hold."""
    guard = as_guard(node)
    return list(node.inputs) if guard is None else [guard[0], *conjuncts(guard[1])]


def _lift_node(node: Apply, lifting: Lifting) -> list[Lifted]:
    guard = as_guard(node)
    if guard is not None:
        return [lift_guard(*guard, lifting)]
    rule = next(RULES[kind] for kind in type(node.op).__mro__ if kind in RULES)
    found: Sequence[Lifted] = rule(node.op, node, lifting)
    return [Lifted(_known(folded(out.value), out), out.slots, out.shape) for out in found]


def _known(value: TensorVariable, lifted: Lifted) -> TensorVariable:
    return with_shape(value, (*(slot.size for slot in lifted.slots), *lifted.lengths))
