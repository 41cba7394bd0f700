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

from graphs.conditional.expanding.coefficients import as_coefficient, chosen, divide, filled, number, power, times
from graphs.conditional.expanding.count_rules import expand_guard, expand_log_gamma, expand_power_of_zero
from graphs.conditional.expanding.expansion import (
    ACROSS,
    CONSTANT,
    ONE,
    Expansion,
    Key,
    Monomial,
    Obstacle,
    add,
    multiply,
    multiply_monomials,
    raise_to,
    scaled,
)

if TYPE_CHECKING:
    from graphs.conditional.expanding.expander import Expander

_POISSON_LIMIT = 1e10
Result = Expansion | Obstacle
Rule = Callable[["Expander", Apply, Sequence[Result]], Result]


def expand_elemwise(expander: Expander, node: Apply, inputs: Sequence[Result]) -> Result:
    """Return the expansion of an Elemwise node."""
    kind = type(node.op.scalar_op)
    if kind in _LOGARITHMS:
        return _LOGARITHMS[kind](expander, node)
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


def _expand_switch(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    """Expand a switch on other variables; where a branch is minus infinity, x has no law to speak of."""
    condition = node.inputs[0]
    _, if_true, if_false = inputs
    if _takes_the_poisson_limit(condition):
        return if_false
    for branch, other in ((1, if_false), (2, if_true)):
        if number(node.inputs[branch]) == -np.inf:
            return other
    zero = filled(0.0, node.outputs[0].type.ndim)
    keys = dict.fromkeys([*if_true.terms, *if_false.terms])
    terms = {key: chosen(condition, if_true.terms.get(key, zero), if_false.terms.get(key, zero)) for key in keys}
    linear = None
    if if_true.linear is not None or if_false.linear is not None:
        branches = (zero if given.linear is None else given.linear for given in (if_true, if_false))
        linear = chosen(condition, *branches)
    return Expansion(terms, linear)


def _takes_the_poisson_limit(condition: TensorVariable) -> bool:
    """Whether this is PyMC's ``n > 1e10``, beyond which it takes the Poisson limit of the negative binomial density."""
    node = condition.owner
    is_greater = node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.GT)
    return is_greater and number(node.inputs[1]) == _POISSON_LIMIT


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


def _inverse(monomial: Monomial) -> Monomial:
    return tuple((atom, -exponent) for atom, exponent in monomial)


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
    return _expand_switch(expander, node, [Expansion(), *logs])


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


_LOGARITHMS: dict[type, Callable[[Expander, Apply], Result]] = {ps.Log: _log, ps.Log1p: _log1p}
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
    ps.Switch: _expand_switch,
}
