"""Distributions that are a location plus a scale times what has neither: where these stand among their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytensor.tensor as pt
from pymc.distributions.continuous import MoyalRV, SkewNormalRV
from pymc.logprob.abstract import _logprob
from pytensor.graph.basic import Variable
from pytensor.tensor.random.basic import CauchyRV, GumbelRV, LaplaceRV, LogisticRV, NormalRV, StudentTRV
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


class Located(NamedTuple):
    """Location and scale of a variable, as graphs of values."""

    location: TensorVariable  # of a shape that goes with that of the variable
    scale: TensorVariable  # the same


def is_located(rv: TensorVariable) -> bool:
    """Whether a random variable is a location plus a scale times what has neither, on the whole real line.

    Examples
    --------
    >>> import pymc as pm
    >>> is_located(pm.StudentT.dist(nu=3, mu=1, sigma=2)), is_located(pm.Gamma.dist(2, 1))
    (True, False)
    """
    return rv.owner is not None and type(rv.owner.op) in _PLACES


def located(rv: TensorVariable, inputs: Sequence[Variable]) -> Located:
    """Return location and scale.

    Parameters
    ----------
    rv : TensorVariable
        One that `is_located`.
    inputs : sequence of Variable
        Those of its node, as graphs of values.
    """
    places = _PLACES[type(rv.owner.op)]
    location, scale = (pt.cast(pt.as_tensor(inputs[place]), "float64") for place in places)
    return Located(location, scale)


def standard_logprob(rv: TensorVariable, inputs: Sequence[Variable], value: TensorVariable) -> TensorVariable:
    """Return the log-probability of location zero and scale one, element by element.

    Parameters
    ----------
    rv, inputs
        As in `located`.
    value : TensorVariable
        Where to evaluate it.
    """
    places = _PLACES[type(rv.owner.op)]
    standard = [
        pt.constant(float(places.index(i)), dtype="float64") if i in places else each for i, each in enumerate(inputs)
    ]
    return pt.as_tensor(_logprob(rv.owner.op, (value,), *standard))
