"""Which lifted arrays are exactly zero at some state: an indicator times a probability, say.

The logarithm of such an array is minus infinity at that state, and its slope infinite: zero weight times infinite slope
would make the gradient of the sum NaN.
"""

from __future__ import annotations

import numpy as np
import pytensor.scalar.basic as ps
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.basic import Alloc, Join
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import Reshape
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor

_PASSING = (DimShuffle, Reshape, Subtensor, AdvancedSubtensor, Alloc)
_DEEPEST = 12


def can_be_zero(variable: Variable, shifted: bool = False) -> bool:
    """Whether an element is zero because of constants in the graph; with ``shifted`` whether one is minus one.

    Parameters
    ----------
    variable : Variable
        Of a lifted graph, in which the states are constants.
    shifted : bool
        Ask for minus one instead, where the logarithm is that of one plus the variable.
    """
    return _can_be(variable, -1.0 if shifted else 0.0, _DEEPEST)


def _can_be(variable: Variable, number: float, depth: int) -> bool:
    if isinstance(variable, Constant):
        return bool(np.any(np.asarray(variable.data) == number))
    node = variable.owner
    if node is None or depth == 0:
        return False
    if isinstance(node.op, _PASSING):
        return _can_be(node.inputs[0], number, depth - 1)
    if isinstance(node.op, Join):
        return any(_can_be(i, number, depth - 1) for i in node.inputs)
    if not isinstance(node.op, Elemwise):
        return False
    return _elemwise_can_be(node.op.scalar_op, node.inputs, number, depth - 1)


def _elemwise_can_be(  # noqa: C901 (a table of rules)
    op: ps.ScalarOp, inputs: list[Variable], number: float, depth: int
) -> bool:
    if isinstance(op, ps.Cast | ps.Identity):
        return _can_be(inputs[0], number, depth)
    if isinstance(op, ps.Neg):
        return _can_be(inputs[0], -number, depth)
    if isinstance(op, ps.Switch):
        return any(_can_be(i, number, depth) for i in inputs[1:])
    if isinstance(op, ps.Mul):
        if number == 0:
            return any(_can_be(i, 0.0, depth) for i in inputs)
        return all(_can_be(i, 1.0, depth) or _can_be(i, -1.0, depth) for i in inputs)
    if isinstance(op, ps.Sub) and number == 0:
        # One minus something that can be one.
        return _can_be(inputs[0], 1.0, depth) and _can_be(inputs[1], 1.0, depth)
    if isinstance(op, ps.Exp | ps.Pow) and number == 1:
        return _can_be(inputs[-1], 0.0, depth)
    if isinstance(op, ps.Expm1) and number == 0:
        return _can_be(inputs[0], 0.0, depth)
    if isinstance(op, ps.TrueDiv | ps.Pow | ps.Sqr | ps.Sqrt) and number == 0:
        return _can_be(inputs[0], 0.0, depth)
    if isinstance(op, ps.Add):
        return number == 0 and all(_can_be(i, 0.0, depth) for i in inputs)
    return False
