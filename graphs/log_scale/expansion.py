"""Logarithms of polynomials, written such that nothing cancels where it need not."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, log
from typing import Literal, NamedTuple

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.log_scale.arithmetic import Log, added, log_gap, log_sum, scaled
from graphs.log_scale.polynomials import (
    Monomial,
    Polynomial,
    bernstein,
    by_power,
    common_monomial,
    factors_in,
    inverse,
    multiply,
)
from graphs.log_scale.quotients import Quotient

_MOST_PARTS = 64
_AWAY_FROM_ZERO = 1e-3
"""What is surely larger loses no digits that matter when its logarithm is taken as it stands."""


class KnownFactor(NamedTuple):
    """What is known of a factor."""

    value: TensorVariable
    kind: Literal["chance", "positive", "unknown"]
    is_fragile: bool  # whether its logarithm, or that of one minus it, has a form that holds further than the plain one
    may_be_zero: bool
    log: Callable[[], TensorVariable]
    complement: Callable[[], TensorVariable]  # of a chance


class _SignedLogs(NamedTuple):
    """The logarithms of what is added and of what is subtracted; None for nothing."""

    positive: Log | None
    negative: Log | None


class LogExpansion:
    """Logarithms of quotients of polynomials in factors.

    Parameters
    ----------
    factor_of : callable
        What is known of the factor of a number.
    """

    def __init__(self, factor_of: Callable[[int], KnownFactor]):
        self._factor_of = factor_of
        self._num_parts = 0

    def of(self, quotient: Quotient) -> Log | None:
        """Return the logarithm; None where no other form than the plain one is known, or needed."""
        sides = (quotient.above, quotient.below)
        if not all(sides) or not self._is_needed(quotient):
            return None
        shared = [common_monomial(side) for side in sides]
        rests = [multiply(side, {inverse(common): 1.0}) for side, common in zip(sides, shared, strict=True)]
        if any(self._kinds(rest) & {"unknown"} for rest in rests):
            return None
        self._num_parts = 0
        logs: list[Log] = []
        is_signed = False
        for rest, sign in zip(rests, (1, -1), strict=True):
            part = self._parts(rest)
            if part is None or part.positive is None:
                return None
            is_signed = is_signed or part.negative is not None
            total = part.positive if part.negative is None else log_gap(part.positive, part.negative)
            logs.append(scaled(total, sign))
        product = multiply({shared[0]: 1.0}, {inverse(shared[1]): 1.0})
        [monomial] = product
        of_product = self._of_monomial(monomial, is_signed)
        return None if of_product is None else added([*logs, *of_product])

    def _is_needed(self, quotient: Quotient) -> bool:
        """Whether something fragile takes part, and the result may come near zero or be without bound."""
        factors = {*factors_in(quotient.above), *factors_in(quotient.below)}
        if not any(self._factor_of(factor).is_fragile for factor in factors):
            return False
        is_bounded = all(self._factor_of(factor).kind == "chance" for factor in factors)
        sides = (quotient.above, quotient.below)
        return not (is_bounded and all(_least(side) >= _AWAY_FROM_ZERO for side in sides))

    def _kinds(self, polynomial: Polynomial) -> set[str]:
        """Return the kinds of the factors; plain numbers without bound that are subtracted are of unknown kind."""
        kinds: set[str] = {self._factor_of(factor).kind for factor in factors_in(polynomial)}
        for monomial, number in polynomial.items():
            taken = [self._factor_of(factor) for factor, _ in monomial]
            if number < 0 and any(factor.kind == "positive" and not factor.is_fragile for factor in taken):
                kinds.add("unknown")
        return kinds

    def _of_monomial(self, monomial: Monomial, is_signed: bool) -> list[Log] | None:
        """Return logarithms of the factors of a product; of those of unknown sign together."""
        logs: list[Log] = []
        unknown = []
        for number, power in monomial:
            factor = self._factor_of(number)
            if factor.kind == "unknown":
                unknown.append(factor.value if power == 1 else factor.value**power)
            else:
                logs.append(scaled(factor.log(), power))
        if unknown and is_signed:
            return None
        return [*logs, *([pt.log(pt.mul(*unknown) if len(unknown) > 1 else unknown[0])] if unknown else [])]

    def _parts(self, polynomial: Polynomial) -> _SignedLogs | None:
        """Return the logarithms of the positive and of the negative terms; None where there are too many."""
        self._num_parts += 1
        if self._num_parts > _MOST_PARTS:
            return None
        if list(polynomial) == [()]:
            number = log(abs(polynomial[()]))
            return _SignedLogs(number, None) if polynomial[()] > 0 else _SignedLogs(None, number)
        number, degree, rests = self._split(polynomial)
        factor = self._factor_of(number)
        positive: list[Log] = []
        negative: list[Log] = []
        for power, rest in rests.items():
            part = self._parts(rest)
            if part is None:
                return None
            weights = [scaled(factor.log(), power)] if power else []
            if factor.kind == "chance":
                weights += [scaled(factor.complement(), degree - power)] if power < degree else []
                weights += [log(comb(degree, power))]
            positive += [] if part.positive is None else [added([part.positive, *weights])]
            negative += [] if part.negative is None else [added([part.negative, *weights])]
        may_vanish = any(self._factor_of(each).may_be_zero for each in factors_in(polynomial))
        return _SignedLogs(log_sum(positive, may_vanish=may_vanish), log_sum(negative, may_vanish=may_vanish))

    def _split(self, polynomial: Polynomial) -> tuple[int, int, dict[int, Polynomial]]:
        """Choose the factor after which least is left; return its degree, and what stands beside its powers."""
        candidates = []
        for number in factors_in(polynomial):
            powers = by_power(polynomial, number)
            is_chance = self._factor_of(number).kind == "chance" and min(powers) >= 0
            rests = {k: rest for k, rest in enumerate(bernstein(powers)) if rest} if is_chance else powers
            candidates.append((sum(map(len, rests.values())), number, max(powers), rests))
        return min(candidates, key=lambda candidate: candidate[:2])[1:]


def _least(polynomial: Polynomial) -> float:
    """Return a lower bound of a polynomial in numbers between zero and one; zero where powers are too many."""
    factors = factors_in(polynomial)
    if not factors:
        return polynomial.get((), 0.0)
    powers = by_power(polynomial, factors[0])
    if min(powers) < 0 or len(factors) > 6:
        return 0.0
    return min(_least(rest) for rest in bernstein(powers))
