"""Graphs as sums of scalars times arrays, so that what depends on data alone is computed once.

``X' ((X v) / sigma^2)`` becomes ``sigma^-2`` times ``X' (X v)``: the product of the two matrices is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import substitute

Term = tuple[TensorVariable | None, TensorVariable]
"""A scalar, None for one, and an array that it multiplies."""

_MOST_TERMS = 24


def factored(output: TensorVariable, argument: Variable | None = None) -> list[Term]:
    """Return a graph as a sum of scalars times arrays.

    Parameters
    ----------
    output : TensorVariable
        The graph.
    argument : Variable, optional
        No scalar depends on it.

    Returns
    -------
    list of (TensorVariable or None, TensorVariable)
        Scalars of shape (), and arrays of the shape of the graph.
    """
    # What depends on the argument is no scalar, also where it has one element.
    terms: dict[Variable, list[Term]] = {} if argument is None else {argument: _array(argument)}
    moving = set(terms)
    for node in toposort([output]):
        is_moving = any(i in moving for i in node.inputs)
        moving.update(node.outputs if is_moving else ())
        found = _terms_of(node, terms, is_moving)
        if found is None or len(node.outputs) > 1 or len(found) > _MOST_TERMS:
            terms.update({out: _array(out) if is_moving else _leaf(out) for out in node.outputs})
        else:
            terms[node.outputs[0]] = found
    result = terms.get(output) or _leaf(output)
    return [(scalar, _shaped(base, output)) for scalar, base in _merged(result)]


def _array(variable: Variable) -> list[Term]:
    return [(None, variable)] if isinstance(variable, TensorVariable) else []


def _leaf(variable: Variable) -> list[Term]:
    if not isinstance(variable, TensorVariable):
        return [(None, variable)]
    if _is_scalar(variable) and not isinstance(variable, Constant) and str(variable.type.dtype).startswith("float"):
        return [(_as_scalar(variable), pt.ones((1,) * variable.type.ndim))]
    return [(None, variable)]


def _is_scalar(variable: TensorVariable) -> bool:
    return all(n == 1 for n in variable.type.shape)


def _as_scalar(variable: TensorVariable) -> TensorVariable:
    return variable if not variable.type.ndim else variable.dimshuffle(())


def _terms_of(node: Apply, known: dict[Variable, list[Term]], is_moving: bool) -> list[Term] | None:
    """Return the terms of the output of a node, None for a leaf."""
    op: Any = node.op
    [out, *more] = node.outputs
    if more or not isinstance(out, TensorVariable) or not str(out.type.dtype).startswith("float"):
        return None
    if not is_moving and _is_scalar(out) and not any(_has_array(i) for i in node.inputs):
        return None
    given = [known.get(i) or _leaf(i) for i in node.inputs]
    if isinstance(op, Elemwise):
        return _elementwise(node, given)
    if isinstance(op, Dot) or (isinstance(op, Blockwise) and isinstance(op.core_op, Dot)):
        return [(_times(a, b), op(u, v)) for a, u in given[0] for b, v in given[1]]
    if isinstance(op, Sum | DimShuffle | SpecifyShape | Subtensor | AdvancedSubtensor | Reshape | Alloc):
        return [(a, _apply(node, op, _fitting(node, u), node.inputs[1:])) for a, u in given[0]]
    if isinstance(op, IncSubtensor | AdvancedIncSubtensor) and not op.set_instead_of_inc:
        base = node.inputs[0]
        zeros = base if _is_zero(base) else pt.zeros(out.type.shape, dtype=out.type.dtype)
        added = [(a, op(zeros, u, *node.inputs[2:])) for a, u in given[1]]
        return added if _is_zero(base) else [*((a, _shaped(u, out)) for a, u in given[0]), *added]
    return None


def _has_array(variable: Variable) -> bool:
    return isinstance(variable, TensorVariable) and not _is_scalar(variable)


def _apply(node: Apply, op: Any, base: TensorVariable, rest: Sequence[Variable]) -> TensorVariable:
    out: TensorVariable = op.make_node(base, *rest).outputs[0]
    return out


def _fitting(node: Apply, base: TensorVariable) -> TensorVariable:
    """Return the base with the shape of what it is a factor of: the operation looks at the shape."""
    return _shaped(base, node.inputs[0])


def _shaped(base: TensorVariable, like: TensorVariable) -> TensorVariable:
    if base.type.shape == like.type.shape:
        return base
    return pt.alloc(base, *(n if n is not None else like.shape[i] for i, n in enumerate(like.type.shape)))


def _is_zero(variable: Variable) -> bool:
    node = variable.owner
    if node is not None and isinstance(node.op, Alloc):
        variable = node.inputs[0]
    return isinstance(variable, Constant) and not variable.data.any()


def _elementwise(node: Apply, given: Sequence[list[Term]]) -> list[Term] | None:
    rule = _RULES.get(type(node.op.scalar_op))
    return None if rule is None else rule(node, given)


def _sum(node: Apply, given: Sequence[list[Term]]) -> list[Term]:
    return [(a, _shaped(u, node.outputs[0])) for terms in given for a, u in terms]


def _difference(node: Apply, given: Sequence[list[Term]]) -> list[Term]:
    return _sum(node, [given[0], [(b, -v) for b, v in given[1]]])


def _multiplied(node: Apply, given: Sequence[list[Term]]) -> list[Term] | None:
    result: list[Term] = [(None, pt.ones((1,) * node.outputs[0].type.ndim))]
    for terms in given:
        result = [(_times(a, b), _product(u, v)) for a, u in result for b, v in terms]
        if len(result) > _MOST_TERMS:
            return None
    return result


def _quotient(node: Apply, given: Sequence[list[Term]]) -> list[Term] | None:
    if len(given[1]) > 1:
        return None
    [(b, v)] = given[1]
    return [(_over(a, b), u / v) for a, u in given[0]]


def _square(node: Apply, given: Sequence[list[Term]]) -> list[Term] | None:
    return [(_times(a, a), pt.sqr(u)) for a, u in given[0]] if len(given[0]) == 1 else None


def _inverse(node: Apply, given: Sequence[list[Term]]) -> list[Term] | None:
    return [(_over(None, a), pt.reciprocal(u)) for a, u in given[0]] if len(given[0]) == 1 else None


_RULES: dict[type, Callable[[Apply, Sequence[list[Term]]], list[Term] | None]] = {
    ps.Add: _sum,
    ps.Sub: _difference,
    ps.Neg: lambda node, given: [(a, -u) for a, u in given[0]],
    ps.Identity: lambda node, given: given[0],
    ps.Cast: lambda node, given: given[0],
    ps.Second: lambda node, given: [(a, _shaped(u, node.outputs[0])) for a, u in given[1]],
    ps.Mul: _multiplied,
    ps.TrueDiv: _quotient,
    ps.Sqr: _square,
    ps.Reciprocal: _inverse,
}


def _product(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    for one, other in ((a, b), (b, a)):
        if _is_one(one) and all(n == 1 for n in one.type.shape):
            return other
    return a * b


def _is_one(variable: TensorVariable) -> bool:
    node = variable.owner
    inner = node.inputs[0] if node is not None and isinstance(node.op, Alloc) else variable
    return isinstance(inner, Constant) and bool((inner.data == 1).all())


def _times(a: TensorVariable | None, b: TensorVariable | None) -> TensorVariable | None:
    if a is None:
        return b
    return a if b is None else a * b


def _over(a: TensorVariable | None, b: TensorVariable | None) -> TensorVariable | None:
    if b is None:
        return a
    return pt.reciprocal(b) if a is None else a / b


def _merged(terms: Sequence[Term]) -> list[Term]:
    """Add up the arrays of the same scalar."""
    by_scalar: dict[TensorVariable | None, list[TensorVariable]] = {}
    for scalar, base in terms:
        by_scalar.setdefault(scalar, []).append(base)
    return [(scalar, bases[0] if len(bases) == 1 else pt.add(*bases)) for scalar, bases in by_scalar.items()]


def with_zeros(graphs: Sequence[TensorVariable], x: TensorVariable) -> list[TensorVariable]:
    """Return graphs at x = 0."""
    zeros: TensorVariable = pt.zeros(x.type.shape, dtype=x.type.dtype)
    found = substitute(list(graphs), {x: zeros})
    return [g for g in found if isinstance(g, TensorVariable)]
