"""Laws on finitely many integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.formula import formula
from graphs.conditional.law import Law


@dataclass(frozen=True, eq=False)
class Finite(Law):
    """Law on the integers from ``lower`` to ``upper``; ``probabilities`` lie on the last axis.

    Parameters
    ----------
    log_weights : TensorVariable
        Logarithms of the probabilities up to a constant; shape of the variable, then the number of values.
    lower, upper : int
        The first and the last value.
    """

    log_weights: TensorVariable
    lower: int
    upper: int

    domain = "some value has a positive probability"

    @classmethod
    def of_weights(cls, variable: TensorVariable, log_weights: TensorVariable, lower: int, upper: int) -> Finite:
        """Return the law with these unnormalised log-probabilities."""
        weights = pt.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
        probabilities = weights / weights.sum(axis=-1, keepdims=True)
        return cls(variable, {"probabilities": probabilities}, log_weights=log_weights, lower=lower, upper=upper)

    @property
    def family(self) -> str:
        """Name of the family."""
        return f"Finite[{self.lower}..{self.upper}]"

    def __str__(self) -> str:
        """Write the law with the formula of its weights."""
        return f"{self.variable.name or 'x'} | rest ~ {self.family}(probabilities=softmax({formula(self.log_weights)}))"

    @property
    def condition(self) -> TensorVariable:
        """Whether some value has a positive probability."""
        return pt.all(pt.max(self.log_weights, axis=-1) > -np.inf)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-probability of ``value``."""
        highest = self.log_weights.max(axis=-1, keepdims=True)
        weights = self.log_weights - highest
        logprobs = weights - pt.log(pt.exp(weights).sum(axis=-1, keepdims=True))
        is_value = pt.eq(pt.expand_dims(value, -1), np.arange(self.lower, self.upper + 1))
        return pt.switch(is_value, logprobs, 0.0).sum(axis=-1)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, index = rng.categorical(self.parameters["probabilities"])
        shifted = index if self.lower == 0 else index + self.lower
        return next_rng, pt.cast(shifted, self.variable.type.dtype)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        values = np.arange(self.lower, self.upper + 1, dtype="float64")
        return (self.parameters["probabilities"] * values).sum(axis=-1)

    def mode(self) -> TensorVariable:
        """Return the most probable value."""
        return pt.cast(pt.argmax(self.log_weights, axis=-1) + self.lower, self.variable.type.dtype)
