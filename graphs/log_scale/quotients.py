"""Graphs as quotients of polynomials in what is no sum, product or quotient itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.log_scale.arithmetic import is_elementwise, negated, negative, number_of
from graphs.log_scale.elements import element_of, indexed, length_of, vectors_of_product
from graphs.log_scale.polynomials import (
    ONE,
    Polynomial,
    add,
    common_monomial,
    constant,
    inverse,
    multiply,
)
from graphs.surgery.rebuilding import nodes_above
from graphs.tails.small_probabilities import log_normal_lower

_MOST_MONOMIALS = 32
_DEEPEST = 40
_HIGHEST_POWER = 8


@dataclass(frozen=True)
class Quotient:
    """One polynomial over another."""

    above: Polynomial
    below: Polynomial

    def reduced(self) -> Quotient:
        """Return the same with one of the two a number, if one of them is a single product."""
        for side in (self.below, self.above):
            if len(side) == 1:
                [(monomial, number)] = side.items()
                over: Polynomial = {inverse(monomial): 1.0 / number}
                return Quotient(multiply(self.above, over), multiply(self.below, over))
        shared = common_monomial({**self.above, **self.below})
        over = {inverse(shared): 1.0}
        return Quotient(multiply(self.above, over), multiply(self.below, over)) if shared else self

    @property
    def size(self) -> int:
        """The number of monomials."""
        return max(len(self.above), len(self.below))

    def one_minus(self) -> Quotient:
        """Return the complement."""
        return Quotient(add(self.below, self.above, -1.0), self.below).reduced()


class Quotients:
    """Quotients of graphs; those that are computed in the same way are one factor.

    Parameters
    ----------
    is_simplex : callable
        Whether the elements of a vector are positive and add up to one.

    Examples
    --------
    >>> x, y = pt.dscalars("x", "y")
    >>> quotients = Quotients()
    >>> quotients.of(1 - (1 - pt.sigmoid(x)) * pt.sigmoid(x) / (2 * y))
    Quotient(above={(): 1.0, ((0, 1), (1, -1)): -0.5, ((0, 2), (1, -1)): 0.5}, below={(): 1.0})
    """

    def __init__(self, is_simplex: Callable[[Variable], bool] = lambda vector: False) -> None:
        self._is_simplex = is_simplex
        self.factors: list[TensorVariable] = []
        # Of those whose logarithms, and those of one minus them, are not found from the operation they come from.
        self.logarithms: dict[int, tuple[TensorVariable, TensorVariable]] = {}
        self._numbers: dict[int, int] = {}
        self._keys: dict[Variable, int] = {}
        self._known_keys: dict[Hashable, int] = {}
        self._found: dict[Variable, Quotient] = {}

    def of(self, variable: Variable, depth: int = 0) -> Quotient:
        """Return the quotient of a graph: that graph as a factor, where nothing is known of it."""
        if variable not in self._found:
            number = number_of(variable)
            found = Quotient(constant(number), ONE) if number is not None and np.isfinite(number) else None
            node = variable.owner
            if found is None and node is not None and depth < _DEEPEST:
                found = self._of_node(node, depth + 1)
            is_small = found is not None and found.below and found.size <= _MOST_MONOMIALS
            self._found[variable] = found if found is not None and is_small else self.factor(variable)
        return self._found[variable]

    def factor(self, variable: Variable) -> Quotient:
        """Return a graph as a factor."""
        key = self._key(variable)
        if key not in self._numbers:
            self._numbers[key] = len(self.factors)
            self.factors.append(pt.as_tensor(variable))
        return Quotient({((self._numbers[key], 1),): 1.0}, ONE)

    def are_same(self, a: Variable, b: Variable) -> bool:
        """Whether two graphs are computed in the same way."""
        return self._key(a) == self._key(b)

    def half_erfc(self, x: Variable) -> Quotient:
        """Return ``erfc(x) / 2``, the chance of a normal variable, whose logarithms are those of both its tails."""
        found = self.factor(0.5 * pt.erfc(x))
        [[(number, _)]] = found.above
        z = sqrt(2.0) * pt.as_tensor(x)
        self.logarithms[number] = (log_normal_lower(-z), log_normal_lower(z))
        return found

    def _of_node(self, node: Apply, depth: int) -> Quotient | None:
        if isinstance(node.op, Subtensor):
            return self._of_element(node, depth)
        if isinstance(node.op, Sum) and node.inputs[0].type.ndim == 1:
            return self._of_sum(pt.as_tensor(node.inputs[0]), depth)
        if isinstance(node.op, DimShuffle):
            factors = vectors_of_product(node.outputs[0])
            if factors is not None:
                return self._of_sum(pt.mul(*factors), depth)
            return self._moved(node, self.of(node.inputs[0], depth))
        if not isinstance(node.op, Elemwise) or len(node.outputs) != 1:
            return None
        kind = type(node.op.scalar_op)
        if kind in _FUNCTIONS:
            return _FUNCTIONS[kind](self, node.inputs[0])
        if kind is ps.Pow:
            power = number_of(node.inputs[1])
            if power is None or power != int(power) or not 0 < abs(power) <= _HIGHEST_POWER:
                return None
            return _power(self.of(node.inputs[0], depth), int(power))
        rule = _RULES.get(kind)
        return None if rule is None else rule([self.of(i, depth) for i in node.inputs])

    def _of_element(self, node: Apply, depth: int) -> Quotient | None:
        """Return an element of a vector that adds up to one as its share in all of them."""
        found = indexed(node.outputs[0])
        if found is None:
            return None
        taken = element_of(*found)
        found = indexed(taken)
        if found is None:
            return self.of(taken, depth)
        vector, place = found
        shares = self._shares(vector, depth)
        total = None if shares is None else added_up(shares)
        return self.factor(taken) if shares is None or total is None else _over(shares[place], total)

    def _shares(self, vector: TensorVariable, depth: int) -> list[Quotient] | None:
        """Return what the elements of a vector that adds up to one are shares of; None of other vectors."""
        length = length_of(vector)
        if length is None:
            return None
        if vector.owner is not None and isinstance(vector.owner.op, Softmax):
            logits = pt.as_tensor(vector.owner.inputs[0])
            return [self.of(pt.exp(element_of(logits, k)), depth) for k in range(length)]
        return [self.factor(vector[k]) for k in range(length)] if self._is_simplex(vector) else None

    def _of_sum(self, vector: TensorVariable, depth: int) -> Quotient | None:
        length = length_of(vector)
        return None if length is None else added_up([self.of(element_of(vector, k), depth) for k in range(length)])

    def _moved(self, node: Apply, inner: Quotient) -> Quotient | None:
        """Move the axes of every factor."""
        if inner.size > _MOST_MONOMIALS:
            return None
        moved: dict[int, int] = {}

        def of_polynomial(polynomial: Polynomial) -> Polynomial:
            total: Polynomial = {}
            for monomial, number in polynomial.items():
                for factor, _ in monomial:
                    if factor not in moved:
                        [[(new, _)]] = self.factor(node.op(self.factors[factor])).above
                        moved[factor] = new
                total[tuple(sorted((moved[factor], power) for factor, power in monomial))] = number
            return total

        return Quotient(of_polynomial(inner.above), of_polynomial(inner.below))

    def _key(self, variable: Variable) -> int:
        for node in nodes_above(variable, self._keys):
            key = (node.op, *map(self._key_of_input, node.inputs))
            for place, out in enumerate(node.outputs):
                self._keys[out] = self._known_keys.setdefault((place, key), len(self._known_keys))
        return self._key_of_input(variable)

    def _key_of_input(self, variable: Variable) -> int:
        if variable not in self._keys:
            key = variable.signature() if isinstance(variable, Constant) else variable
            self._keys[variable] = self._known_keys.setdefault(key, len(self._known_keys))
        return self._keys[variable]


def added_up(terms: list[Quotient], signs: tuple[float, ...] = ()) -> Quotient | None:
    """Return a sum of quotients, with signs; None where it is large."""
    total = Quotient({}, ONE)
    for term, sign in zip(terms, signs or [1.0] * len(terms), strict=True):
        if total.below == term.below:
            total = Quotient(add(total.above, term.above, sign), total.below)
        else:
            above = add(multiply(total.above, term.below), multiply(term.above, total.below), sign)
            total = Quotient(above, multiply(total.below, term.below))
        if total.size > _MOST_MONOMIALS:
            return None
    return total.reduced()


def _product(factors: list[Quotient]) -> Quotient | None:
    total = Quotient(ONE, ONE)
    for factor in factors:
        total = Quotient(multiply(total.above, factor.above), multiply(total.below, factor.below))
        if total.size > _MOST_MONOMIALS:
            return None
    return total.reduced()


def _power(base: Quotient, power: int) -> Quotient | None:
    raised = _product([base] * abs(power))
    return raised if power > 0 or raised is None else Quotient(raised.below, raised.above).reduced()


def _over(above: Quotient, below: Quotient) -> Quotient | None:
    return _product([above, Quotient(below.below, below.above)]) if below.above else None


_RULES: dict[type, Callable[[list[Quotient]], Quotient | None]] = {
    ps.Add: added_up,
    ps.Sub: lambda terms: added_up(terms, (1.0, -1.0)),
    ps.Neg: lambda terms: added_up(terms, (-1.0,)),
    ps.Mul: _product,
    ps.TrueDiv: lambda terms: _over(*terms),
    ps.Reciprocal: lambda terms: _over(Quotient(ONE, ONE), terms[0]),
    ps.Sqr: lambda terms: _power(terms[0], 2),
    ps.Identity: lambda terms: terms[0],
}


def _one_minus_twice(half: Quotient) -> Quotient:
    return Quotient(add(ONE, half.above, -2.0), ONE)


def _of_exponential(quotients: Quotients, x: Variable) -> Quotient | None:
    """Return the exponential of a sum, of ``-softplus`` as a sigmoid."""
    total = _product([_of_exponential_of_summand(quotients, *summand) for summand in _summands(x, 1)])
    return None if x.owner is None else total


def _of_exponential_of_summand(quotients: Quotients, x: Variable, sign: int) -> Quotient:
    if is_elementwise(x, psm.Softplus):
        chance = quotients.factor(pt.sigmoid(negative(pt.as_tensor(x.owner.inputs[0]))))
        return chance if sign < 0 else Quotient(chance.below, chance.above).reduced()
    exponential = quotients.factor(pt.exp(x))
    return exponential if sign > 0 else Quotient(exponential.below, exponential.above).reduced()


def _summands(x: Variable, sign: int) -> list[tuple[Variable, int]]:
    """Return what a sum is made of, with signs; as it is, where no part is a logarithm of a sigmoid."""
    if is_elementwise(x, ps.Add, ps.Sub):
        signs = (1, -1) if is_elementwise(x, ps.Sub) else (1,) * len(x.owner.inputs)
        parts = [part for i, s in zip(x.owner.inputs, signs, strict=True) for part in _summands(i, s * sign)]
    else:
        inner = negated(x)
        parts = [(x, sign)] if inner is None else _summands(inner, -sign)
    return parts if any(is_elementwise(part, psm.Softplus) for part, _ in parts) else [(x, sign)]


_FUNCTIONS: dict[type, Callable[[Quotients, Variable], Quotient | None]] = {
    ps.Exp: _of_exponential,
    ps.Expm1: lambda quotients, x: added_up([quotients.of(pt.exp(x)), Quotient(ONE, ONE)], (1.0, -1.0)),
    ps.Tanh: lambda quotients, x: _one_minus_twice(quotients.factor(pt.sigmoid(-2.0 * pt.as_tensor(x)))),
    psm.Erf: lambda quotients, x: _one_minus_twice(quotients.half_erfc(x)),
    psm.Erfc: lambda quotients, x: added_up([quotients.half_erfc(x)] * 2),
}
