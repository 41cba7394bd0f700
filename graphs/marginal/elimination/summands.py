"""Take a sum apart before its parts are lifted: what is added up in the end need not be added up at joint states."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.tensor.basic import Join, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
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
    is_thorough : bool
        Whether all additions are opened that are not inside another function: who asks for the smallest factors, and
        for no constants, needs no term whole.
    """

    def __init__(self, lifting: Lifting, is_thorough: bool = False):
        self.lifting = lifting
        self.is_thorough = is_thorough
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
        if any(self._varies(i, axes) for i, axes in _summed_axes(node) if self.depends(i)):
            return True
        if isinstance(op, Elemwise):
            kind = op.scalar_op
            if isinstance(kind, ps.Add | ps.Sub) and (self.is_thorough or variable not in self.lifting.done):
                return True
            is_choice = isinstance(kind, ps.Switch) and variable.type.ndim == 0 and not self.depends(node.inputs[0])
            is_linear = is_choice or isinstance(kind, _LINEAR)
        else:
            is_linear = isinstance(op, _PASSING | Sum) or _is_cumulative(op) or _is_product(op)
        return is_linear and any(self.mixes(i) for i in node.inputs)

    def _varies(self, variable: Variable, axes: Sequence[int]) -> bool:
        lifted = self.lifting.done.get(variable)
        return lifted is None or any(lifted.varies_along(axis) for axis in axes)


_LINEAR = ps.Add | ps.Sub | ps.Neg | ps.Mul | ps.TrueDiv | ps.Identity
_PASSING = Join | MakeVector | SpecifyShape | TensorFromScalar | ScalarFromTensor | DimShuffle | Reshape | ViewOp


def _is_cumulative(op: Op) -> bool:
    return isinstance(op, CumOp) and op.mode == "add"


def _is_product(op: Op) -> bool:
    return isinstance(op, Dot) or (isinstance(op, Blockwise) and isinstance(op.core_op, Dot))


def _summed_axes(node: Apply) -> list[tuple[Variable, list[int]]]:
    """Return along which axes of its inputs a node adds up."""
    op, ndim = node.op, getattr(node.inputs[0].type, "ndim", 0)
    if _is_product(op):
        left, right = node.inputs
        return [(left, [left.type.ndim - 1]), (right, [max(right.type.ndim - 2, 0)])]
    if not (isinstance(op, Sum) or _is_cumulative(op)):
        return []
    axes = range(ndim) if op.axis is None else [op.axis] if isinstance(op.axis, int) else op.axis
    return [(node.inputs[0], [axis % ndim for axis in axes])]


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
    if isinstance(op, DimShuffle | Reshape) or _is_cumulative(op) or _is_product(op):
        return _transposed(node, weight, opening)
    return None


def _transposed(node: Apply, weight: Weight, opening: Opening) -> list[tuple[TensorVariable, Weight]] | None:
    """Open a linear operation: the weights of what it is applied to are its transpose times those of its result."""
    dependent = [place for place, i in enumerate(node.inputs) if opening.depends(i)]
    out = node.outputs[0]
    if len(dependent) != 1 or None in out.type.shape:
        return None
    weights = pt.broadcast_to(pt.constant(1.0) if weight is None else weight, out.type.shape)
    [place] = dependent
    return [(node.inputs[place], node.op.pullback(node.inputs, node.outputs, [weights])[place])]


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
        if any(None in i.type.shape for i in node.inputs):
            return None
        signs = [1.0] * len(node.inputs) if kind is ps.Add else [1.0, -1.0]
        return [
            (i, _unbroadcast(weight if sign > 0 else _times(weight, pt.constant(-1.0)), i, out))
            for i, sign in zip(node.inputs, signs, strict=True)
        ]
    if kind is ps.Switch:
        condition, *branches = node.inputs
        zero = pt.constant(0.0)
        # What is not chosen may be infinite: no weight of zero will do.
        chosen = [(pt.switch(condition, part, zero), weight) for part in summands(branches[0], opening)]
        return chosen + [(pt.switch(condition, zero, part), weight) for part in summands(branches[1], opening)]
    if kind is ps.Neg:
        return [(node.inputs[0], _times(weight, pt.constant(-1.0)))]
    if kind is ps.Identity or (kind is ps.Cast and out.type.dtype == "float64"):
        return [(node.inputs[0], weight)]
    if kind in (ps.Mul, ps.TrueDiv):
        return _opened_product(node, weight, opening)
    return None


def _unbroadcast(weight: Weight, part: TensorVariable, out: TensorVariable) -> Weight:
    """Return the weights of a part that is repeated in a sum: as often as it stands there."""
    repeated = [a for a, n in enumerate(out.type.shape) if part.type.shape[a] != n]
    if not repeated:
        return weight
    if weight is None or weight.type.ndim == 0:
        return _times(weight, pt.constant(float(prod(out.type.shape[a] for a in repeated))))
    return pt.sum(pt.broadcast_to(weight, out.type.shape), axis=repeated, keepdims=True)


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
