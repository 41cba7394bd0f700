"""Evaluate a graph at every state of a discrete variable at once, without mixing the elements of its plate.

A discrete variable ``k`` of shape (n,) with K states has K**n configurations, but a graph in which element i depends
on ``k[i]`` alone needs only K evaluations of n elements. Lifting replaces ``k`` by its K states on a new leading axis
and rebuilds the graph above it, node by node; beside each lifted variable it keeps ``axes``: for each axis of the
original variable, the axis of ``k`` along which it follows ``k`` element by element, or ``None``.

A node that would make an element depend on several elements of ``k`` (a sum along the plate, ``k[1:]``, a pair
``(k_i, k_j)``) ends the lifting with a reason: such a variable has to be eliminated in another way.

Limits: axes that follow ``k`` have length one after lifting as long as nothing else varies along them, so that
``mu[k]`` becomes ``mu[:, None]``, a view, and not a gather of K times n elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.graph.traversal import toposort
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.variable import TensorVariable

from graphs.lifting import elementwise, indexing
from graphs.lifting.guards import as_guard, lift_guard
from graphs.lifting.state import Lifted, Lifting, MixingError, Rule, folded, lift_unknown

__all__ = ["Lifted", "MixingError", "lift", "states_on_axis"]

RULES: dict[type, Rule] = {**elementwise.RULES, **indexing.RULES}


def _rule_of(op: Any) -> Rule:
    return next((RULES[kind] for kind in type(op).__mro__ if kind in RULES), lift_unknown)


def states_on_axis(states: NDArray[np.int64], variable: TensorVariable) -> TensorVariable:
    """Return states as a constant of shape (K, 1, ..., 1), one axis more than ``variable``."""
    shape = (-1,) + (1,) * variable.type.ndim
    constant: TensorVariable = pt.constant(states.reshape(shape).astype(variable.type.dtype))
    return constant


def lift(outputs: Sequence[TensorVariable], variable: TensorVariable, states: TensorVariable) -> list[Lifted]:
    """Evaluate ``outputs`` at every state of ``variable``.

    Parameters
    ----------
    outputs : sequence of TensorVariable
        Graphs that depend on ``variable``.
    variable : TensorVariable
        A value variable of static shape.
    states : TensorVariable
        Its states on the first axis, then the axes of ``variable``, of their length or of length one.

    Returns
    -------
    list of Lifted

    Raises
    ------
    MixingError
        With the reason, if an element of an output depends on several elements of ``variable``.
    """
    # Along an axis of length one there is nothing to mix, and it may be broadcast: it is not followed.
    axes = tuple(None if length == 1 else axis for axis, length in enumerate(variable.type.shape))
    plate_axes = tuple(axis for axis in axes if axis is not None)
    lifting = Lifting(plate_axes, int(states.type.shape[0]), {variable: Lifted(states, axes)}, {})
    for node in toposort(list(outputs)):
        if isinstance(node.op, Shape | Shape_i) or not any(lifting.depends(i) for i in node.inputs):
            continue
        try:
            lifted = _lift_checked(node, lifting)
        except MixingError as reason:
            lifting.failed.update(dict.fromkeys(node.outputs, str(reason)))
        else:
            lifting.done.update(zip(node.outputs, lifted, strict=True))
    for out in outputs:
        if out in lifting.failed:
            raise MixingError(lifting.failed[out])
    return [lifting.done[out] for out in outputs]


def _lift_checked(node: Apply, lifting: Lifting) -> list[Lifted]:
    guard = as_guard(node)
    for variable in [guard[0]] if guard else node.inputs:
        if variable in lifting.failed:
            raise MixingError(lifting.failed[variable])
    result = [lift_guard(*guard, lifting)] if guard else _rule_of(node.op)(node.op, node, lifting)
    for lifted in result:
        present = sorted(a for a in lifted.axes if a is not None)
        if present != list(lifting.plate_axes):
            raise MixingError(f"{node.op} makes an element depend on several elements of the plate")
    return [Lifted(folded(lifted.value), lifted.axes) for lifted in result]
