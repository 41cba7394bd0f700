"""Laws of which another one is the shifted, scaled or reflected version."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, prod

import numpy as np
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.families.normal import strictly_between
from graphs.conditional.law import Law


@dataclass(frozen=True, eq=False)
class Affine(Law):
    """Law of ``x = shift + scale z`` where z has a known one.

    Parameters
    ----------
    base : Law
        The law of z; its parameters are those of this one.
    shift, scale : float
        Negative scales reflect.
    """

    base: Law
    shift: float
    scale: float

    @property
    def family(self) -> str:
        """Name of the family."""
        scaled = {1.0: "", -1.0: "-"}.get(self.scale, f"{self.scale:g}*")
        return f"{scaled}{self.base.family}" if self.shift == 0 else f"{self.shift:g}{self._sign}{self.base.family}"

    @property
    def _sign(self) -> str:
        sign = " + " if self.scale > 0 else " - "
        return sign if abs(self.scale) == 1 else f"{sign}{abs(self.scale):g}*"

    @property
    def condition(self) -> TensorVariable:
        """Whether the law of z is proper."""
        return self.base.condition

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        return self.base.domain

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``."""
        return self.base.logprob((value - np.float64(self.shift)) / np.float64(self.scale)) - log(abs(self.scale))

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, z = self.base.draw_graph(rng)
        return next_rng, self._of(z)

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self._of(self.base.mean())

    def mode(self) -> TensorVariable:
        """Return the mode of the density."""
        return self._of(self.base.mode())

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode, all elements together; shape ()."""
        return self.base.peak() - prod(self.variable.type.shape) * log(abs(self.scale))

    def anchor(self) -> TensorVariable:
        """Return a point inside the support, near the bulk of the law, that rounding did not move to its end."""
        ends = (self.shift, np.inf) if self.scale > 0 else (-np.inf, self.shift)
        return strictly_between(self._of(self.base.anchor()), *ends)

    def _of(self, z: TensorVariable) -> TensorVariable:
        # A number of Python would be taken as one of single precision.
        scaled = z if self.scale == 1 else np.float64(self.scale) * z
        return scaled if self.shift == 0 else np.float64(self.shift) + scaled
