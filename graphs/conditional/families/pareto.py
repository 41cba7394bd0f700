"""Pareto laws."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law


@dataclass(frozen=True, eq=False)
class Pareto(Law):
    """Pareto law: ``shape lower^shape / x^(shape + 1)`` above ``lower``.

    Parameters
    ----------
    lower : float
        Positive.
    """

    lower: float

    domain = "shape > 0"

    @property
    def family(self) -> str:
        """Name of the family."""
        return f"Pareto({self.lower:g}, inf)"

    @property
    def condition(self) -> TensorVariable:
        """Whether the shape is positive."""
        return pt.all(self.parameters["shape"] > 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        shape = self.parameters["shape"]
        return pt.log(shape) + shape * log(self.lower) - (shape + 1) * pt.log(value)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, gap = rng.exponential(1.0 / self.parameters["shape"])
        return next_rng, self.lower * pt.exp(gap)

    def mean(self) -> TensorVariable:
        """Return the mean, for shapes above one."""
        return self.lower * self.parameters["shape"] / (self.parameters["shape"] - 1)

    def mode(self) -> TensorVariable:
        """Return the lower bound, where the density is largest."""
        return pt.full_like(self.parameters["shape"], self.lower)

    def anchor(self) -> TensorVariable:
        """Return a point between the lower bound, where the density is largest, and twice it."""
        return self.lower * (1.0 + 1.0 / (self.parameters["shape"] + 1.0))
