"""Expansions of scalar operations applied element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.scalar.math import GammaLn, Log1mexp
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import as_coefficient, divide, filled, number
from graphs.conditional.expanding.count_rules import expand_guard, expand_log_gamma, expand_power_of_zero
from graphs.conditional.expanding.expansion import (
    ACROSS,
    CONSTANT,
    ONE,
    Expansion,
    Monomial,
    Obstacle,
    Result,
    add,
    multiply,
    multiply_monomials,
    raise_to,
    scaled,
)
from graphs.conditional.expanding.logarithm_rules import LOGARITHMS, as_single
from graphs.conditional.expanding.switches import expand_switch

if TYPE_CHECKING:
    from graphs.conditional.expanding.expander import Expander

Rule = Callable[["Expander", Apply, Sequence[Result]], Result]


def expand_elemwise(expander: Expander, node: Apply, inputs: Sequence[Result]) -> Result:
    """Return the expansion of an Elemwise node."""
    kind = type(node.op.scalar_op)
    if kind in LOGARITHMS:
        return LOGARITHMS[kind](expander, node)
    if kind is ps.Second:
        return inputs[1]
    if kind is Log1mexp and (original := _complement_of(expander, node.inputs[0])) is not None:
        return original
    if kind is ps.Switch and expander.depends(node.inputs[0]):
        guarded = expand_guard(expander, node, inputs)
        if guarded is not None:
            return guarded
        return Obstacle(f"it is compared in the condition {expander.show(node.inputs[0])} of a switch")
    limit = expand_power_of_zero(expander, node, inputs) if kind is ps.Switch else None
    if limit is not None:
        return limit
    expansions = without_obstacle(expander, node, inputs)
    if isinstance(expansions, Obstacle):
        return expansions
    rule = _RULES.get(kind)
    if rule is None and all(given.is_free for given in expansions):
        # Only its shape comes from x.
        zero = filled(0.0, node.outputs[0].type.ndim)
        return Expansion(
            {CONSTANT: as_coefficient(node.op(*(given.terms.get(CONSTANT, zero) for given in expansions)))}
        )
    if rule is None:
        return Obstacle(f"{expander.show(node.outputs[0])} is no sum of features of it")
    return rule(expander, node, expansions)


def _complement_of(expander: Expander, variable: TensorVariable) -> Result | None:
    """Return the expansion of y for ``log(1 - exp(y))``: survival functions are complements of complements."""
    node = variable.owner
    if node is not None and isinstance(node.op, Alloc | DimShuffle) and expander.depends(node.inputs[0]):
        inner = _complement_of(expander, node.inputs[0])
        if inner is None or isinstance(inner, Obstacle):
            return inner
        return expander.apply_rule(node, [inner, *(Expansion() for _ in node.inputs[1:])])
    is_complement = node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Log1mexp)
    return expander.results.get(node.inputs[0]) if is_complement else None


def without_obstacle(expander: Expander, node: Apply, inputs: Sequence[Result]) -> list[Expansion] | Obstacle:
    """Return the expansions of the inputs, or the first obstacle among those that depend on x."""
    for variable, given in zip(node.inputs, inputs, strict=True):
        if isinstance(given, Obstacle) and expander.depends(variable):
            return given
    return [Expansion() if isinstance(given, Obstacle) else given for given in inputs]


def _expand_add(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    total = Expansion()
    for given in inputs:
        total = add(total, given)
    return total


def _expand_mul(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    result: Result = inputs[0]
    for given in inputs[1:]:
        if isinstance(result, Expansion):
            result = multiply(result, given)
    return result


def _expand_division(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    numerator, denominator = inputs
    if denominator.is_free:
        divisor = denominator.terms[CONSTANT]
        terms = {key: divide(coefficient, divisor) for key, coefficient in numerator.terms.items()}
        return Expansion(terms, None if numerator.linear is None else numerator.linear / divisor)
    single = as_single(expander, denominator)
    if single is None:
        return Obstacle(f"it enters the denominator {expander.show(node.inputs[1])}, a sum")
    (view, monomial), divisor = single
    result = Expansion()
    for (other, factor), coefficient in numerator.terms.items():
        if other is not None and other != view:
            return ACROSS
        product = multiply_monomials(factor, _inverse(monomial))
        key = (None if product == ONE else view, product)
        result = add(result, Expansion({key: divide(coefficient, divisor)}))
    return ACROSS if numerator.linear is not None else result


def _expand_power(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    base, exponent = inputs
    if not exponent.is_free:
        if not base.is_free:
            return Obstacle(f"it is both base and exponent in {expander.show(node.outputs[0])}")
        return _expand_exp_of(expander, node, multiply(Expansion({CONSTANT: pt.log(base.terms[CONSTANT])}), exponent))
    value = number(node.inputs[1])
    if value is None:
        return Obstacle(f"the exponent of {expander.show(node.outputs[0])} is no constant")
    return _raise(expander, base, value)


def _raise(expander: Expander, base: Expansion, exponent: float) -> Result:
    single = as_single(expander, base)
    if single is not None:
        base = Expansion(dict([single]))
    return raise_to(base, exponent, expander.positive_atoms)


def _expand_exp(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    return _expand_exp_of(expander, node, inputs[0])


def _expand_exp_of(expander: Expander, node: Apply, exponent: Result) -> Result:
    """Expand ``exp`` of a constant plus numbers times x, log x and log(1 - x)."""
    if isinstance(exponent, Obstacle):
        return exponent
    undo = {(("x", 1.0),): "exp", (("log", 1.0),): "x", (("log1m", 1.0),): "1-x"}
    monomial: Monomial = ONE
    factor: TensorVariable | None = None
    views = {view for view, _ in exponent.terms if view is not None}
    if exponent.linear is not None or len(views) != 1:
        return ACROSS
    for (view, feature), coefficient in exponent.terms.items():
        value = number(coefficient)
        if view is None:
            factor = pt.exp(coefficient)
        elif value is None or feature not in undo:
            return Obstacle(
                f"{expander.show(node.outputs[0])} has no constant multiple of it or of its logarithm as exponent"
            )
        else:
            monomial = multiply_monomials(monomial, ((undo[feature], value),))
    (view,) = views
    return Expansion({(view, monomial): filled(1.0, node.outputs[0].type.ndim) if factor is None else factor})


def _expand_abs(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    single = as_single(expander, inputs[0])
    if single is None or not all(atom in expander.positive_atoms for atom, _ in single[0][1]):
        return Obstacle(f"{expander.show(node.outputs[0])} takes the absolute value of it, whose sign is unknown")
    return Expansion({single[0]: pt.abs(single[1])})


def _expand_cast(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    kinds = [np.dtype(v.type.dtype).kind for v in (node.inputs[0], node.outputs[0])]
    if kinds[1] == "f" or (kinds[0] in "iub" and kinds[1] in "iu"):
        return inputs[0]
    return Obstacle(f"it is rounded in {expander.show(node.outputs[0])}")


def _inverse(monomial: Monomial) -> Monomial:
    return tuple((atom, -exponent) for atom, exponent in monomial)


_RULES: dict[type, Callable[[Expander, Apply, Sequence[Expansion]], Result]] = {
    ps.Add: _expand_add,
    ps.Sub: lambda e, n, i: add(i[0], scaled(-1.0, i[1])),
    ps.Neg: lambda e, n, i: scaled(-1.0, i[0]),
    ps.Mul: _expand_mul,
    ps.TrueDiv: _expand_division,
    ps.Reciprocal: lambda e, n, i: _raise(e, i[0], -1.0),
    ps.Sqr: lambda e, n, i: _raise(e, i[0], 2.0),
    ps.Sqrt: lambda e, n, i: _raise(e, i[0], 0.5),
    ps.Pow: _expand_power,
    ps.Exp: _expand_exp,
    ps.Abs: _expand_abs,
    GammaLn: expand_log_gamma,
    ps.Cast: _expand_cast,
    ps.Identity: lambda e, n, i: i[0],
    ps.Switch: expand_switch,
}
