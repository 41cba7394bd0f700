"""Normal and log-normal laws."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, pi, sqrt

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.continuous import truncated_normal
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law

_LARGEST_LOGARITHM = 700.0
"""Of a number of double precision."""


class Normal(Law):
    """Normal law: ``exp(-(x - mean)^2 / (2 variance)) / sqrt(2 pi variance)``."""

    family = "Normal"
    domain = "variance > 0"

    @property
    def precision(self) -> TensorVariable:
        """One over the variance."""
        return 1.0 / self.parameters["variance"]

    @property
    def condition(self) -> TensorVariable:
        """Whether the variance is positive."""
        return pt.all(self.parameters["variance"] > 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        return _normal_logprob(value, self.parameters["mean"], self.parameters["variance"])

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        return rng.normal(self.parameters["mean"], pt.sqrt(self.parameters["variance"]))

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self.parameters["mean"]

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.parameters["mean"]

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode, all elements together; shape ()."""
        return -0.5 * pt.log(2 * pi * self.parameters["variance"]).sum()


class LogNormal(Law):
    """Log-normal law: ``log x`` is normal with ``log_mean`` and ``log_variance``."""

    family = "LogNormal"
    domain = "log_variance > 0"

    @property
    def condition(self) -> TensorVariable:
        """Whether the variance of the logarithm is positive."""
        return pt.all(self.parameters["log_variance"] > 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        log_value = pt.log(value)
        return _normal_logprob(log_value, self.parameters["log_mean"], self.parameters["log_variance"]) - log_value

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, draw = rng.normal(self.parameters["log_mean"], pt.sqrt(self.parameters["log_variance"]))
        return next_rng, pt.exp(draw)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return pt.exp(self.parameters["log_mean"] + self.parameters["log_variance"] / 2)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return pt.exp(self.parameters["log_mean"] - self.parameters["log_variance"])

    def anchor(self) -> TensorVariable:
        """Return the median, where it is neither too large nor too small a number: the mode may be zero."""
        return pt.exp(pt.clip(self.parameters["log_mean"], -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM))


@dataclass(frozen=True, eq=False)
class TruncatedNormal(Law):
    """Normal law between bounds: that of ``mean`` and ``variance``, which are those without the bounds.

    Parameters
    ----------
    lower, upper : float
        Bounds; infinite where there is none.
    """

    lower: float = -inf
    upper: float = inf

    domain = "variance > 0"

    @property
    def family(self) -> str:
        """Name of the family."""
        return f"TruncatedNormal[{self.lower:g}, {self.upper:g}]"

    @property
    def condition(self) -> TensorVariable:
        """Whether the variance is positive."""
        return pt.all(self.parameters["variance"] > 0)

    def _standardized(self) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
        """Return both bounds in standard deviations from the mean, mirrored so that the mass is on the left."""
        scale = pt.sqrt(self.parameters["variance"])
        low, high = ((bound - self.parameters["mean"]) / scale for bound in (self.lower, self.upper))
        is_mirrored = low > 0
        return pt.switch(is_mirrored, -high, low), pt.switch(is_mirrored, -low, high), is_mirrored

    def _log_mass(self) -> TensorVariable:
        low, high, _ = self._standardized()
        log_high, log_low = _log_cdf(high), _log_cdf(low)
        mass: TensorVariable = log_high + pt.log1p(-pt.exp(log_low - log_high))
        return mass

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        whole = _normal_logprob(value, self.parameters["mean"], self.parameters["variance"])
        return pt.switch((value > self.lower) & (value < self.upper), whole - self._log_mass(), -inf)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        scale = pt.sqrt(self.parameters["variance"])
        next_rng, drawn = truncated_normal(
            self.parameters["mean"], scale, self.lower, self.upper, rng=rng, return_next_rng=True
        )
        return next_rng, drawn

    def mean(self) -> TensorVariable:
        """Return the mean."""
        scale = pt.sqrt(self.parameters["variance"])
        low, high, is_mirrored = self._standardized()
        log_mass = self._log_mass()
        density = [pt.exp(-0.5 * pt.sqr(b) - 0.5 * log(2 * pi) - log_mass) for b in (low, high)]
        shift = density[0] - density[1]
        return self.parameters["mean"] + scale * pt.switch(is_mirrored, -shift, shift)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return pt.clip(self.parameters["mean"], self.lower, self.upper)

    def anchor(self) -> TensorVariable:
        """Return the mode or, where that is a bound, a point as far inside as the density reaches."""
        mean, variance = self.parameters["mean"], self.parameters["variance"]
        slope = pt.abs(self.mode() - mean) / variance
        reach = pt.minimum(1.0 / (slope + 1.0 / pt.sqrt(variance)), 0.5 * (self.upper - self.lower))
        return strictly_between(pt.clip(mean, self.lower + reach, self.upper - reach), self.lower, self.upper)


def strictly_between(value: TensorVariable, lower: float, upper: float) -> TensorVariable:
    """Return the number nearest to a value that is not a bound, however near to one it was rounded."""
    nearest: TensorVariable = pt.clip(value, np.nextafter(lower, inf), np.nextafter(upper, -inf))
    return nearest


def _log_cdf(value: TensorVariable) -> TensorVariable:
    """Return the logarithm of the standard normal distribution function."""
    tail = pt.log(0.5 * pt.erfcx(-value / sqrt(2))) - 0.5 * pt.sqr(value)
    return pt.switch(value < -1, tail, pt.log1p(-0.5 * pt.erfc(value / sqrt(2))))


def _normal_logprob(value: TensorVariable, mean: TensorVariable, variance: TensorVariable) -> TensorVariable:
    return -0.5 * ((value - mean) ** 2 / variance + pt.log(variance) + log(2 * pi))
