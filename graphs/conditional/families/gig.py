"""Generalised inverse Gaussian laws, and gamma laws between bounds, of x itself or of a power of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.formula import formula
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.gamma import powered
from graphs.conditional.families.normal import strictly_between
from graphs.conditional.law import Law
from graphs.variables.gig import gig

LARGE_ORDER = 50.0
# Divisor and coefficients of the polynomials u_k, DLMF 10.41.10.
_OLVER = (
    (24.0, (3.0, -5.0)),
    (1152.0, (81.0, -462.0, 385.0)),
    (414720.0, (30375.0, -369603.0, 765765.0, -425425.0)),
    (39813120.0, (4465125.0, -94121676.0, 349922430.0, -446185740.0, 185910725.0)),
)


@dataclass(frozen=True, eq=False)
class GIG(Law):
    """Generalised inverse Gaussian law of ``z = x^exponent``: ``z^(power - 1) exp(-rate z - scale / z)``.

    The inverse Gaussian law with ``mean = sqrt(scale / rate)`` and ``shape = 2 scale`` is that of power -1/2.

    Parameters
    ----------
    exponent : float
        Positive.
    """

    exponent: float = 1.0

    domain = "rate > 0 and scale > 0"

    @property
    def family(self) -> str:
        """Name of the family."""
        return "GIG" if self.exponent == 1 else f"GIG^(1/{self.exponent:g})"

    @property
    def condition(self) -> TensorVariable:
        """Whether rate and scale are positive; the scale may be zero if the power is positive, the rate if negative."""
        power, rate, scale = (self.parameters[name] for name in ("power", "rate", "scale"))
        at_zero, at_infinity = (scale > 0) | (power > 0), (rate > 0) | (power < 0)
        return pt.all((rate >= 0) & (scale >= 0) & at_zero & at_infinity)

    def also(self) -> str:
        """Return the law as an inverse Gaussian one, where it is."""
        [power] = simplify([self.parameters["power"]])
        if self.exponent != 1 or formula(power) not in ("-0.5", "-1/2"):
            return ""
        rate, scale = self.parameters["rate"], self.parameters["scale"]
        mean, shape = map(formula, simplify([pt.sqrt(scale / rate), 2.0 * scale]))
        return f"InverseGaussian(mean={mean}, shape={shape})"

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        power, rate, scale = (self.parameters[name] for name in ("power", "rate", "scale"))
        z = powered(value, self.exponent)
        normalizer = 0.5 * power * (pt.log(rate) - pt.log(scale)) - log(2.0) - self._log_bessel(power)
        slope = log(self.exponent) + self.exponent * pt.log(value) - pt.log(value)
        return normalizer + (power - 1) * self.exponent * pt.log(value) - rate * z - scale / z + slope

    def _log_bessel(self, order: TensorVariable) -> TensorVariable:
        """Return the logarithm of the modified Bessel function of the second kind, at ``2 sqrt(rate scale)``."""
        return log_bessel(order, 2.0 * pt.sqrt(self.parameters["rate"] * self.parameters["scale"]))

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        power, rate, scale = (self.parameters[name] for name in ("power", "rate", "scale"))
        next_rng, z = gig(power, rate, scale, 0.0, inf, rng=rng, return_next_rng=True)
        return next_rng, powered(z, 1.0 / self.exponent)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        power, rate, scale = (self.parameters[name] for name in ("power", "rate", "scale"))
        order = 1.0 / self.exponent
        ratio = pt.exp(self._log_bessel(power + order) - self._log_bessel(power))
        return ratio * powered(scale / rate, 0.5 * order)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        power, rate, scale = (self.parameters[name] for name in ("power", "rate", "scale"))
        return powered(_peak_of(power - 1.0 / self.exponent, rate, scale), 1.0 / self.exponent)

    def anchor(self) -> TensorVariable:
        """Return the point whose logarithm is the mode of the logarithm: positive also where rate or scale is zero."""
        power, rate, scale = (self.parameters[name] for name in ("power", "rate", "scale"))
        return powered(_peak_of(power, rate, scale), 1.0 / self.exponent)


@dataclass(frozen=True, eq=False)
class TruncatedGamma(Law):
    """Gamma law of ``z = x^exponent``, with x between bounds: ``z^(shape - 1) exp(-rate z)``.

    Parameters
    ----------
    exponent : float
        Not zero; -1 for a truncated inverse gamma law, -2 for that of a standard deviation.
    lower, upper : float
        Bounds of x; not negative.
    """

    exponent: float = 1.0
    lower: float = 0.0
    upper: float = inf

    @property
    def family(self) -> str:
        """Name of the family."""
        name = {1.0: "Gamma", -1.0: "InverseGamma"}.get(self.exponent, f"Gamma^(1/{self.exponent:g})")
        return f"Truncated{name}[{self.lower:g}, {self.upper:g}]"

    @property
    def _bounds(self) -> tuple[float, float]:
        """Bounds of z."""
        low, high = (_power_of(bound, self.exponent) for bound in (self.lower, self.upper))
        return min(low, high), max(low, high)

    @property
    def condition(self) -> TensorVariable:
        """Whether the rate is positive, and the shape too where z may be zero."""
        is_proper = self.parameters["rate"] > 0
        if self._bounds[0] == 0:
            is_proper = is_proper & (self.parameters["shape"] > 0)
        return pt.all(is_proper)

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        return "rate > 0 and shape > 0" if self._bounds[0] == 0 else "rate > 0"

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; not a number for shapes that are not positive."""
        shape, rate = self.parameters["shape"], self.parameters["rate"]
        low, high = self._bounds
        at_low = rate * low
        below, above = pt.gammainc(shape, at_low), pt.gammaincc(shape, at_low)
        if high < inf:
            mass = pt.switch(
                at_low > shape,
                above - pt.gammaincc(shape, rate * high),
                pt.gammainc(shape, rate * high) - below,
            )
        else:
            mass = above
        normalizer = shape * pt.log(rate) - pt.gammaln(shape) - pt.log(mass)
        slope = log(abs(self.exponent)) + (self.exponent - 1) * pt.log(value)
        logarithm = self.exponent * pt.log(value)
        inside = normalizer + (shape - 1) * logarithm - rate * powered(value, self.exponent) + slope
        return pt.switch((value > self.lower) & (value < self.upper), inside, -inf)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        shape, rate = self.parameters["shape"], self.parameters["rate"]
        next_rng, z = gig(shape, rate, 0.0, *self._bounds, rng=rng, return_next_rng=True)
        return next_rng, pt.clip(powered(z, 1.0 / self.exponent), self.lower, self.upper)

    def mean(self) -> TensorVariable:
        """Return the mean, where shape and ``shape + 1 / exponent`` are positive."""
        shape, rate, order = self.parameters["shape"], self.parameters["rate"], 1.0 / self.exponent
        low, high = self._bounds

        def mass(a: TensorVariable) -> TensorVariable:
            """Return the integral of ``z^(a - 1) exp(-rate z)``, times ``rate^a``."""
            top = 1.0 if high == inf else pt.gammainc(a, rate * high)
            total: TensorVariable = pt.exp(pt.gammaln(a)) * (top - pt.gammainc(a, rate * low))
            return total

        return mass(shape + order) / mass(shape) * powered(rate, -order)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        shape, rate = self.parameters["shape"], self.parameters["rate"]
        z = pt.clip((shape - 1.0 / self.exponent) / rate, *self._bounds)
        return powered(z, 1.0 / self.exponent)

    def anchor(self) -> TensorVariable:
        """Return a point where z is the mean without bounds or, beyond one, as far inside as the density reaches."""
        shape, rate = self.parameters["shape"], self.parameters["rate"]
        low, high = self._bounds
        mean = pt.maximum(shape, 0.0) / rate
        near = pt.clip(mean, low, high)
        reach = pt.minimum(
            1.0 / (pt.abs(shape / near - rate) + pt.sqrt(pt.abs(shape) + 1.0) / near), 0.5 * (high - low)
        )
        z = pt.clip(mean, low + reach, high - reach)
        return strictly_between(powered(z, 1.0 / self.exponent), self.lower, self.upper)


