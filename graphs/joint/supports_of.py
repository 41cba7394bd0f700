"""Where the values of a random variable lie, as far as its distribution tells."""

from __future__ import annotations

import numpy as np
from pymc.distributions.multivariate import MatrixNormalRV
from pymc.distributions.timeseries import RandomWalkRV
from pymc.distributions.transforms import CholeskyCovTransform
from pymc.logprob.transforms import (
    CircularTransform,
    IntervalTransform,
    LogOddsTransform,
    LogTransform,
    SimplexTransform,
)
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.finite import bounds_of
from graphs.supports import OTHER, POSITIVE, POSITIVE_DEFINITE, REAL, SIMPLEX, UNIT, Support, integers, interval
from graphs.surgery.known import known_value
from graphs.variables.transforms import default_transform


def support_of(rv: TensorVariable) -> Support:
    """Return where the values of a random variable lie, as far as its distribution tells."""
    if not str(rv.type.dtype).startswith("float"):
        return integers(*bounds_of(rv))
    transform = default_transform(rv)
    if transform is None:
        is_array = getattr(rv.owner.op, "ndim_supp", 0) >= 2 and not isinstance(rv.owner.op, _REAL_ARRAYS)
        return OTHER if is_array else REAL
    if isinstance(transform, IntervalTransform):
        return _interval_support(transform, rv)
    for kind, support in _SUPPORTS:
        if isinstance(transform, kind):
            return support
    return OTHER


_REAL_ARRAYS = (MatrixNormalRV, RandomWalkRV)
_SUPPORTS: tuple[tuple[type, Support], ...] = (
    (LogTransform, POSITIVE),
    (LogOddsTransform, UNIT),
    (SimplexTransform, SIMPLEX),
    (CholeskyCovTransform, POSITIVE_DEFINITE),
    (CircularTransform, interval(-np.pi, np.pi)),
)


def _interval_support(transform: IntervalTransform, rv: TensorVariable) -> Support:
    bounds = transform.get_a_and_b(rv.owner.inputs)[:2]
    numbers = []
    for bound, default in zip(bounds, (-np.inf, np.inf), strict=True):
        if bound is None:
            numbers.append(default)
            continue
        value = known_value(bound)
        if value is None or np.unique(value).size != 1:
            return OTHER
        numbers.append(float(value.flat[0]))
    return interval(*numbers)
