"""Steps from a symmetric distribution, as graphs, and their ratios: normal ones, rounded for integers, in bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.factors import at_values, factors, summands_of
from graphs.marginal.lifting import MixingError
from graphs.supports import Support
from graphs.surgery.random_graph import depends_on


def propose(
    rng: Any, values: Sequence[TensorVariable], scales: Sequence[Any], supports: Sequence[Support]
) -> tuple[Variable, tuple[TensorVariable, ...], list[TensorVariable]]:
    """Return proposals, and for bounded variables whether they are within bounds.

    Integers that would leave their bounds stay: they may index something, so that the density is never evaluated there.
    """
    proposals, insides = [], []
    for value, scale, support in zip(values, scales, supports, strict=True):
        rng, noise = rng.normal(0.0, 1.0, size=tuple(value.type.shape) or None)
        step = noise * scale
        if not value.type.dtype.startswith("int"):
            moved = value + step
            proposals.append(moved)
            if support.kind == "interval" and (support.lower > -np.inf or support.upper < np.inf):
                # A log-density that was given with its supports need not know them.
                insides.append(pt.and_(moved > np.float64(support.lower), moved < np.float64(support.upper)))
            continue
        proposal = value + pt.cast(pt.round(step), value.type.dtype)
        if support.is_discrete and (support.lower > -np.inf or support.upper < np.inf):
            is_inside = pt.and_(proposal >= support.lower, proposal <= support.upper)
            insides.append(is_inside)
            proposal = pt.switch(is_inside, proposal, value)
        proposals.append(proposal)
    return rng, tuple(proposals), insides


def zero_outside(log_ratio: TensorVariable, insides: Sequence[TensorVariable]) -> TensorVariable:
    """Count what would have left its bounds as rejected."""
    for is_inside in insides:
        extra = is_inside.type.ndim - log_ratio.type.ndim
        condition = pt.all(is_inside, axis=tuple(range(-extra, 0))) if extra else is_inside
        log_ratio = pt.switch(condition, log_ratio, -np.inf)
    return log_ratio


def elementwise_log_ratio(
    total: TensorVariable, variable: TensorVariable, proposal: TensorVariable
) -> TensorVariable | None:
    """Return the log-ratio of moving each element alone, None where the log-density does not fall apart.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    variable, proposal : TensorVariable
        Where it is and where it may go.
    """
    if variable.type.ndim == 0:
        return None
    terms = [t for t in summands_of(total) if depends_on(t, [variable])]
    found = factors(terms, at_values({variable: pt.stack([proposal, variable])}), 2)
    if isinstance(found, MixingError):
        return None
    both = found.by_atom()
    return (both[0] - both[1]).reshape(variable.type.shape)
