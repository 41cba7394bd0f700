"""Gradients in which zero times infinity is zero.

A state of probability zero has weight zero in the gradient of a sum over states, and so has a branch that is not
taken. Its slope may be infinite, wherever between the parameters and the logarithm that happens: ``log(p * z)``,
``1 / z``, ``z**-a``. The chain rule multiplies the two; here it stops where nothing depends on the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.null_type import NullType
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.rewriting.basic import register_canonicalize
from pytensor.tensor.special import LogSumExp
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import rebuild


class MaskedSlope(Elemwise):
    """An element-wise operation, with gradient zero at elements that have no weight in what is differentiated."""

    def _bgrad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], ograds: Sequence[Variable]
    ) -> list[Variable]:
        has_no_weight = pt.eq(ograds[0], 0)
        # Only what is not a number is replaced: where slopes are finite, slopes of slopes stay what they are.
        return [
            slope
            if isinstance(slope.type, NullType | DisconnectedType)
            else pt.switch(has_no_weight & pt.isnan(slope), 0.0, slope)
            for slope in super()._bgrad(inputs, outputs, ograds)
        ]


class MaskedBranchSlope(MaskedSlope):
    """The same in a branch of a switch: without the switch it is not needed."""


@register_canonicalize
@node_rewriter([MaskedSlope, MaskedBranchSlope])
def unmasked_slope(fgraph: FunctionGraph, node: Apply) -> list[Variable]:
    """Return the plain operation: the gradient is taken before the graph is rewritten."""
    return _plain(node, node.inputs)


_BOUNDED = (
    *(ps.Add, ps.Sub, ps.Neg, ps.Abs, ps.Cast, ps.Identity, ps.Second, ps.Switch, ps.Clip),
    *(ps.ScalarMaximum, ps.ScalarMinimum, ps.Sign, ps.Floor, ps.Ceil, ps.RoundHalfToEven),
    *(ps.Sin, ps.Cos, ps.Tanh, ps.ArcTan, psm.Sigmoid, psm.Softplus, psm.Erf, psm.Erfc),
)
"""Operations whose slopes are finite whatever they are applied to."""


def with_masked_slopes(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return graphs of the same values, in whose gradients zero times infinity is zero.

    Parameters
    ----------
    graphs : sequence of TensorVariable
        Log-probabilities.

    Examples
    --------
    >>> import pytensor, pytensor.tensor as pt
    >>> p, z = pt.dscalar("p"), pt.dvector("z")
    >>> [masked] = with_masked_slopes([p / z])
    >>> total = pt.sum(pt.switch(pt.eq(z, 0), 0, masked))
    >>> float(pytensor.grad(total, p).eval({p: 0.5, z: [0.0, 1.0]}))
    1.0
    """
    memo = rebuild(graphs, lambda node, inputs: _masked(node, inputs, MaskedSlope))
    return [memo.get(g, g) for g in graphs]


def with_masked_branches(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return graphs of the same values, with masked slopes in branches of switches and in terms of logs of sums.

    Elsewhere nothing has weight zero, and the graphs stay as they are.
    """
    nodes = _nodes_of_branches(graphs)
    memo = rebuild(graphs, lambda node, inputs: _masked(node, inputs, MaskedBranchSlope) if node in nodes else None)
    return [memo.get(g, g) for g in graphs]


def without_idle_masks(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return graphs without the masks of branches whose switch is gone: they take time, and hide what is linear.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, s = pt.dscalars("x", "s")
    >>> [masked] = with_masked_branches([pt.switch(s > 0, x / s, 0.0)])
    >>> quotient = masked.owner.inputs[1]
    >>> has_masked_slopes([quotient]), has_masked_slopes(without_idle_masks([quotient]))
    (True, False)
    """
    masks = {v.owner for v in ancestors(graphs) if v.owner and isinstance(v.owner.op, MaskedBranchSlope)}
    idle = masks - _nodes_of_branches(graphs) if masks else masks
    if not idle:
        return list(graphs)
    memo = rebuild(graphs, lambda node, inputs: _plain(node, inputs) if node in idle else None)
    return [memo.get(g, g) for g in graphs]


def _plain(node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
    return list(Elemwise(node.op.scalar_op).make_node(*inputs).outputs)


def _nodes_of_branches(graphs: Sequence[TensorVariable]) -> set[Apply | None]:
    branches = [branch for node in toposort(graphs) for branch in _branches(node)]
    return {v.owner for v in ancestors(branches)}


def _branches(node: Apply) -> list[Variable]:
    """Return what some elements of an outcome may not depend on."""
    if isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Switch):
        return node.inputs[1:]
    return node.inputs if isinstance(node.op, LogSumExp) else []


def has_masked_slopes(graphs: Sequence[Variable]) -> bool:
    """Whether some gradient of these graphs is masked."""
    return any(v.owner is not None and isinstance(v.owner.op, MaskedSlope) for v in ancestors(graphs))


def _masked(node: Apply, inputs: list[Variable], kind: type[MaskedSlope]) -> list[Variable] | None:
    op = node.op
    if not isinstance(op, Elemwise) or isinstance(op, MaskedSlope) or len(node.outputs) != 1:
        return None
    if not str(node.outputs[0].type.dtype).startswith("float") or _is_bounded(op.scalar_op, inputs):
        return None
    return list(kind(op.scalar_op).make_node(*inputs).outputs)


def _is_bounded(op: ps.ScalarOp, inputs: Sequence[Variable]) -> bool:
    if isinstance(op, ps.Mul | ps.TrueDiv):
        # The slope is the rest of the product.
        factors = [i for i in inputs if not _is_finite_constant(i)]
        return len(factors) <= 1 and (isinstance(op, ps.Mul) or _is_finite_constant(inputs[1], without_zero=True))
    return isinstance(op, _BOUNDED) or all(isinstance(i, Constant) for i in inputs)


def _is_finite_constant(variable: Variable, *, without_zero: bool = False) -> bool:
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    if not isinstance(variable, Constant):
        return False
    data = np.asarray(variable.data)
    return bool(np.all(np.isfinite(data))) and not (without_zero and bool(np.any(data == 0)))
