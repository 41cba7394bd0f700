"""Which law the features of a count make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.conditional.expanding.coefficients import filled, number, plus, scale
from graphs.conditional.expanding.count_rules import Offset, is_same
from graphs.conditional.expanding.expansion import Obstacle
from graphs.conditional.expanding.formula import formula
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.counts import Binomial, CountLaw, NegativeBinomial, Poisson
from graphs.conditional.recognize import Parameters, X, shaped, why_not
from graphs.supports import Support

_ROLES = {(1, -1.0): "falling", (1, 1.0): "rising", (-1, -1.0): "reflected"}
"""By the sign of x and the coefficient: 1 / (x + c)!, (x + c)!, 1 / (c - x)!."""


def count_law(
    x: TensorVariable,
    natural: Parameters,
    support: Support,
    offsets: Mapping[str, Offset],
    bounds: Sequence[Offset],
    signs: Signs,
) -> CountLaw | Obstacle:
    """Return the law of a count that has these natural parameters, or why none is known.

    With the smallest value s, ``eta k - log(k!)`` of ``k = x - s`` is a Poisson law, with ``log(gamma(k + r))`` besides
    a negative binomial one, with ``-log((n - k)!)`` a binomial one; and ``eta k`` alone is a geometric one.

    Parameters
    ----------
    x : TensorVariable
        The variable; integers.
    natural : mapping of Monomial to TensorVariable
        Coefficients of the features in the log-density; those that are absent are zero.
    support : Support
        Support of each element of x.
    offsets : mapping of str to Offset
        What is added to x in each feature ``log(gamma(...))``.
    bounds : sequence of Offset
        Sums that are not negative where the log-density is finite.
    signs : Signs
        Bounds of the other variables.

    Returns
    -------
    CountLaw or Obstacle
    """
    natural = {feature: eta for feature, eta in natural.items() if number(eta) != 0}
    roles = _roles(natural, offsets)
    law = _law(x, natural, support, roles)
    if law is None:
        return why_not(natural, support)
    return _contradiction(law, _highest(roles), support, bounds, signs) or law


def _roles(natural: Parameters, offsets: Mapping[str, Offset]) -> dict[str, TensorVariable] | None:
    """Return what is added to x by the role of the term, or None where there is another term or the same one twice."""
    roles: dict[str, TensorVariable] = {}
    for monomial, eta in natural.items():
        if monomial == X:
            continue
        offset = offsets.get(monomial[0][0]) if len(monomial) == 1 and monomial[0][1] == 1 else None
        role = None if offset is None else _ROLES.get((offset.sign, number(eta) or 0.0))
        if offset is None or role is None or role in roles:
            return None
        roles[role] = offset.value
    return roles


def _law(
    x: TensorVariable, natural: Parameters, support: Support, roles: Mapping[str, TensorVariable] | None
) -> CountLaw | None:
    if roles is None:
        return None
    one = filled(1.0, x.type.ndim)
    eta = natural.get(X, filled(0.0, x.type.ndim))
    names = set(roles)
    if names == {"falling"}:
        return Poisson(x, shaped(x, {"rate": exponential(eta), "shift": _shift(roles)}))
    if names == {"falling", "rising"}:
        total, probability = plus(roles["rising"], _shift(roles)), complement(exponential(eta))
        return NegativeBinomial(x, shaped(x, {"number": total, "probability": probability, "shift": _shift(roles)}))
    if names == {"falling", "reflected"}:
        total = plus(plus(roles["reflected"], roles["falling"]), filled(-2.0, x.type.ndim))
        return Binomial(x, shaped(x, {"number": total, "probability": pt.sigmoid(eta), "shift": _shift(roles)}))
    if not names and support.lower > -inf and X in natural:
        shift, probability = filled(support.lower, x.type.ndim), complement(exponential(eta))
        return NegativeBinomial(x, shaped(x, {"number": one, "probability": probability, "shift": shift}))
    return None


def _shift(roles: Mapping[str, TensorVariable]) -> TensorVariable:
    """Return the smallest x of which the factorial is finite."""
    falling = roles["falling"]
    return plus(filled(1.0, falling.type.ndim), scale(-1.0, falling))


def _highest(roles: Mapping[str, TensorVariable] | None) -> TensorVariable | None:
    """Return the largest x of which the factorials are finite; by its parameters the shift would not cancel."""
    reflected = (roles or {}).get("reflected")
    return None if reflected is None else plus(reflected, filled(-1.0, reflected.type.ndim))


def _contradiction(
    law: CountLaw, highest: TensorVariable | None, support: Support, bounds: Sequence[Offset], signs: Signs
) -> Obstacle | None:
    """Say where the support of the variable or a bound cuts values off that the law has."""
    if signs.of(law.shift).lower < support.lower:
        return Obstacle(f"it is at least {support.lower:g}, and its {law.family} law begins at {formula(law.shift)}")
    if support.upper < inf and (highest is None or signs.of(simplify([highest])[0]).upper > support.upper):
        end = "has no end" if highest is None else f"ends at {formula(highest)}"
        return Obstacle(f"it is at most {support.upper:g}, and its {law.family} law {end}")
    for bound in bounds:
        edge = law.shift if bound.sign > 0 else highest
        value = scale(-1.0, bound.value) if bound.sign > 0 else bound.value
        constant = number(value)
        if bound.sign > 0 and constant is not None and constant <= support.lower:
            continue
        if edge is None or not is_same(*simplify([edge, value])):
            relation = "at least" if bound.sign > 0 else "at most"
            return Obstacle(f"it is {relation} {formula(value)}, but not by its {law.family} law")
    return None


def complement(graph: TensorVariable) -> TensorVariable:
    """Return ``1 - graph``; of ``1 - p`` it is p."""
    node = graph.owner
    if node is not None and isinstance(node.op, DimShuffle | Alloc):
        return node.op(complement(node.inputs[0]), *node.inputs[1:])
    if node is not None and isinstance(node.op, Elemwise):
        first = number(node.inputs[0])
        if isinstance(node.op.scalar_op, ps.Sub) and first == 1:
            return node.inputs[1]
        if isinstance(node.op.scalar_op, ps.Add) and first == 1 and len(node.inputs) == 2:
            return -node.inputs[1]
    return 1.0 - graph


def exponential(eta: TensorVariable) -> TensorVariable:
    """Return ``exp(eta)``, going into sums, multiples and logarithms."""
    node = eta.owner
    if node is not None and isinstance(node.op, DimShuffle | Alloc):
        return node.op(exponential(node.inputs[0]), *node.inputs[1:])
    if node is None or not isinstance(node.op, Elemwise):
        return pt.exp(eta)
    inputs = node.inputs
    match node.op.scalar_op:
        case ps.Log():
            return inputs[0]
        case ps.Log1p():
            return 1.0 + inputs[0]
        case ps.Add():
            return pt.mul(*map(exponential, inputs))
        case ps.Sub():
            return exponential(inputs[0]) / exponential(inputs[1])
        case ps.Neg():
            return pt.reciprocal(exponential(inputs[0]))
        case ps.Mul() if len(inputs) == 2 and number(inputs[0]) is not None:
            return pt.pow(exponential(inputs[1]), inputs[0])
    return pt.exp(eta)
