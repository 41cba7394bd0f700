"""Distributions of sequences, of which each element is located given the one before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.timeseries import AutoRegressiveRV, RandomWalkRV
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.centring.families import Located, is_located, located
from graphs.surgery.random_graph import static_shape
from graphs.surgery.rebuilding import substitute

type Pair = tuple[TensorVariable, TensorVariable]


def is_sequence(rv: TensorVariable) -> bool:
    """Whether each element of a random variable is located given the one before, along the last axis.

    Random walks are, and autoregressions of first order, whose steps and starts are located, however many at once.

    Examples
    --------
    >>> import pymc as pm
    >>> is_sequence(pm.GaussianRandomWalk.dist(init_dist=pm.Normal.dist(), steps=3, size=(2, 5)))
    True
    """
    if rv.owner is None or rv.type.ndim == 0 or static_shape(rv)[-1] < 2:
        return False
    op, inputs = rv.owner.op, rv.owner.inputs
    if isinstance(op, RandomWalkRV):
        return all(is_located(rv) for rv in inputs[:2])
    return isinstance(op, AutoRegressiveRV) and op.ar_order == 1 and is_located(inputs[2])


def located_sequence(rv: TensorVariable, stand_ins: Mapping[Variable, Variable], shape: tuple[int, ...]) -> Located:
    """Return location, scale and ratio of a variable that `is_sequence`.

    Parameters
    ----------
    rv : TensorVariable
        The variable.
    stand_ins : mapping of Variable to Variable
        What stands for random variables.
    shape : tuple of int
        Its shape; the last axis is that of steps.
    """
    *batch, length = shape
    parts = _walk if isinstance(rv.owner.op, RandomWalkRV) else _autoregression
    first, following, ratio = parts(rv, stand_ins, batch, length)
    location, deviation = (
        pt.concatenate([a, pt.broadcast_to(b, (*batch, length - 1))], axis=-1)
        for a, b in zip(first, following, strict=True)
    )
    ratios = pt.concatenate([pt.zeros((*batch, 1)), pt.broadcast_to(ratio, (*batch, length - 1))], axis=-1)
    rows = np.arange(int(np.prod(shape))).reshape(-1, length)
    return Located(location, deviation, ratios, rows)


def _walk(
    rv: TensorVariable, stand_ins: Mapping[Variable, Variable], batch: list[int], length: int
) -> tuple[Pair, Pair, TensorVariable]:
    """Return location and scale of the first elements and of steps, which have the steps along the first axis."""
    parts = []
    for component, count in zip(rv.owner.inputs[:2], (1, length - 1), strict=True):
        graphs = located(component, substitute(component.owner.inputs, stand_ins)).graphs[:2]
        parts.append([pt.moveaxis(pt.broadcast_to(graph, (count, *batch)), 0, -1) for graph in graphs])
    return (parts[0][0], parts[0][1]), (parts[1][0], parts[1][1]), pt.constant(1.0)


def _autoregression(
    rv: TensorVariable, stand_ins: Mapping[Variable, Variable], batch: list[int], length: int
) -> tuple[Pair, Pair, TensorVariable]:
    """Return location and scale of the first elements, of the following ones, and the ratio; the last axis is new."""
    op, (rhos, sigma, start, *_) = rv.owner.op, rv.owner.inputs
    graphs = located(start, substitute(start.owner.inputs, stand_ins)).graphs[:2]
    first = [pt.broadcast_to(graph, (*batch, 1)) for graph in graphs]
    coefficients, scale = (pt.cast(pt.as_tensor(v), "float64") for v in substitute([rhos, sigma], stand_ins))
    constant = coefficients[..., 0, None] if op.constant_term else pt.constant(0.0)
    return (first[0], first[1]), (constant, scale[..., None]), coefficients[..., -1, None]
