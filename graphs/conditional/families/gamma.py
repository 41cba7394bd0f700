"""Gamma laws, of x itself or of a power or an exponential of it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import log

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.formula import formula
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.law import Law


class _GammaOf(Law):
    """A law under which a function z of x has the density ``rate^shape z^(shape-1) exp(-rate z) / Gamma(shape)``."""

    @property
    def _shape(self) -> TensorVariable:
        return self.parameters["shape"]

    @property
    def _rate(self) -> TensorVariable:
        """The other parameter: a rate of z, which under an inverse gamma law is called the scale of x."""
        return next(graph for name, graph in self.parameters.items() if name != "shape")

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        return " and ".join(f"{name} > 0" for name in self.parameters)

    @abstractmethod
    def _forward(self, value: TensorVariable) -> TensorVariable:
        """Return z."""

    @abstractmethod
    def _backward(self, z: TensorVariable) -> TensorVariable:
        """Return x."""

    @abstractmethod
    def _log_slope(self, value: TensorVariable) -> TensorVariable:
        """Return ``log |dz/dx|``."""

    @abstractmethod
    def _log_forward(self, value: TensorVariable) -> TensorVariable:
        """Return ``log z``."""

    @property
    def condition(self) -> TensorVariable:
        """Whether shape and rate are positive."""
        return pt.all((self._shape > 0) & (self._rate > 0))

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        normalizer = self._shape * pt.log(self._rate) - pt.gammaln(self._shape)
        exponent = (self._shape - 1) * self._log_forward(value) - self._rate * self._forward(value)
        return normalizer + exponent + self._log_slope(value)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, z = rng.gamma(self._shape, scale=1.0 / self._rate)
        return next_rng, self._backward(z)


class _GammaOfPower(_GammaOf):
    """A law under which ``x^power`` has a gamma distribution."""

    @property
    @abstractmethod
    def exponent(self) -> float:
        """The power."""

    def _forward(self, value: TensorVariable) -> TensorVariable:
        return powered(value, self.exponent)

    def _backward(self, z: TensorVariable) -> TensorVariable:
        return powered(z, 1.0 / self.exponent)

    def _log_forward(self, value: TensorVariable) -> TensorVariable:
        return self.exponent * pt.log(value)

    def _log_slope(self, value: TensorVariable) -> TensorVariable:
        return log(abs(self.exponent)) + (self.exponent - 1) * pt.log(value)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self._backward((self._shape - 1.0 / self.exponent) / self._rate)

    def anchor(self) -> TensorVariable:
        """Return the mode where the power is negative, else where z is its mean: the mode may be no positive number."""
        return self._backward((self._shape + max(0.0, -1.0 / self.exponent)) / self._rate)


class Gamma(_GammaOfPower):
    """Gamma law: ``rate^shape x^(shape-1) exp(-rate x) / Gamma(shape)``."""

    family = "Gamma"
    exponent = 1.0

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self._shape / self._rate


class InverseGamma(_GammaOfPower):
    """Inverse gamma law: ``scale^shape x^(-shape-1) exp(-scale / x) / Gamma(shape)``.

    The same law is the scaled inverse chi-squared one with ``degrees_of_freedom = 2 shape`` and
    ``squared_scale = scale / shape``.
    """

    family = "InverseGamma"
    exponent = -1.0

    @property
    def degrees_of_freedom(self) -> TensorVariable:
        """Degrees of freedom as a scaled inverse chi-squared law."""
        return 2.0 * self.parameters["shape"]

    @property
    def squared_scale(self) -> TensorVariable:
        """Squared scale as a scaled inverse chi-squared law."""
        return self.parameters["scale"] / self.parameters["shape"]

    def also(self) -> str:
        """Return the law as a scaled inverse chi-squared one."""
        degrees, squared_scale = map(formula, simplify([self.degrees_of_freedom, self.squared_scale]))
        return f"ScaledInverseChiSquared(degrees_of_freedom={degrees}, squared_scale={squared_scale})"

    def mean(self) -> TensorVariable:
        """Return the mean, for shapes above one."""
        return self._rate / (self._shape - 1)


@dataclass(frozen=True, eq=False)
class PowerGamma(_GammaOfPower):
    """Law under which ``x^power`` has a gamma distribution: half-normal, Rayleigh, Weibull, root inverse gamma, ...

    Parameters
    ----------
    power : float
        The power; not zero.
    """

    power: float = 1.0

    @property
    def family(self) -> str:
        """Name of the family."""
        return f"Gamma^(1/{self.power:g})"

    @property
    def exponent(self) -> float:
        """The power of x that has a gamma distribution."""
        return self.power

    def mean(self) -> TensorVariable:
        """Return the mean."""
        order = 1.0 / self.exponent
        return pt.exp(pt.gammaln(self._shape + order) - pt.gammaln(self._shape)) * powered(self._rate, -order)


@dataclass(frozen=True, eq=False)
class LogGamma(_GammaOf):
    """Law on the real line under which ``exp(multiple x)`` has a gamma distribution.

    Parameters
    ----------
    multiple : float
        The multiple; not zero.
    """

    multiple: float = 1.0

    @property
    def family(self) -> str:
        """Name of the family."""
        return "LogGamma" if self.multiple == 1 else f"LogGamma/{self.multiple:g}"

    def _forward(self, value: TensorVariable) -> TensorVariable:
        return pt.exp(self.multiple * value)

    def _backward(self, z: TensorVariable) -> TensorVariable:
        return pt.log(z) / self.multiple

    def _log_forward(self, value: TensorVariable) -> TensorVariable:
        return self.multiple * value

    def _log_slope(self, value: TensorVariable) -> TensorVariable:
        return log(abs(self.multiple)) + self.multiple * value

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return (pt.digamma(self._shape) - pt.log(self._rate)) / self.multiple

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return pt.log(self._shape / self._rate) / self.multiple


def powered(base: TensorVariable, exponent: float) -> TensorVariable:
    """Return a power by the cheapest operation."""
    named = {1.0: lambda x: x, -1.0: pt.reciprocal, 2.0: pt.sqr, 0.5: pt.sqrt, -0.5: lambda x: 1.0 / pt.sqrt(x)}
    return named[exponent](base) if exponent in named else pt.pow(base, exponent)
