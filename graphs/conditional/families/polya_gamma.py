"""Polya-gamma laws: those of the auxiliary variables that make logistic likelihoods quadratic."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law
from graphs.variables.polya_gamma import polya_gamma


@dataclass(frozen=True, eq=False)
class PolyaGamma(Law):
    """Polya-gamma law with parameters ``count`` and ``tilt``.

    Its density is relative to that of tilt zero, which is an infinite series without parameters of the model.

    References
    ----------
    .. [1] Polson, Scott and Windle (2013). Bayesian inference for logistic models using Polya-gamma latent variables.
       Journal of the American Statistical Association 108.
    """

    family = "PolyaGamma"
    domain = "count >= 0"

    @property
    def condition(self) -> TensorVariable:
        """Whether no count is negative: that of a row without trials is zero, and so is its draw."""
        return pt.all(self.parameters["count"] >= 0)

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value`` relative to the law of the same count without tilt."""
        count, tilt = self.parameters["count"], self.parameters["tilt"]
        log_cosh = pt.softplus(tilt) - 0.5 * tilt - log(2.0)
        return count * log_cosh - 0.5 * pt.sqr(tilt) * value

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        count, tilt = self.parameters["count"], self.parameters["tilt"]
        next_rng, value = polya_gamma(count, tilt, rng=rng, return_next_rng=True)
        return next_rng, value

    def mean(self) -> TensorVariable:
        """Return the mean."""
        count, tilt = self.parameters["count"], self.parameters["tilt"]
        is_small = pt.abs(tilt) < 1e-4
        safe = pt.switch(is_small, 1.0, tilt)
        return count * pt.switch(is_small, 0.25 - pt.sqr(tilt) / 48.0, pt.tanh(0.5 * safe) / (2.0 * safe))

    def mode(self) -> TensorVariable:
        """Return the mean: the mode has no closed form, and nothing maximises over an auxiliary variable."""
        return self.mean()
