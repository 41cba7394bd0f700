"""Tails of what is made of random variables: truncated, rounded and mixed ones, and functions of them.

The probability of an interval is the difference of two lower tails or of two upper ones, whichever are smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.scalar as ps
import pytensor.tensor as pt
from pymc.distributions.continuous import TruncatedNormalRV
from pymc.distributions.custom import CustomSymbolicDistRV
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.mixture import _BaseMixtureRV
from pymc.distributions.truncated import TruncatedRV
from pymc.logprob.abstract import _logccdf, _logccdf_helper, _logcdf, _logcdf_helper, _logprob, _logprob_helper
from pymc.logprob.basic import logccdf
from pymc.logprob.censoring import MeasurableRound
from pymc.logprob.tensor import (
    MeasurableCast,
    MeasurableDeepCopyOp,
    MeasurableScalarFromTensor,
    MeasurableSpecifyAssumptions,
)
from pymc.logprob.transforms import (
    MONOTONICALLY_DECREASING_OPS,
    MONOTONICALLY_INCREASING_OPS,
    MeasurableTransform,
)
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import opened
from graphs.tails.small_probabilities import log_difference


def log_interval(rv: TensorVariable, lower: TensorVariable | None, upper: TensorVariable | None) -> TensorVariable:
    """Return ``log P(lower < X <= upper)`` of a random variable; None is no bound.

    Parameters
    ----------
    rv : TensorVariable
        With a cumulative probability that PyMC knows.
    lower, upper : TensorVariable or None
        Bounds.

    Raises
    ------
    NotImplementedError
        Without one.
    """
    if lower is None and upper is None:
        return pt.constant(0.0)
    if lower is None:
        return _logcdf_helper(rv, upper)
    if upper is None:
        return _logccdf_helper(rv, lower)
    from_left = _logcdf_helper(rv, upper), _logcdf_helper(rv, lower)
    from_right = _logccdf_helper(rv, lower), _logccdf_helper(rv, upper)
    is_left = pt.lt(from_left[0], from_right[0])
    return pt.switch(is_left, log_difference(*from_left, is_left), log_difference(*from_right, ~is_left))


def truncation(op: Any, inputs: tuple[Any, ...]) -> tuple[TensorVariable, Any, Any, Any]:
    """Return the variable that was truncated, the point below its lower bound, and both bounds."""
    *rv_inputs, lower, upper = inputs
    # Of truncated normal variables PyMC makes random variables of their own.
    base_op = op.base_rv_op if isinstance(op, TruncatedRV) else pm.Normal.rv_op
    base = base_op.make_node(*rv_inputs).default_output()
    lower = None if _is_infinite(lower) else lower
    upper = None if _is_infinite(upper) else upper
    is_discrete = not base.type.dtype.startswith("float")
    below = pt.ceil(lower) - 1 if lower is not None and is_discrete else lower
    return base, below, lower, upper


def _is_infinite(bound: Variable) -> bool:
    return isinstance(bound, Constant) and bool(np.all(np.isinf(bound.data)))


def _checked(logprob: TensorVariable, lower: Any, upper: Any) -> TensorVariable:
    if lower is None or upper is None:
        return logprob
    return check_parameters(logprob, pt.le(lower, upper), msg="lower_bound <= upper_bound")


@_logprob.register(TruncatedRV)
@_logprob.register(TruncatedNormalRV)
def truncated_logprob(op: Any, values: Any, *inputs: Any, **options: Any) -> TensorVariable:
    """Return the density over the probability of the interval, bounds included."""
    [value] = values
    base, below, lower, upper = truncation(op, inputs)
    logprob = _logprob_helper(base, value, **options) - log_interval(base, below, upper)
    if lower is not None:
        logprob = pt.switch(pt.lt(value, lower), -np.inf, logprob)
    if upper is not None:
        logprob = pt.switch(pt.gt(value, upper), -np.inf, logprob)
    return _checked(logprob, lower, upper)


@_logcdf.register(TruncatedRV)
@_logcdf.register(TruncatedNormalRV)
def truncated_logcdf(op: Any, value: Any, *inputs: Any) -> TensorVariable:
    """Return the share of the interval below a value."""
    base, below, lower, upper = truncation(op, inputs)
    inside = value if upper is None else pt.minimum(value, upper)
    logcdf = log_interval(base, below, inside) - log_interval(base, below, upper)
    if lower is not None:
        logcdf = pt.switch(pt.lt(value, lower), -np.inf, logcdf)
    return _checked(logcdf, lower, upper)


@_logccdf.register(TruncatedRV)
@_logccdf.register(TruncatedNormalRV)
def truncated_logccdf(op: Any, value: Any, *inputs: Any) -> TensorVariable:
    """Return the share of the interval beyond a value."""
    base, below, lower, upper = truncation(op, inputs)
    inside = value if below is None else pt.maximum(value, below)
    logccdf = log_interval(base, inside, upper) - log_interval(base, below, upper)
    if upper is not None:
        logccdf = pt.switch(pt.ge(value, upper), -np.inf, logccdf)
    return _checked(logccdf, lower, upper)


_CELLS: dict[type[ps.ScalarOp], tuple[float, float]] = {
    ps.RoundHalfToEven: (-0.5, 0.5),
    ps.RoundHalfAwayFromZero: (-0.5, 0.5),
    ps.Floor: (0.0, 1.0),
    ps.Ceil: (-1.0, 0.0),
}
"""Around a whole number, what is rounded to it."""


@_logprob.register(MeasurableRound)
def rounded_logprob(op: MeasurableRound, values: Any, base: TensorVariable, **options: Any) -> TensorVariable:
    """Return the probability of what is rounded to the value."""
    [value] = values
    value = pt.cast(value, "float64")
    whole = pt.round(value)
    if isinstance(op.scalar_op, ps.Trunc):
        lower, upper = whole - pt.le(whole, 0), whole + pt.ge(whole, 0)
    else:
        left, right = _CELLS[type(op.scalar_op)]
        lower, upper = whole + left, whole + right
    return pt.switch(pt.eq(whole, value), log_interval(base, lower, upper), -np.inf)


@_logccdf.register(_BaseMixtureRV)
def mixture_logccdf(op: Any, value: Any, rng: Any, weights: Any, *components: Any) -> TensorVariable:
    """Return the mean over components."""
    if len(components) == 1:
        axis = -components[0].owner.op.ndim_supp - 1
        tails = _logccdf_helper(components[0], pt.expand_dims(value, axis))
    else:
        tails = pt.stack([_logccdf_helper(component, value) for component in components], axis=-1)
    is_simplex = pt.all(weights >= 0), pt.all(weights <= 1), pt.all(pt.isclose(pt.sum(weights, axis=-1), 1))
    return check_parameters(
        pt.logsumexp(pt.log(weights) + tails, axis=-1), *is_simplex, msg="0 <= weights <= 1, sum(weights) == 1"
    )


@_logccdf.register(MeasurableTransform)
def transformed_logccdf(op: MeasurableTransform, value: Any, *inputs: Any) -> TensorVariable:
    """Return the tail beyond, or below, the point that a monotone function takes to the value."""
    others = list(inputs)
    base = others.pop(op.measurable_input_idx)
    point = op.transform_elemwise.backward(value, *others)
    if isinstance(point, tuple):
        raise NotImplementedError
    before = point if base.type.dtype.startswith("float") else point - 1
    if isinstance(op.scalar_op, MONOTONICALLY_INCREASING_OPS):
        tail = _logccdf_helper(base, point)
    elif isinstance(op.scalar_op, MONOTONICALLY_DECREASING_OPS):
        tail = _logcdf_helper(base, before)
    elif isinstance(op.scalar_op, ps.Mul):
        [factor] = others
        tail = pt.switch(pt.ge(factor, 0), _logccdf_helper(base, point), _logcdf_helper(base, before))
    elif isinstance(op.scalar_op, ps.Pow) and op.transform_elemwise.power > 0:
        tail = _logccdf_helper(base, point)
    elif isinstance(op.scalar_op, ps.Pow):
        # Of a reciprocal: between zero and the point, or all above zero and what is below the point.
        zero = pt.zeros_like(point)
        outside = pt.logaddexp(_logccdf_helper(base, zero), _logcdf_helper(base, point))
        tail = pt.switch(pt.gt(value, 0), log_interval(base, zero, point), outside)
    else:
        raise NotImplementedError
    # Below the function's range there is everything beyond, above it nothing.
    jacobian = op.transform_elemwise.log_jac_det(value, *others)
    return pt.switch(pt.isnan(jacobian), pt.switch(pt.le(value, 0), 0.0, -np.inf), tail)


@_logccdf.register(CustomSymbolicDistRV)
def custom_logccdf(op: CustomSymbolicDistRV, value: Any, *inputs: Any) -> TensorVariable:
    """Return that of the graph of random variables that a distribution stands for, such as a logit-normal one."""
    [inner] = opened([op.inner_outputs[op.default_output]], dict(zip(op.inner_inputs, inputs, strict=True)))
    return logccdf(inner, value, warn_rvs=False)


@_logccdf.register(MeasurableCast)
def cast_logccdf(op: Any, value: Any, base: TensorVariable) -> TensorVariable:
    """Return that of the variable itself."""
    is_discrete = not base.type.dtype.startswith("float")
    return _logccdf_helper(base, pt.floor(value) if is_discrete else value)


@_logccdf.register(MeasurableScalarFromTensor)
@_logccdf.register(MeasurableSpecifyAssumptions)
@_logccdf.register(MeasurableDeepCopyOp)
def identical_logccdf(op: Any, value: Any, base: TensorVariable) -> TensorVariable:
    """Return that of the variable itself."""
    return _logccdf_helper(base, value)
