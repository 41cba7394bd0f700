"""Normal and log-normal laws."""

from __future__ import annotations

from math import log, pi

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law


class Normal(Law):
    """Normal law: ``exp(-(x - mean)^2 / (2 variance)) / sqrt(2 pi variance)``."""

    @property
    def family(self) -> str:
        """Name of the family."""
        return "Normal"

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

    def draw(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        return rng.normal(self.parameters["mean"], pt.sqrt(self.parameters["variance"]))

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self.parameters["mean"]

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.parameters["mean"]


class LogNormal(Law):
    """Log-normal law: ``log x`` is normal with ``log_mean`` and ``log_variance``."""

    @property
    def family(self) -> str:
        """Name of the family."""
        return "LogNormal"

    @property
    def condition(self) -> TensorVariable:
        """Whether the variance of the logarithm is positive."""
        return pt.all(self.parameters["log_variance"] > 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        log_value = pt.log(value)
        return _normal_logprob(log_value, self.parameters["log_mean"], self.parameters["log_variance"]) - log_value

    def draw(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, draw = rng.normal(self.parameters["log_mean"], pt.sqrt(self.parameters["log_variance"]))
        return next_rng, pt.exp(draw)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return pt.exp(self.parameters["log_mean"] + self.parameters["log_variance"] / 2)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return pt.exp(self.parameters["log_mean"] - self.parameters["log_variance"])


def _normal_logprob(value: TensorVariable, mean: TensorVariable, variance: TensorVariable) -> TensorVariable:
    return -0.5 * ((value - mean) ** 2 / variance + pt.log(variance) + log(2 * pi))
