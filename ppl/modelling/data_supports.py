"""Where data have to lie: supports that involve a whole row, or parameters that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor.random.basic as ptr
from numpy.typing import NDArray
from pymc.distributions.censored import CensoredRV
from pymc.distributions.discrete import BetaBinomial, DiscreteUniform
from pymc.distributions.multivariate import (
    DirichletMultinomialRV,
    LKJCorrRV,
    StickBreakingWeightsRV,
    WishartRV,
    ZeroSumNormalRV,
)
from pymc.distributions.truncated import TruncatedRV
from pymc.logprob.transforms import IntervalTransform
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.joint.logprob import support_of
from graphs.supports import SUM_TOLERANCE
from graphs.surgery.known import known_value
from graphs.surgery.random_graph import is_random, parameters_of
from graphs.variables.inverse_wishart import InverseWishartRV
from graphs.variables.transforms import default_transform
from ppl.reading.arrays import first

Found = tuple[NDArray[np.bool_], str]
"""Where data are impossible, one element for each row or number, and what they have to be."""


def check_support(rv: TensorVariable, name: str, values: NDArray, mask: NDArray[np.bool_]) -> None:
    """Raise if data are impossible whatever the parameters are that are not known.

    Raises
    ------
    ModelError
        Names the first number or row.
    """
    if not is_random(rv) or not values.size:
        return
    support = support_of(rv)
    outside = (values < support.lower) | (values > support.upper)
    _refuse(outside, f"lie outside its support ({support})", name, values, mask)
    for kind, rule in _RULES:
        if isinstance(rv.owner.op, kind):
            found = rule(rv, values)
            if found is not None:
                _refuse(*found, name, values, mask)
    bounds = known_bounds(rv)
    if bounds is not None:
        _refuse(*_between(values, *bounds), name, values, mask)


def _refuse(is_bad: NDArray[np.bool_], why: str, name: str, values: NDArray, mask: NDArray[np.bool_]) -> None:
    core = tuple(range(is_bad.ndim, values.ndim))
    is_bad = is_bad & ~mask.any(axis=core)
    if is_bad.any():
        where = first(is_bad)
        at = list(where) if where else ""
        raise ModelError(f"The data of {name} {why}: {name}{at} = {_shortly(values[where])}.", name)


def _shortly(value: Any) -> str:
    text = np.array2string(np.asarray(value), threshold=8, separator=", ")
    return " ".join(text.split())


def _between(values: NDArray, lower: NDArray | None, upper: NDArray | None) -> Found:
    low = np.asarray(-np.inf if lower is None else lower)
    high = np.asarray(np.inf if upper is None else upper)
    shapes = np.broadcast_shapes(values.shape, low.shape, high.shape)
    is_bad = np.broadcast_to((values < low) | (values > high), shapes)
    return is_bad.reshape(values.shape), "lie outside its bounds"


def known_bounds(rv: TensorVariable) -> tuple[NDArray | None, NDArray | None] | None:
    """Return the bounds of a continuous variable where they are known, element by element."""
    transform = default_transform(rv) if str(rv.type.dtype).startswith("float") else None
    if not isinstance(transform, IntervalTransform):
        return None
    lower, upper = (
        None if bound is None else known_value(bound) for bound in transform.get_a_and_b(rv.owner.inputs)[:2]
    )
    return lower, upper


def _simplex(rv: TensorVariable, values: NDArray) -> Found:
    is_bad = (np.abs(values.sum(axis=-1) - 1.0) > SUM_TOLERANCE) | (values < 0.0).any(axis=-1)
    return is_bad, "lie outside its support (simplex: each row sums to one, up to 1e-5)"


def _total(rv: TensorVariable, values: NDArray) -> Found | None:
    total = known_value(parameters_of(rv)[0])
    if total is None:
        return None
    sums = values.sum(axis=-1)
    return sums != np.broadcast_to(total, sums.shape), "do not sum to n"


def _up_to(place: int) -> Callable[[TensorVariable, NDArray], Found]:
    return lambda rv, values: _between(values, None, known_value(parameters_of(rv)[place]))


def _from_to(rv: TensorVariable, values: NDArray) -> Found:
    lower, upper = (known_value(bound) for bound in parameters_of(rv)[-2:])
    return _between(values, lower, upper)


def _within_limits(rv: TensorVariable, values: NDArray) -> Found:
    # Of a truncated variable that is none of PyMC's own PyMC does not say what its parameters are.
    limits = rv.owner.inputs[-2:] if isinstance(rv.owner.op, TruncatedRV) else rv.owner.inputs[1:3]
    lower, upper = (known_value(bound) for bound in limits)
    return _between(values, lower, upper)


def _hypergeometric(rv: TensorVariable, values: NDArray) -> Found | None:
    good, bad, drawn = (known_value(p) for p in parameters_of(rv))
    if good is None or bad is None or drawn is None:
        return None
    return _between(values, np.maximum(0, drawn - bad), np.minimum(good, drawn))


def _definite(rv: TensorVariable, values: NDArray) -> Found:
    is_symmetric = np.isclose(values, np.swapaxes(values, -1, -2)).all(axis=(-2, -1))
    safe = np.where(np.isfinite(values), values, 0.0)
    is_positive = (np.linalg.eigvalsh(safe) > 0.0).all(axis=-1)
    return ~(is_symmetric & is_positive), "are not symmetric positive definite matrices"


def _correlations(rv: TensorVariable, values: NDArray) -> Found:
    # PyMC's variable is the factor, not the matrix.
    is_lower = (values == np.tril(values)).all(axis=(-2, -1))
    is_positive = (np.diagonal(values, axis1=-2, axis2=-1) > 0).all(axis=-1)
    has_ones = np.isclose((values**2).sum(axis=-1), 1.0).all(axis=-1)
    return ~(is_lower & is_positive & has_ones), (
        "are not Cholesky factors of correlation matrices: lower triangular, the diagonal positive, rows of length one"
    )


def _zero_sums(rv: TensorVariable, values: NDArray) -> Found:
    core = tuple(range(-rv.owner.op.ndim_supp, 0))
    # PyMC's own tolerance, beyond which the density vanishes.
    means = [np.abs(values.mean(axis=axis, keepdims=True)).max(axis=core) for axis in core]
    return np.max(means, axis=0) > 1e-9, "do not sum to zero along each axis"


_RULES: tuple[tuple[Any, Callable[[TensorVariable, NDArray], Found | None]], ...] = (
    ((ptr.DirichletRV, StickBreakingWeightsRV), _simplex),
    ((ptr.MultinomialRV, DirichletMultinomialRV), _total),
    (ptr.BinomialRV, _up_to(0)),
    (BetaBinomial.rv_op.__class__, _up_to(0)),
    (ptr.HyperGeometricRV, _hypergeometric),
    (DiscreteUniform.rv_op.__class__, _from_to),
    ((CensoredRV, TruncatedRV), _within_limits),
    ((WishartRV, InverseWishartRV), _definite),
    (LKJCorrRV, _correlations),
    (ZeroSumNormalRV, _zero_sums),
)
