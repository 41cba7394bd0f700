"""Operations whose outcomes have elements of their inputs, as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import Alloc, Join, MakeVector, Split
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.extra_ops import Repeat
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.log_scale.arithmetic import is_elementwise

_OF_ONE = (Alloc, AdvancedSubtensor, CheckAndRaise, DimShuffle, Repeat, Reshape, SpecifyShape, Split, Subtensor)


def arranged_places(variable: Variable) -> list[int]:
    """Return the places of the inputs of which every element of an outcome is one; none where that is not so."""
    node: Any = variable.owner
    if node is None:
        return []
    if isinstance(node.op, Join | MakeVector):
        return list(range(len(node.inputs)))
    if isinstance(node.op, _OF_ONE) or is_elementwise(variable, ps.Identity) or _is_cast_of_float(variable):
        return [0]
    if isinstance(node.op, IncSubtensor | AdvancedIncSubtensor):
        return [0, 1] if node.op.set_instead_of_inc else []
    if is_elementwise(variable, ps.Second):
        return [1]
    return [1, 2] if is_elementwise(variable, ps.Switch) else []


def arranged(
    variable: Variable,
    stable: Callable[[Variable], TensorVariable | None],
    plain: Callable[[TensorVariable], TensorVariable],
) -> TensorVariable | None:
    """Return the same arrangement of a function of the parts; None where no part has a stable one.

    Parameters
    ----------
    variable : Variable
        An outcome of an arrangement.
    stable : callable
        The function of a part, where a stable form is known.
    plain : callable
        The function of any other part. One that is not selected may be zero: infinite slopes have to count nothing.
    """
    node = variable.owner
    found = {place: stable(node.inputs[place]) for place in arranged_places(variable)}
    if all(part is None for part in found.values()):
        return None
    parts = {place: plain(pt.as_tensor(node.inputs[place])) if part is None else part for place, part in found.items()}
    return _remade(node.op, [parts.get(place, i) for place, i in enumerate(node.inputs)], node.outputs.index(variable))


def _remade(op: Any, inputs: Sequence[Variable], place: int) -> TensorVariable:
    if isinstance(op, MakeVector):
        return pt.stack(list(inputs))
    outcome: Any = op.make_node(*inputs).outputs[place]
    return outcome


def _is_cast_of_float(variable: Variable) -> bool:
    if not is_elementwise(variable, ps.Cast):
        return False
    return all(str(v.type.dtype).startswith("float") for v in (variable, variable.owner.inputs[0]))
