"""Beta and Dirichlet laws."""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law


class Beta(Law):
    """Beta law: ``x^(alpha-1) (1-x)^(beta-1) / B(alpha, beta)``."""

    family = "Beta"
    domain = "alpha > 0 and beta > 0"

    @property
    def condition(self) -> TensorVariable:
        """Whether both parameters are positive."""
        return pt.all((self.parameters["alpha"] > 0) & (self.parameters["beta"] > 0))

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        alpha, beta = self.parameters["alpha"], self.parameters["beta"]
        normalizer = pt.gammaln(alpha + beta) - pt.gammaln(alpha) - pt.gammaln(beta)
        return normalizer + (alpha - 1) * pt.log(value) + (beta - 1) * pt.log1p(-value)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        return rng.beta(self.parameters["alpha"], self.parameters["beta"])

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self.parameters["alpha"] / (self.parameters["alpha"] + self.parameters["beta"])

    def mode(self) -> TensorVariable:
        """Return the mode, for parameters above one."""
        alpha, beta = self.parameters["alpha"], self.parameters["beta"]
        return (alpha - 1) / (alpha + beta - 2)

    def anchor(self) -> TensorVariable:
        """Return the mode for parameters that are greater by two: the mean may be rounded to one."""
        alpha, beta = self.parameters["alpha"], self.parameters["beta"]
        return (alpha + 1) / (alpha + beta + 2)


class Dirichlet(Law):
    """Dirichlet law on the last axis: ``prod x_i^(concentration_i - 1) / B(concentration)``."""

    family = "Dirichlet"
    domain = "concentration > 0"

    @property
    def condition(self) -> TensorVariable:
        """Whether every concentration is positive."""
        return pt.all(self.parameters["concentration"] > 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``, one for each vector."""
        a = self.parameters["concentration"]
        normalizer = pt.gammaln(a.sum(axis=-1)) - pt.gammaln(a).sum(axis=-1)
        return normalizer + ((a - 1) * pt.log(value)).sum(axis=-1)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        return rng.dirichlet(self.parameters["concentration"])

    def mean(self) -> TensorVariable:
        """Return the mean."""
        a = self.parameters["concentration"]
        return a / a.sum(axis=-1, keepdims=True)

    def mode(self) -> TensorVariable:
        """Return the mode, for concentrations above one."""
        a = self.parameters["concentration"] - 1
        return a / a.sum(axis=-1, keepdims=True)

    def anchor(self) -> TensorVariable:
        """Return the mode for concentrations that are greater by two."""
        a = self.parameters["concentration"] + 1
        return a / a.sum(axis=-1, keepdims=True)
