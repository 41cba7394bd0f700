"""Log-probabilities of logits, and square roots of exponentials, so that neither they nor their gradients overflow.

PyTensor's compiler does some of this too, but a gradient taken before it multiplies an infinite slope by zero.
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
    """Rewrite terms before their gradients are taken.

    ``log(sigmoid(x))`` becomes ``-softplus(-x)``, ``log(1 - sigmoid(x))`` becomes ``-softplus(x)``, and
    ``sqrt(a * exp(x))`` becomes ``sqrt(a) * exp(x / 2)``: spectral densities of smooth Gaussian processes underflow.

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
    if _is(node, ps.Sqrt) or (_is(node, ps.Pow) and _is_everywhere(inputs[1], 0.5)):
        exponent, rest = _split(inputs[0])
        if exponent is None:
            return None
        root = pt.exp(0.5 * exponent)
        return [root if rest is None else pt.sqrt(rest) * root]
    return None


def _split(product: Variable) -> tuple[TensorVariable | None, TensorVariable | None]:
    """Return x and a of ``a * exp(x)``; None where there is no such factor."""
    node = product.owner
    exponents: list[TensorVariable] = []
    others: list[TensorVariable] = []
    if _is(node, ps.Exp):
        return node.inputs[0], None
    if node is not None and isinstance(node.op, DimShuffle):
        exponent, rest = _split(node.inputs[0])
        if exponent is None:
            return None, product
        return node.op(exponent), None if rest is None else node.op(rest)
    if not _is(node, ps.Mul):
        return None, product
    for exponent, rest in map(_split, node.inputs):
        exponents += [] if exponent is None else [exponent]
        others += [] if rest is None else [rest]
    return pt.add(*exponents) if exponents else None, pt.mul(*others) if others else None


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
    return p if _is_everywhere(one, 1) else None


def _is_everywhere(variable: Variable, number: float) -> bool:
    """Return whether a variable is a constant of which every element is this number."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    return isinstance(variable, Constant) and bool(np.all(np.asarray(variable.data) == number))


def _logits(variable: Variable | None) -> TensorVariable | None:
    """Return x of ``sigmoid(x)``, through added axes."""
    if variable is None or variable.owner is None:
        return None
    if isinstance(variable.owner.op, DimShuffle):
        inner = _logits(variable.owner.inputs[0])
        return None if inner is None else variable.owner.op(inner)
    found = _argument(variable, psm.Sigmoid)
    return found if isinstance(found, TensorVariable) else None
