"""Distributions that are a location plus a scale times what has neither: where these stand among their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytensor.tensor as pt
from pymc.distributions.continuous import MoyalRV, SkewNormalRV
from pymc.distributions.timeseries import AutoRegressiveRV, RandomWalkRV
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

from graphs.surgery.random_graph import static_shape
from graphs.surgery.rebuilding import substitute

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


def is_sequence(rv: TensorVariable) -> bool:
    """Whether a random variable is a vector of which each element is located given the one before.

    Random walks are, and autoregressions of first order, whose steps and starts are located.
    """
    if rv.owner is None or rv.type.ndim != 1 or static_shape(rv)[0] < 2:
        return False
    op, inputs = rv.owner.op, rv.owner.inputs
    if isinstance(op, RandomWalkRV):
        return all(is_located(rv) for rv in inputs[:2])
    return isinstance(op, AutoRegressiveRV) and op.ar_order == 1 and is_located(inputs[2])


def located_sequence(rv: TensorVariable, stand_ins: Mapping[Variable, Variable], size: int) -> Located:
    """Return location, scale and ratio of a variable that `is_sequence`.

    Parameters
    ----------
    rv : TensorVariable
        The variable.
    stand_ins : mapping of Variable to Variable
        What stands for random variables.
    size : int
        Its length.
    """
    op, inputs = rv.owner.op, rv.owner.inputs

    def parts(component: Variable) -> tuple[TensorVariable, TensorVariable]:
        return located(component, substitute(component.owner.inputs, stand_ins))[:2]

    is_walk = isinstance(op, RandomWalkRV)
    first, ones = parts(inputs[0 if is_walk else 2]), pt.ones(size - 1)
    if is_walk:
        following, ratio = parts(inputs[1]), ones
    else:
        rhos, scale = (pt.cast(pt.as_tensor(v), "float64") for v in substitute(inputs[:2], stand_ins))
        constant = rhos[0] if op.constant_term else pt.constant(0.0)
        following, ratio = (constant, scale), ones * rhos[-1]
    location, deviation = (
        pt.concatenate([_vector(a, 1), _vector(b, size - 1)]) for a, b in zip(first, following, strict=True)
    )
    return Located(location, deviation, pt.concatenate([pt.zeros(1), ratio]))


def _vector(graph: TensorVariable, size: int) -> TensorVariable:
    return pt.broadcast_to(graph.ravel() if graph.type.ndim else graph, (size,))


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