def _peak_of(order: TensorVariable, rate: TensorVariable, scale: TensorVariable) -> TensorVariable:
    """Return where ``z^order exp(-rate z - scale / z)`` is largest, by a sum of what has the same sign."""
    root = pt.sqrt(pt.sqr(order) + 4.0 * rate * scale)
    largest: TensorVariable = pt.switch(order < 0, 2.0 * scale / (root - order), (root + order) / (2.0 * rate))
    return largest


def log_bessel(order: TensorVariable, argument: TensorVariable) -> TensorVariable:
    """Return the logarithm of the modified Bessel function of the second kind.

    For orders from 50 on, where the function itself overflows, by Olver's uniform expansion: NIST Digital Library of
    Mathematical Functions, 10.41.4. Its error is below 1e-10.
    """
    order = pt.abs(order)
    is_large = order >= LARGE_ORDER
    few, many = pt.switch(is_large, 1.0, order), pt.switch(is_large, order, LARGE_ORDER)
    direct = pt.log(pt.kve(few, argument)) - argument
    ratio = argument / many
    root = pt.sqrt(1.0 + pt.sqr(ratio))
    p = 1.0 / root
    series = pt.ones_like(p)
    for power, (divisor, coefficients) in enumerate(_OLVER, start=1):
        polynomial = sum(c * p ** (power + 2 * i) for i, c in enumerate(coefficients))
        series = series + (-1.0) ** power * polynomial / (divisor * many**power)
    expansion = 0.5 * pt.log(0.5 * np.pi / many) - many * (root + pt.log(ratio / (1.0 + root)))
    expansion = expansion + 0.5 * pt.log(p) + pt.log(series)
    logarithm: TensorVariable = pt.switch(is_large, expansion, direct)
    return logarithm


def _power_of(bound: float, exponent: float) -> float:
    if bound in (0.0, inf):
        return bound if exponent > 0 else (inf if bound == 0 else 0.0)
    return float(bound**exponent)
