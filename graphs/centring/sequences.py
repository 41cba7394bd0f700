"""Distributions of sequences, of which each element is located given the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.timeseries import AutoRegressiveRV, RandomWalkRV
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.centring.families import Located, is_located, located
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import depends_on, static_shape
from graphs.surgery.rebuilding import substitute

_CLOSE = 1e-9

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


def in_chains(one: Located, value: TensorVariable, values: Sequence[TensorVariable]) -> Located | None:
    """Return location, scale and ratio of a variable whose elements are located by each other, one after the other.

    A Python loop that declares each step given the one before becomes such a variable. What follows on what is seen
    from numbers at a random point, and checked at another one.

    Parameters
    ----------
    one : Located
        The location depends on the variable itself.
    value : TensorVariable
        Its value.
    values : sequence of TensorVariable
        Those of all variables.

    Returns
    -------
    Located or None
        None where an element depends on several others, or not in proportion, or on itself in the end.
    """
    shape = value.type.shape
    if depends_on(one.scale, [value]):
        return None
    location = pt.broadcast_to(one.location, shape)
    nothing = {value: pt.zeros(shape)}
    slopes = pt.as_tensor(pytensor.grad(pt.sum(location), value))
    base, slopes_of_nothing = substitute([location, slopes], nothing)
    before: NDArray[np.int64] | None = None
    for seed in range(2):
        point = random_point([*values, value], seed)
        found = evaluate([location, base, slopes, slopes_of_nothing], point)
        if found is None:
            return None
        at, at_nothing, slope, slope_of_nothing = (np.ravel(array) for array in found)
        given = slope * np.ravel(point[value])
        before = _before(at - at_nothing, given) if before is None else before
        expected = at_nothing + np.where(before >= 0, given[before], 0.0)
        if not (_are_close(at, expected) and _are_close(slope, slope_of_nothing)):
            return None
    assert before is not None
    rows = _chains(before)
    if rows is None:
        return None
    ratio = pt.switch(before >= 0, slopes_of_nothing.ravel()[np.maximum(before, 0)], 0.0)
    return Located(base, one.scale, ratio.reshape(shape), rows)


def random_point(values: Sequence[TensorVariable], seed: int) -> dict[Variable, NDArray]:
    """Return values at which what is true by chance alone is not."""
    rng = np.random.default_rng(seed)
    return {
        v: rng.uniform(0.2, 1.0, v.type.shape)
        if v.type.dtype.startswith("float")
        else np.ones(v.type.shape, v.type.dtype)
        for v in dict.fromkeys(values)
    }


def _before(added: NDArray[np.float64], given: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the element that each is located by, -1 where there is none: what that gives is what is added."""
    order = np.argsort(given)
    places = np.clip(np.searchsorted(given[order], added), 1, len(order) - 1)
    nearer = np.abs(given[order[places - 1]] - added) < np.abs(given[order[places]] - added)
    before = order[np.where(nearer, places - 1, places)]
    return np.where(np.isclose(added, 0.0, rtol=0.0, atol=_CLOSE), -1, before)


def _chains(before: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return elements in their order, one chain a row; one after the other in one row where their lengths differ.

    A chain begins where the ratio is zero, so that a row may hold several. None where chains meet, or have no end.
    """
    after = np.full(len(before), -1)
    has_before = np.flatnonzero(before >= 0)
    after[before[has_before]] = has_before
    if len(np.unique(before[has_before])) < len(has_before):
        return None
    chains: list[list[int]] = []
    for first in np.flatnonzero(before < 0).tolist():
        own = [first]
        while after[own[-1]] >= 0:
            own.append(int(after[own[-1]]))
        chains.append(own)
    lengths = {len(own) for own in chains}
    rows = np.array(chains if len(lengths) == 1 else [[*chain.from_iterable(chains)]], np.int64)
    return rows if rows.size == len(before) else None


def _are_close(one: NDArray, other: NDArray) -> bool:
    return bool(np.allclose(one, other, rtol=_CLOSE, atol=_CLOSE))
