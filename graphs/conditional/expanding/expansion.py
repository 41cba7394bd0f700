"""Sums of coefficients times features of a variable: the algebra that finds natural parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import number, plus, power, scale, times
from graphs.conditional.expanding.views import ElementView

Monomial = tuple[tuple[str, float], ...]
Key = tuple[ElementView | None, Monomial]

ONE: Monomial = ()
CONSTANT: Key = (None, ONE)
_MOST_TERMS = 40
_MOST_MONOMIALS = 12
"""No family of laws has half as many features."""
_LARGEST_POWER = 6


class ObstacleKind(Enum):
    """What an obstacle says, for those who act on it."""

    NO_RULE = auto()
    """No law is known, or none that could be verified."""
    ABSENT = auto()
    """The log-density does not depend on the variable."""
    IMPROPER = auto()
    """The law is improper, whatever the values of the other variables."""
    SEEMS_IMPROPER = auto()
    """The law was improper at every point tried."""
    LARGE = auto()
    """There is a law, of more elements that depend on each other than are drawn together."""
    REFUSED = auto()
    """There is a law, of a kind that is not wanted."""


@dataclass(frozen=True)
class Obstacle:
    """Why there is no law, or an expression is no sum of coefficients times features.

    Parameters
    ----------
    reason : str
        In words, for people: nothing is decided by them.
    kind : ObstacleKind
        What is decided by.
    """

    reason: str
    kind: ObstacleKind = ObstacleKind.NO_RULE


@dataclass(frozen=True, eq=False)
class Expansion:
    """An array as a sum of coefficients times monomials of a view of x, plus a part already summed over elements.

    Parameters
    ----------
    terms : mapping of (ElementView, Monomial) to TensorVariable
        Coefficients, which broadcast to the array. A monomial is a product of powers of the atoms ``x``, ``log x``,
        ``exp x``, ``1 - x`` and ``log(1 - x)``, by name.
    linear : TensorVariable, optional
        A graph that is linear in the feature variables of the expander.
    """

    terms: Mapping[Key, TensorVariable] = field(default_factory=dict)
    linear: TensorVariable | None = None

    @property
    def is_free(self) -> bool:
        """Whether x does not occur."""
        return self.linear is None and set(self.terms) <= {CONSTANT}

    def single(self) -> tuple[Key, TensorVariable] | None:
        """Return the only term with its coefficient, or None where there are more or fewer."""
        if self.linear is not None or len(self.terms) != 1:
            return None
        return next(iter(self.terms.items()))


Result = Expansion | Obstacle


def add(a: Expansion, b: Expansion) -> Expansion:
    """Return the expansion of ``a + b``."""
    terms = dict(a.terms)
    for key, coefficient in b.terms.items():
        terms[key] = plus(terms[key], coefficient) if key in terms else coefficient
    constant = terms.get(CONSTANT)
    if constant is not None and len(terms) > 1 and number(constant) == 0 and set(constant.type.shape) <= {1}:
        # PyMC writes x - 0, and x alone has a logarithm and an inverse.
        del terms[CONSTANT]
    linear = a.linear if b.linear is None else b.linear if a.linear is None else a.linear + b.linear
    return Expansion(terms, linear)


def scaled(factor: float, a: Expansion) -> Expansion:
    """Return the expansion of a number times ``a``."""
    terms = {key: scale(factor, coefficient) for key, coefficient in a.terms.items()}
    return Expansion(terms, None if a.linear is None else scale(factor, a.linear))


def multiply(a: Expansion, b: Expansion) -> Expansion | Obstacle:
    """Return the expansion of ``a * b``; products of different elements of x are an obstacle."""
    for free, other in ((a, b), (b, a)):
        if free.is_free:
            factor = free.terms.get(CONSTANT)
            if factor is None:
                return Expansion()
            terms = {key: times(factor, coefficient) for key, coefficient in other.terms.items()}
            return Expansion(terms, None if other.linear is None else times(factor, other.linear))
    if a.linear is not None or b.linear is not None:
        return ACROSS
    result = Expansion()
    for (view_a, monomial_a), coefficient_a in a.terms.items():
        for (view_b, monomial_b), coefficient_b in b.terms.items():
            if view_a is not None and view_b is not None and view_a != view_b:
                return ACROSS
            product = multiply_monomials(monomial_a, monomial_b)
            key = (None if product == ONE else view_a or view_b, product)
            result = add(result, Expansion({key: times(coefficient_a, coefficient_b)}))
    return result if _is_short(result) else Obstacle("it enters a polynomial of too many terms")


def _is_short(a: Expansion) -> bool:
    return len(a.terms) <= _MOST_TERMS and len({monomial for _, monomial in a.terms}) <= _MOST_MONOMIALS


def raise_to(a: Expansion, exponent: float, positive_atoms: frozenset[str]) -> Expansion | Obstacle:
    """Return the expansion of ``a ** exponent``."""
    if exponent == 0:
        return Obstacle("it enters a power zero")
    single = a.single()
    if single is not None:
        (view, monomial), coefficient = single
        if exponent == int(exponent) or all(atom in positive_atoms for atom, _ in monomial):
            raised = tuple((atom, p * exponent) for atom, p in monomial)
            return Expansion({(view, raised): power(coefficient, exponent)})
        return Obstacle("a root is taken of it, which is not positive by its support")
    if exponent != int(exponent) or not 1 <= exponent <= _LARGEST_POWER:
        return Obstacle(f"a sum that holds it is raised to the power {exponent:g}")
    result: Expansion | Obstacle = _square(a) if exponent >= 2 else a
    for _ in range(int(exponent) - 2):
        if isinstance(result, Expansion):
            result = multiply(result, a)
    return result


def _square(a: Expansion) -> Expansion | Obstacle:
    """Return the expansion of ``a ** 2``, each mixed product being written once."""
    parts = [Expansion({key: coefficient}) for key, coefficient in a.terms.items()]
    if a.linear is not None:
        return ACROSS
    result = Expansion()
    for i, part in enumerate(parts):
        for other in parts[i:]:
            product = multiply(part, other)
            if isinstance(product, Obstacle):
                return product
            result = add(result, product if other is part else scaled(2.0, product))
    return result if _is_short(result) else Obstacle("it enters a polynomial of too many terms")


def multiply_monomials(a: Monomial, b: Monomial) -> Monomial:
    """Return the product of two monomials."""
    exponents = dict(a)
    for atom, exponent in b:
        exponents[atom] = exponents.get(atom, 0.0) + exponent
    return tuple(sorted((atom, p) for atom, p in exponents.items() if p != 0))


ACROSS = Obstacle("it enters a product of different elements, so that these are not independent given the rest")
