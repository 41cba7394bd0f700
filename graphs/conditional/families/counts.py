"""Laws on the integers from a smallest one on: Poisson, negative binomial, geometric and binomial, shifted."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import number
from graphs.conditional.expanding.formula import formula
from graphs.conditional.law import Law


class CountLaw(Law):
    """A law of ``x = shift + k``, where k is a count."""

    @property
    def shift(self) -> TensorVariable:
        """The smallest value."""
        return self.parameters["shift"]

    @property
    @abstractmethod
    def highest(self) -> TensorVariable | None:
        """The largest value, or None where there is none."""

    def __str__(self) -> str:
        """Write the law; a shift of zero is left out."""
        shown = {n: g for n, g in self.parameters.items() if n != "shift" or number(g) != 0}
        written = ", ".join(f"{name}={formula(graph)}" for name, graph in shown.items())
        return f"{self.variable.name or 'x'} | rest ~ {self.family}({written})"

    @abstractmethod
    def _logprob_of_count(self, count: TensorVariable) -> TensorVariable:
        """Return the log-probability of a count that is possible."""

    @abstractmethod
    def _draw_count(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a count."""

    @abstractmethod
    def _mean_count(self) -> TensorVariable:
        """Return the mean count."""

    @abstractmethod
    def _mode_count(self) -> TensorVariable:
        """Return the most probable count; it may be negative where zero is meant."""

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-probability of ``value``."""
        count = value - self.shift
        is_possible = count >= 0
        if self.highest is not None:
            is_possible &= value <= self.highest
        return pt.switch(is_possible, self._logprob_of_count(count), -np.inf)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, count = self._draw_count(rng)
        shifted = count if number(self.shift) == 0 else count + pt.cast(self.shift, "int64")
        return next_rng, pt.cast(shifted, self.variable.type.dtype)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self.shift + self._mean_count()

    def mode(self) -> TensorVariable:
        """Return the most probable value."""
        count = pt.maximum(pt.floor(self._mode_count()), 0.0)
        return pt.cast(self.shift + count, self.variable.type.dtype)

    def anchor(self) -> TensorVariable:
        """Return the smallest value: what is left there of a log-density holds no factorial of other variables."""
        shape = self.variable.type.shape
        known = [n if n is not None else self.variable.shape[axis] for axis, n in enumerate(shape)]
        return pt.cast(pt.broadcast_to(self.shift, known), self.variable.type.dtype)


class Poisson(CountLaw):
    """Poisson law: ``rate^k exp(-rate) / k!`` with ``k = x - shift``."""

    family = "Poisson"
    domain = "a finite rate >= 0"
    highest = None

    @property
    def condition(self) -> TensorVariable:
        """Whether the rate is finite and not negative."""
        rate = self.parameters["rate"]
        return pt.all((rate >= 0) & (rate < np.inf))

    def _logprob_of_count(self, count: TensorVariable) -> TensorVariable:
        rate = self.parameters["rate"]
        return _times_log(count, rate) - rate - pt.gammaln(count + 1)

    def _draw_count(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        next_rng, count = rng.poisson(self.parameters["rate"])
        return next_rng, count

    def _mean_count(self) -> TensorVariable:
        return self.parameters["rate"]

    def _mode_count(self) -> TensorVariable:
        return self.parameters["rate"]


class NegativeBinomial(CountLaw):
    """Negative binomial law: ``Gamma(k + number) / (Gamma(number) k!) p^number (1 - p)^k`` with ``k = x - shift``.

    With ``number = 1`` it is a geometric law.
    """

    family = "NegativeBinomial"
    domain = "number > 0 and 0 < probability <= 1"
    highest = None

    @property
    def condition(self) -> TensorVariable:
        """Whether the number is positive and the probability a positive one."""
        number, probability = self.parameters["number"], self.parameters["probability"]
        return pt.all((number > 0) & (probability > 0) & (probability <= 1))

    def also(self) -> str:
        """Return the law as a geometric one, where it is."""
        if number(self.parameters["number"]) != 1 or number(self.shift) != 1:
            return ""
        return f"Geometric(probability={formula(self.parameters['probability'])})"

    def _logprob_of_count(self, count: TensorVariable) -> TensorVariable:
        number, probability = self.parameters["number"], self.parameters["probability"]
        coefficient = pt.gammaln(count + number) - pt.gammaln(number) - pt.gammaln(count + 1)
        return coefficient + number * pt.log(probability) + _times_log(count, 1 - probability)

    def _draw_count(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        next_rng, count = rng.negative_binomial(self.parameters["number"], self.parameters["probability"])
        return next_rng, count

    def _mean_count(self) -> TensorVariable:
        return self.parameters["number"] * (1 - self.parameters["probability"]) / self.parameters["probability"]

    def _mode_count(self) -> TensorVariable:
        return (self.parameters["number"] - 1) * (1 - self.parameters["probability"]) / self.parameters["probability"]


class Binomial(CountLaw):
    """Binomial law: ``C(number, k) p^k (1 - p)^(number - k)`` with ``k = x - shift``."""

    family = "Binomial"
    domain = "number >= 0 and 0 <= probability <= 1"

    @property
    def highest(self) -> TensorVariable:
        """The largest value."""
        return self.shift + self.parameters["number"]

    @property
    def condition(self) -> TensorVariable:
        """Whether the number is not negative and the probability one."""
        number, probability = self.parameters["number"], self.parameters["probability"]
        return pt.all((number >= 0) & (probability >= 0) & (probability <= 1))

    def _logprob_of_count(self, count: TensorVariable) -> TensorVariable:
        number, probability = self.parameters["number"], self.parameters["probability"]
        coefficient = pt.gammaln(number + 1) - pt.gammaln(count + 1) - pt.gammaln(number - count + 1)
        return coefficient + _times_log(count, probability) + _times_log(number - count, 1 - probability)

    def _draw_count(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        number = pt.cast(self.parameters["number"], "int64")
        next_rng, count = rng.binomial(number, self.parameters["probability"])
        return next_rng, count

    def _mean_count(self) -> TensorVariable:
        return self.parameters["number"] * self.parameters["probability"]

    def _mode_count(self) -> TensorVariable:
        number = self.parameters["number"]
        return pt.minimum((number + 1) * self.parameters["probability"], number)


def _times_log(count: TensorVariable, value: TensorVariable) -> TensorVariable:
    """Return ``count log(value)``, and zero for a count of zero."""
    return pt.switch(pt.eq(count, 0), 0.0, count * pt.log(value))
