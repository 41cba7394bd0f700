"""Distributions that are a location plus a scale times what has neither: where these stand among their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.continuous import MoyalRV, SkewNormalRV
from pymc.logprob.abstract import _logprob
from pytensor.graph.basic import Variable
from pytensor.graph.op import Op
from pytensor.tensor.random.basic import (
    CauchyRV,
    GumbelRV,
    LaplaceRV,
    LogisticRV,
    LogNormalRV,
    NormalRV,
    StudentTRV,
    normal,
)
from pytensor.tensor.variable import TensorVariable

# Of the inputs of a node: location and scale.
_PLACES: Mapping[type, tuple[int, int]] = {
    NormalRV: (2, 3),
    LaplaceRV: (2, 3),
    CauchyRV: (2, 3),
    LogisticRV: (2, 3),
    GumbelRV: (2, 3),
    MoyalRV: (2, 3),
    SkewNormalRV: (2, 3),
    StudentTRV: (3, 4),
}
# Distributions of exponentials, and those of the logarithms, which have the same inputs.
_OF_LOGARITHM: Mapping[type, Op] = {LogNormalRV: normal}


class Located(NamedTuple):
    """Location and scale of a variable, as graphs of values."""

    location: TensorVariable  # of a shape that goes with that of the variable
    scale: TensorVariable  # the same
    ratio: TensorVariable  # of sequences: how much of the element before is added to the location, of the first zero
    # Of sequences, shape (m, n): which elements follow on each other, in C order, one sequence a row.
    rows: NDArray[np.int64] | None = None

    @property
    def graphs(self) -> list[TensorVariable]:
        """Location, scale and ratio."""
        return [self.location, self.scale, self.ratio]

    def order(self, size: int) -> NDArray[np.int64]:
        """Return the elements, so many, in the order in which coordinates have them: sequences one after the other."""
        return np.arange(size) if self.rows is None else self.rows.ravel()


def is_located(rv: TensorVariable) -> bool:
    """Whether a random variable is a location plus a scale times what has neither, on the whole real line.

    Examples
    --------
    >>> import pymc as pm
    >>> is_located(pm.StudentT.dist(nu=3, mu=1, sigma=2)), is_located(pm.Gamma.dist(2, 1))
    (True, False)
    """
    return rv.owner is not None and type(rv.owner.op) in _PLACES


def is_exponential(rv: TensorVariable) -> bool:
    """Whether the logarithm of a random variable `is_located`.

    Examples
    --------
    >>> import pymc as pm
    >>> is_exponential(pm.LogNormal.dist(0, 1)), is_exponential(pm.Normal.dist(0, 1))
    (True, False)
    """
    return rv.owner is not None and type(rv.owner.op) in _OF_LOGARITHM


def located(rv: TensorVariable, inputs: Sequence[Variable]) -> Located:
    """Return location and scale.

    Parameters
    ----------
    rv : TensorVariable
        One that `is_located`, or whose logarithm is.
    inputs : sequence of Variable
        Those of its node, as graphs of values.
    """
    places = _PLACES[type(_op(rv))]
    location, scale = (pt.cast(pt.as_tensor(inputs[place]), "float64") for place in places)
    return Located(location, scale, pt.constant(0.0))


def standard_logprob(rv: TensorVariable, inputs: Sequence[Variable], value: TensorVariable) -> TensorVariable:
    """Return the log-probability of location zero and scale one, element by element.

    Parameters
    ----------
    rv, inputs
        As in `located`.
    value : TensorVariable
        Where to evaluate it.
    """
    op = _op(rv)
    places = _PLACES[type(op)]
    standard = [
        pt.constant(float(places.index(i)), dtype="float64") if i in places else each for i, each in enumerate(inputs)
    ]
    return pt.as_tensor(_logprob(op, (value,), *standard))


def _op(rv: TensorVariable) -> Op:
    """Return the operation that draws a variable, or its logarithm where that is what has location and scale."""
    return _OF_LOGARITHM.get(type(rv.owner.op), rv.owner.op)
