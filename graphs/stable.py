"""Logarithms of probabilities that are functions of logits, written so that neither they nor their gradients overflow.

PyTensor's compiler does this too, but a gradient taken before it multiplies an infinite slope by zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.rebuilding import rebuild


def stabilized(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Write ``log(sigmoid(x))`` as ``-softplus(-x)`` and ``log(1 - sigmoid(x))`` as ``-softplus(x)``.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.dscalar("x")
    >>> [graph] = stabilized([pt.log(1 - pt.sigmoid(x))])
    >>> float(graph.eval({x: 1000.0}))
    -1000.0
    """
    memo = rebuild(graphs, _rewritten)
    return [memo.get(g, g) for g in graphs]


def _rewritten(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    if _is(node, ps.Log):
        logits = _logits(inputs[0])
        if logits is not None:
            return [-pt.softplus(-logits)]
        logits = _logits(_complement(inputs[0]))
        return None if logits is None else [-pt.softplus(logits)]
    if _is(node, ps.Log1p):
        logits = _logits(_argument(inputs[0], ps.Neg))
        return None if logits is None else [-pt.softplus(logits)]
    return None


def _is(node: Apply | None, kind: type) -> bool:
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kind)


def _argument(variable: Variable | None, kind: type) -> Variable | None:
    """Return what an elementwise operation of this kind is applied to."""
    return variable.owner.inputs[0] if variable is not None and _is(variable.owner, kind) else None


def _complement(variable: Variable) -> Variable | None:
    """Return p of ``1 - p``."""
    if not _is(variable.owner, ps.Sub):
        return None
    one, p = variable.owner.inputs
    while one.owner is not None and isinstance(one.owner.op, DimShuffle):
        one = one.owner.inputs[0]
    return p if isinstance(one, Constant) and bool(np.all(np.asarray(one.data) == 1)) else None


def _logits(variable: Variable | None) -> TensorVariable | None:
    """Return x of ``sigmoid(x)``, through added axes."""
    if variable is None or variable.owner is None:
        return None
    if isinstance(variable.owner.op, DimShuffle):
        inner = _logits(variable.owner.inputs[0])
        return None if inner is None else variable.owner.op(inner)
    found = _argument(variable, psm.Sigmoid)
    return found if isinstance(found, TensorVariable) else None
