"""Logarithms of probabilities, and square roots of exponentials, so that neither they nor their gradients overflow.

PyTensor's compiler does some of this too, but a gradient taken before it multiplies an infinite slope by zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.log_scale import Logarithms, number_of
from graphs.supports import Support
from graphs.surgery.rebuilding import rebuild


def stabilized(
    graphs: Sequence[TensorVariable], supports: Mapping[Variable, Support] | None = None
) -> list[TensorVariable]:
    """Rewrite terms before their gradients are taken.

    ``log(sigmoid(x))`` becomes ``-softplus(-x)``, ``log(1 - sigmoid(x))`` becomes ``-softplus(x)``; likewise of other
    graphs of which `graphs.log_scale` knows the logarithm. ``sqrt(a * exp(x))`` is ``sqrt(a) * exp(x / 2)`` now:
    spectral densities of smooth Gaussian processes underflow. Powers of zeros among data have no slopes.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.dscalar("x")
    >>> [graph] = stabilized([pt.log(1 - pt.sigmoid(x))])
    >>> float(graph.eval({x: 1000.0}))
    -1000.0
    """
    logarithms = Logarithms(supports or {})
    memo = rebuild(graphs, lambda node, inputs: _rewritten(node, inputs, logarithms))
    return [memo.get(g, g) for g in graphs]


def _rewritten(node: Apply, inputs: list[Variable], logarithms: Logarithms) -> list[Variable] | None:
    if _is(node, ps.Log):
        form = logarithms.of(inputs[0])
        return None if form is None else [form]
    if _is(node, ps.Log1p):
        form = logarithms.of_one_plus(inputs[0])
        return None if form is None else [form]
    if _is(node, ps.Exp) or _is(node, ps.TrueDiv) or _is(node, ps.Reciprocal):
        chance = logarithms.chance(node.op(*inputs))
        return None if chance is None else [chance]
    if _is(node, ps.Sqrt) or (_is(node, ps.Pow) and number_of(inputs[1]) == 0.5):
        exponent, rest = _split(inputs[0])
        if exponent is None:
            return _power(node, inputs)
        root = pt.exp(0.5 * exponent)
        return [root if rest is None else pt.sqrt(rest) * root]
    return _power(node, inputs) if _is(node, ps.Pow) else None


def _power(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    """Return a power below one, or a root, of products with zeros among data: these have no infinite slopes.

    ``(0 / scale) ** shape`` does not depend on the scale, but its derivative is ``shape * 0 ** (shape - 1)``, infinite
    for shapes below one, times that of ``0 / scale``, which is zero.
    """
    exponent = number_of(inputs[1]) if _is(node, ps.Pow) else 0.5
    if (exponent is not None and exponent >= 1) or isinstance(inputs[0], Constant):
        return None
    is_zero, others = _zeros(inputs[0])
    if is_zero is None:
        return None
    zero = pt.zeros((), dtype=inputs[0].type.dtype)
    return [pt.switch(is_zero, node.op(zero, *inputs[1:]), node.op(others, *inputs[1:]))]


def _zeros(product: Variable) -> tuple[TensorVariable | None, Variable]:
    """Return where a factor that is known is zero, and the product with ones there; None where there is no zero."""
    node = product.owner
    if isinstance(product, Constant):
        is_zero = np.asarray(product.data == 0)
        return (
            (pt.constant(is_zero), pt.constant(np.where(is_zero, 1, product.data)))
            if is_zero.any()
            else (None, product)
        )
    if node is not None and isinstance(node.op, DimShuffle):
        found, others = _zeros(node.inputs[0])
        return (None, product) if found is None else (node.op(found), node.op(others))
    if not (_is(node, ps.Mul) or _is(node, ps.TrueDiv)):
        return None, product
    factors = node.inputs if _is(node, ps.Mul) else node.inputs[:1]
    pairs = [_zeros(factor) for factor in factors]
    masks = [mask for mask, _ in pairs if mask is not None]
    if not masks:
        return None, product
    return pt.or_(*masks) if len(masks) > 1 else masks[0], node.op(
        *(new for _, new in pairs), *node.inputs[len(pairs) :]
    )


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
