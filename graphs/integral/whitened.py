"""Laws of variables that are normal together, in coordinates in which the prior of each is standard normal.

A precision matrix of effects and of their mean holds ``1 / scale^2`` several times over, and what is left after an
elimination is the difference: nothing, where the scale is small. In ``x = mean + scale u`` it is one plus what the data
say, whatever the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import JointNormal, Law
from graphs.surgery.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class Coordinate:
    """How a variable follows from one that is standard normal in the prior: ``x = mean + scale u``.

    Parameters
    ----------
    x, u : TensorVariable
        The variable, and the other.
    mean, scale : TensorVariable
        Of the prior, which may depend on the variables before this one; of shapes that are repeated to that of x.
    is_whitened : bool
        Whether that is its prior; where it is not, u is x.
    """

    x: TensorVariable
    u: TensorVariable
    mean: TensorVariable
    scale: TensorVariable
    is_whitened: bool


@dataclass(frozen=True, eq=False)
class WhitenedNormal(Law):
    """Multivariate normal law of several variables; ``variable`` is the vector of their coordinates.

    Parameters
    ----------
    coordinates : tuple of Coordinate
        In an order in which each depends on those before only.
    base : JointNormal
        The law of the coordinates.
    """

    coordinates: tuple[Coordinate, ...]
    base: JointNormal

    improper_draws_are_nan = True

    @property
    def family(self) -> str:
        """Name of the family."""
        return self.base.family

    @property
    def parts(self) -> tuple[TensorVariable, ...]:
        """The variables."""
        return tuple(c.x for c in self.coordinates)

    @property
    def condition(self) -> TensorVariable:
        """Whether the precision matrix is positive definite."""
        return self.base.condition

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        return self.base.domain

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density of the coordinates at ``value``; shape ()."""
        return self.base.logprob(value)

    def logprob_of_parts(self) -> TensorVariable:
        """Return the log-density of the variables at their values; shape ()."""
        pieces = [((c.x - c.mean) / c.scale).ravel() for c in self.coordinates]
        slopes = [pt.sum(pt.log(pt.broadcast_to(c.scale, c.x.type.shape))) for c in self.coordinates]
        density: TensorVariable = self.base.logprob(pt.concatenate(pieces)) - pt.add(*slopes, 0.0)
        return density

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw of the coordinates."""
        return self.base.draw_graph(rng)

    def draw_parts(self, rng: Variable) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
        """Return the next generator and a joint draw by variable."""
        next_rng, drawn = self.base.draw_parts(rng)
        return next_rng, self.natural(list(drawn.values()))

    def natural(self, values: Sequence[TensorVariable]) -> dict[TensorVariable, TensorVariable]:
        """Return the variables at values of their coordinates."""
        found: dict[TensorVariable, TensorVariable] = {}
        for c, value in zip(self.coordinates, values, strict=True):
            mean, scale = substitute([c.mean, c.scale], dict(found))
            found[c.x] = mean + scale * value
        return found

    def mean(self) -> TensorVariable:
        """Return the mean of the coordinates."""
        return self.base.mean()

    def mode(self) -> TensorVariable:
        """Return the mode of the coordinates."""
        return self.base.mode()

    def peak(self) -> TensorVariable:
        """Return the log-density of the coordinates at the mode; shape ()."""
        return self.base.peak()
