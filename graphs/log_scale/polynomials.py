"""Polynomials in numbered factors, as sums of monomials; powers may be negative.

One polynomial has many spellings, ``1 - s t`` and ``(1 - s) + s (1 - t)`` among them. Those in which nothing cancels
are found by writing it in q and 1 - q of each factor q between zero and one: Bernstein's form.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

type Monomial = tuple[tuple[int, int], ...]
"""Factors with their powers, none of which is zero; in order."""
type Polynomial = dict[Monomial, float]
"""Coefficients of monomials; none of them is zero."""

ONE: Polynomial = {(): 1.0}

_ROUNDING = 2e-15
"""What is left of numbers that add up to zero."""


def constant(number: float) -> Polynomial:
    """Return a number as a polynomial."""
    return {(): number} if number != 0 else {}


def add(a: Polynomial, b: Polynomial, times: float = 1.0) -> Polynomial:
    """Return a + times b.

    Examples
    --------
    >>> add({(): 1.0}, {(): 1.0, ((0, 1),): 2.0}, -1.0)
    {((0, 1),): -2.0}
    """
    total = dict(a)
    for monomial, number in b.items():
        old = total.pop(monomial, 0.0)
        new = old + times * number
        if abs(new) > _ROUNDING * max(abs(old), abs(times * number)):
            total[monomial] = new
    return total


def multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return a b."""
    total: Polynomial = {}
    for monomial, number in a.items():
        total = add(total, {_together(monomial, other): number * factor for other, factor in b.items()})
    return total


def _together(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a)
    for factor, power in b:
        powers[factor] = powers.get(factor, 0) + power
    return tuple(sorted((factor, power) for factor, power in powers.items() if power != 0))


def inverse(monomial: Monomial) -> Monomial:
    """Return one over a monomial."""
    return tuple((factor, -power) for factor, power in monomial)


def common_monomial(polynomial: Polynomial) -> Monomial:
    """Return the least powers of each factor.

    Examples
    --------
    >>> common_monomial({((0, 2), (1, 1)): 3.0, ((0, 1),): -1.0})
    ((0, 1),)
    """
    powers = [dict(monomial) for monomial in polynomial]
    factors = sorted({factor for each in powers for factor in each})
    least = ((factor, min(each.get(factor, 0) for each in powers)) for factor in factors)
    return tuple((factor, power) for factor, power in least if power != 0)


def factors_in(polynomial: Polynomial) -> list[int]:
    """Return the factors that take part."""
    return sorted({factor for monomial in polynomial for factor, _ in monomial})


def by_power(polynomial: Polynomial, factor: int) -> dict[int, Polynomial]:
    """Return a polynomial in one factor: what stands beside each of its powers."""
    found: dict[int, Polynomial] = {}
    for monomial, number in polynomial.items():
        power = dict(monomial).get(factor, 0)
        rest = tuple(pair for pair in monomial if pair[0] != factor)
        found.setdefault(power, {})[rest] = number
    return found


def bernstein(powers: Mapping[int, Polynomial]) -> list[Polynomial]:
    """Return what stands beside ``comb(n, k) q^k (1 - q)^(n - k)``, for every k, in a polynomial of degree n in q.

    Examples
    --------
    Of ``1 - q t``, where t is factor 7, beside 1 - q and beside q:

    >>> bernstein({0: {(): 1.0}, 1: {((7, 1),): -1.0}})
    [{(): 1.0}, {(): 1.0, ((7, 1),): -1.0}]
    """
    degree = max(powers)
    found: list[Polynomial] = []
    for k in range(degree + 1):
        total: Polynomial = {}
        for power, rest in powers.items():
            if power <= k:
                total = add(total, rest, comb(k, power) / comb(degree, power))
        found.append(total)
    return found
