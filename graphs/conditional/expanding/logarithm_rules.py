"""Expansions of logarithms, which go into products, powers, exponentials and switches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import filled, number, power, times
from graphs.conditional.expanding.expansion import (
    CONSTANT,
    ONE,
    Expansion,
    Key,
    Obstacle,
    Result,
    add,
    multiply,
    scaled,
)
from graphs.conditional.expanding.switches import expand_switch

if TYPE_CHECKING:
    from graphs.conditional.expanding.expander import Expander


def as_single(expander: Expander, expansion: Expansion) -> tuple[Key, TensorVariable] | None:
    """Return the only term; ``c - c x`` counts as ``c (1 - x)`` where x lies in (0, 1)."""
    single = expansion.single()
    if single is not None or "1-x" not in expander.positive_atoms or len(expansion.terms) != 2:
        return single
    keys = {monomial: view for view, monomial in expansion.terms}
    if expansion.linear is not None or set(keys) != {ONE, (("x", 1.0),)}:
        return None
    view = keys[("x", 1.0),]
    constant, slope = expansion.terms[CONSTANT], expansion.terms[view, (("x", 1.0),)]
    is_opposite = number(constant) is not None and number(constant) == -(number(slope) or 0.0)
    if not is_opposite and (slope.owner is None or slope.owner.op != pt.neg or slope.owner.inputs[0] is not constant):
        return None
    return (view, (("1-x", 1.0),)), constant


def _log(expander: Expander, node: Apply) -> Result:
    return log_of(expander, node.inputs[0])


def _log1p(expander: Expander, node: Apply) -> Result:
    given = expander.results[node.inputs[0]]
    if isinstance(given, Obstacle):
        return given
    one = Expansion({CONSTANT: filled(1.0, node.outputs[0].type.ndim)})
    return _log_of_expansion(expander, add(one, given), f"log(1 + {expander.show(node.inputs[0])})")


def log_of(expander: Expander, variable: TensorVariable) -> Result:
    """Return the expansion of the logarithm, going into products, powers and exponentials."""
    node = variable.owner
    if node is not None and isinstance(node.op, DimShuffle):
        inner = log_of(expander, node.inputs[0])
        return inner if isinstance(inner, Obstacle) else expander.apply_rule(variable.owner, [inner])
    if node is not None and isinstance(node.op, Elemwise) and expander.depends(variable):
        result = _log_of_node(expander, node)
        if result is not None:
            return result
    given = expander.results[variable]
    return (
        given if isinstance(given, Obstacle) else _log_of_expansion(expander, given, f"log({expander.show(variable)})")
    )


def _log_of_node(expander: Expander, node: Apply) -> Result | None:
    """Take a logarithm apart where the factors that x enters are positive."""
    kind = type(node.op.scalar_op)
    if kind is ps.Exp:
        return expander.results[node.inputs[0]]
    dependent = [i for i in node.inputs if expander.depends(i)]
    if not all(expander.signs.of(i).is_non_negative for i in dependent):
        return None
    if kind in (ps.Mul, ps.TrueDiv):
        return _log_of_product(expander, node)
    if kind is ps.Switch:
        return None if expander.depends(node.inputs[0]) else _log_of_switch(expander, node)
    exponents = {ps.Sqr: 2.0, ps.Sqrt: 0.5, ps.Reciprocal: -1.0}
    if kind not in (*exponents, ps.Pow) or (kind is ps.Pow and expander.depends(node.inputs[1])):
        return None
    inner = log_of(expander, node.inputs[0])
    if isinstance(inner, Obstacle):
        return inner
    if kind is ps.Pow:
        return multiply(inner, Expansion({CONSTANT: expander.coefficient(node.inputs[1])}))
    return scaled(exponents[kind], inner)


def _log_of_switch(expander: Expander, node: Apply) -> Result:
    """Take the logarithm of both branches."""
    logs = []
    for branch in node.inputs[1:]:
        free = Expansion({CONSTANT: pt.log(expander.coefficient(branch))})
        part = log_of(expander, branch) if expander.depends(branch) else free
        if isinstance(part, Obstacle):
            return part
        logs.append(part)
    return expand_switch(expander, node, [Expansion(), *logs])


def _log_of_product(expander: Expander, node: Apply) -> Result:
    """Take the logarithm of all factors without x together: only their product has to be positive."""
    is_quotient = type(node.op.scalar_op) is ps.TrueDiv
    product = filled(1.0, node.outputs[0].type.ndim)
    logs = Expansion()
    for position, given in enumerate(node.inputs):
        sign = -1.0 if is_quotient and position == 1 else 1.0
        if not expander.depends(given):
            product = times(product, power(expander.coefficient(given), sign))
            continue
        part = log_of(expander, given)
        if isinstance(part, Obstacle):
            return part
        logs = add(logs, scaled(sign, part))
    return logs if number(product) == 1 else add(logs, Expansion({CONSTANT: pt.log(product)}))


def _log_of_expansion(expander: Expander, given: Expansion, shown: str) -> Result:
    if given.is_free:
        return Expansion({CONSTANT: pt.log(given.terms[CONSTANT])})
    single = as_single(expander, given)
    if single is None:
        return Obstacle(f"{shown} is no sum of features of it")
    (view, monomial), coefficient = single
    logs = {"x": "log", "1-x": "log1m", "exp": "x"}
    if not all(atom in expander.positive_atoms for atom, _ in monomial):
        return Obstacle(f"{shown} takes its logarithm, but it is not positive by its support")
    ndim = coefficient.type.ndim
    terms: dict[Key, TensorVariable] = {(view, ((logs[atom], 1.0),)): filled(p, ndim) for atom, p in monomial}
    if number(coefficient) != 1:
        terms[CONSTANT] = pt.log(coefficient)
    return Expansion(terms)


LOGARITHMS: dict[type, Callable[[Expander, Apply], Result]] = {ps.Log: _log, ps.Log1p: _log1p}
