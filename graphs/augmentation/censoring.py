"""Censored data as the values that were censored: what lies beyond a bound is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.logprob.basic import logp
from pytensor.graph.basic import Constant
from pytensor.tensor.variable import TensorVariable

from graphs.augmentation.auxiliary import Auxiliary, new_auxiliary
from graphs.supports import POSITIVE, Support, interval


def censored(name: str, value: TensorVariable, parameters: Sequence[TensorVariable]) -> Auxiliary | None:
    """Write what was censored at a bound, below or above, as the variable beyond it."""
    base, lower, upper = parameters
    if not isinstance(value, Constant) or base.owner is None or not str(base.type.dtype).startswith("float"):
        return None
    data = np.asarray(value.data, "float64")
    bounds = [np.broadcast_to(b.data, data.shape) if isinstance(b, Constant) else None for b in (lower, upper)]
    if bounds[0] is None or bounds[1] is None:
        return None
    is_low, is_high = data <= bounds[0], data >= bounds[1]
    hidden = np.flatnonzero((is_low | is_high).ravel())
    if not hidden.size:
        return None
    is_log = isinstance(base.owner.op, ptr.LogNormalRV)
    bound = np.log(data.ravel()[hidden]) if is_log else data.ravel()[hidden]
    variable = new_auxiliary(f"{name}_hidden", (len(hidden),))
    beyond, support = _beyond(variable, bound, np.where(is_low.ravel()[hidden], -1.0, 1.0))
    inside = pt.exp(beyond) if is_log else beyond
    seen = np.setdiff1d(np.arange(data.size), hidden)
    parts = [_density_at(base, inside, hidden, data.shape)]
    if parts[0] is not None and is_log:
        parts[0] = parts[0] + beyond
    if len(seen):
        parts.append(_density_at(base, pt.as_tensor(data.ravel()[seen]), seen, data.shape))
    if any(part is None for part in parts):
        return None
    return Auxiliary(variable, support, pt.concatenate(parts), f"the values of {name} that were censored")


def _beyond(
    variable: TensorVariable, bound: NDArray[np.float64], side: NDArray[np.float64]
) -> tuple[TensorVariable, Support]:
    """Return what lies beyond bounds as a graph of a variable, and where that lies."""
    if len(np.unique(bound)) == 1 and len(np.unique(side)) == 1:
        return variable, interval(-np.inf, bound[0]) if side[0] < 0 else interval(bound[0], np.inf)
    return bound + side * variable, POSITIVE


def _density_at(
    base: TensorVariable, value: TensorVariable, positions: NDArray[np.intp], shape: tuple[int, ...]
) -> TensorVariable | None:
    """Return the log-density of some elements of an array of independent variables; None where that is not known."""
    op = base.owner.op
    parameters = []
    for parameter in op.dist_params(base.owner):
        is_shared = all(n == 1 for n in parameter.type.shape)
        flat = parameter.reshape(()) if is_shared else pt.alloc(parameter, *shape).ravel()[positions]
        parameters.append(flat)
    size, rng = (len(positions),), pt.random.rng()
    if isinstance(op, SymbolicRandomVariable):
        if op.extended_signature is None or not hasattr(op, "rv_op"):
            return None
        part = op.rebuild_rv(*parameters, size=size, rng=rng)
    else:
        part = op(*parameters, size=size, rng=rng, return_next_rng=True)[1]
    density: TensorVariable = logp(part, value)
    return density
