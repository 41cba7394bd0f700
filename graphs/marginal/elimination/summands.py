"""Take a sum apart before its parts are lifted: what is added up in the end need not be added up at joint states."""

from __future__ import annotations

from collections.abc import Sequence

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.basic import Join, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.lifting.state import Lifting

type Weight = TensorVariable | None


class Opening:
    """Decides which sums are opened: those over elements that depend on different atoms.

    Parameters
    ----------
    lifting : Lifting
        Receives what is lifted in order to see that.
    """

    def __init__(self, lifting: Lifting):
        self.lifting = lifting
        self._mixing: dict[Variable, bool] = {}

    def depends(self, variable: Variable) -> bool:
        """Whether a variable depends on an atom."""
        return self.lifting.depends(variable)

    def mixes(self, variable: Variable) -> bool:
        """Whether a variable is made, by linear operations, of a sum over elements that depend on different atoms."""
        if variable not in self._mixing:
            self._mixing[variable] = self.depends(variable) and self._is_mixing(variable)
        return self._mixing[variable]

    def _is_mixing(self, variable: Variable) -> bool:
        node = variable.owner
        if node is None:
            return False
        op = node.op
        if isinstance(op, Sum):
            [inner] = node.inputs
            axes = range(inner.type.ndim) if op.axis is None else op.axis
            return self._varies(inner, [axis % inner.type.ndim for axis in axes]) or self.mixes(inner)
        if isinstance(op, Dot) and variable.type.ndim == 0:
            return any(self.depends(i) and self._varies(i, [0]) for i in node.inputs)
        is_linear = isinstance(op, _PASSING) or (
            isinstance(op, Elemwise)
            and isinstance(op.scalar_op, ps.Add | ps.Sub | ps.Neg | ps.Mul | ps.TrueDiv | ps.Identity)
        )
        return is_linear and any(self.mixes(i) for i in node.inputs)

    def _varies(self, variable: Variable, axes: Sequence[int]) -> bool:
        lifted = self.lifting.done.get(variable)
        return lifted is None or any(lifted.varies_along(axis) for axis in axes)


_LINEAR = (ps.Add, ps.Sub, ps.Neg, ps.Mul, ps.TrueDiv, ps.Identity)
_PASSING = (Join, MakeVector, SpecifyShape, TensorFromScalar, ScalarFromTensor, DimShuffle, Reshape, ViewOp)


def summands(graph: TensorVariable, opening: Opening) -> list[TensorVariable]:
    """Return arrays whose elements add up to the same number as the elements of ``graph``.

    Sums, differences, products with what depends on no atom, inner products and joins are opened where elements that
    depend on different atoms are added up, so that ``Potential(-beta * (z[1:] != z[:-1]).sum())`` is an array of pairs
    and not one term of all ``z``.

    Parameters
    ----------
    graph : TensorVariable
        Any array, lifted already.
    opening : Opening
        What is lifted.
    """
    found: list[TensorVariable] = []
    stack: list[tuple[TensorVariable, Weight]] = [(graph, None)]
    while stack:
        variable, weight = stack.pop()
        is_opened = opening.mixes(variable) or (variable is graph and _is_join(variable))
        parts = _opened(variable, weight, opening) if is_opened else None
        if parts is None:
            found.append(variable if weight is None else variable * weight)
        else:
            stack.extend(reversed(parts))
    return found


def _is_join(variable: Variable) -> bool:
    return variable.owner is not None and isinstance(variable.owner.op, Join)


def _opened(variable: TensorVariable, weight: Weight, opening: Opening) -> list[tuple[TensorVariable, Weight]] | None:
    """Return the parts of a sum with their weights, None where it is to be left whole."""
    node = variable.owner
    if node is None:
        return None
    op = node.op
    if isinstance(op, Elemwise):
        return _opened_elemwise(node, weight, opening)
    if isinstance(op, Sum):
        return [(node.inputs[0], _spread_weight(node, weight))]
    if isinstance(op, Join | MakeVector) and weight is None:
        return [(i, None) for i in node.inputs]
    if isinstance(op, SpecifyShape | TensorFromScalar | ScalarFromTensor | ViewOp):
        return [(node.inputs[0], weight)]
    if isinstance(op, DimShuffle | Reshape) and (weight is None or weight.type.ndim == 0):
        return [(node.inputs[0], weight)]
    if isinstance(op, Dot) and variable.type.ndim == 0:
        left, right = node.inputs
        return [(left * right, weight)]
    return None


def _spread_weight(node: Apply, weight: Weight) -> Weight:
    """Return the weight of what is summed: the same along the axes that are summed over."""
    ndim = node.inputs[0].type.ndim
    if weight is None or weight.type.ndim == 0:
        return weight
    axes = range(ndim) if node.op.axis is None else [axis % ndim for axis in node.op.axis]
    kept = iter(range(weight.type.ndim))
    return weight.dimshuffle(["x" if axis in axes else next(kept) for axis in range(ndim)])


def _opened_elemwise(node: Apply, weight: Weight, opening: Opening) -> list[tuple[TensorVariable, Weight]] | None:
    kind = type(node.op.scalar_op)
    out = node.outputs[0]
    if kind in (ps.Add, ps.Sub):
        if any(i.type.shape != out.type.shape or None in i.type.shape for i in node.inputs):
            return None
        signs = [1.0] * len(node.inputs) if kind is ps.Add else [1.0, -1.0]
        return [
            (i, weight if sign > 0 else _times(weight, pt.constant(-1.0)))
            for i, sign in zip(node.inputs, signs, strict=True)
        ]
    if kind is ps.Neg:
        return [(node.inputs[0], _times(weight, pt.constant(-1.0)))]
    if kind is ps.Identity or (kind is ps.Cast and out.type.dtype == "float64"):
        return [(node.inputs[0], weight)]
    if kind in (ps.Mul, ps.TrueDiv):
        return _opened_product(node, weight, opening)
    return None


def _opened_product(node: Apply, weight: Weight, opening: Opening) -> list[tuple[TensorVariable, Weight]] | None:
    dependent = [i for i in node.inputs if opening.depends(i)]
    if len(dependent) != 1 or dependent[0].type.shape != node.outputs[0].type.shape:
        return None
    [inner] = dependent
    if isinstance(node.op.scalar_op, ps.Mul):
        factors = [i for i in node.inputs if i is not inner]
        factor = pt.mul(*factors) if len(factors) > 1 else factors[0]
    elif node.inputs[0] is inner:
        factor = 1.0 / node.inputs[1]
    else:
        return None
    return [(inner, _times(weight, factor))]


def _times(weight: Weight, factor: TensorVariable) -> TensorVariable:
    return factor if weight is None else weight * factor
