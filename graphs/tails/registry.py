"""Cumulative probabilities of PyMC's distributions that hold in both tails, in the place of PyMC's own.

PyMC takes the upper tail for ``log(1 - exp(logcdf))`` in all families but the normal ones: digits are lost where the
lower probability is near one, and then it is minus infinity. Censoring, truncation, comparisons and rounding are made
of what is registered here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.shape_utils import maybe_resize
from pymc.logprob.abstract import _logccdf, _logcdf
from pymc.logprob.utils import CheckParameterValue
from pytensor.graph.basic import Constant
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

type Tail = Callable[..., TensorVariable]

INSIDE = 0.5
"""What stands for an infinite value, of which gradients would be NaN: a number in most supports."""


def register(distribution: Any, *, upper: Tail, lower: Tail | None = None, checks: Tail | None = None) -> None:
    """Let PyMC know the tails of a distribution.

    Parameters
    ----------
    distribution : type
        PyMC's class.
    upper : callable
        ``log P(X > value)`` of a finite value and the parameters.
    lower : callable, optional
        ``log P(X <= value)``, where PyMC's own does not hold.
    checks : callable, optional
        What of PyMC checks the parameters, where its ``logcdf`` takes no arrays.
    """
    rv_type, checked = rv_type_of(distribution), checks or _checks_of(distribution)
    _logccdf.register(rv_type)(_dispatched(upper, 0.0, -np.inf, checked))
    if lower is not None:
        _logcdf.register(rv_type)(_dispatched(lower, -np.inf, 0.0, checked))


def _dispatched(tail: Tail, at_lowest: float, at_highest: float, checked: Tail) -> Callable[..., TensorVariable]:
    """Return what PyMC calls: the tail at any value, with PyMC's checks of the parameters."""

    def dispatched(op: Any, value: TensorVariable, *inputs: Any) -> TensorVariable:
        parameters, size = parameters_and_size(op, inputs)
        value = pt.as_tensor(value)
        if _may_be_infinite(value):
            finite = pt.switch(pt.isinf(value), INSIDE, value)
            at_end = pt.switch(value < 0, at_lowest, at_highest)
            log_probability = pt.switch(pt.isinf(value), at_end, tail(finite, *parameters))
        else:
            log_probability = tail(value, *parameters)
        check = checked(pt.constant(INSIDE), *parameters).owner
        if check is not None and isinstance(check.op, CheckParameterValue):
            log_probability = check.op(log_probability, *check.inputs[1:])
        return maybe_resize(log_probability, size)

    return dispatched


def _checks_of(distribution: Any) -> Any:
    """Return PyMC's function that checks the parameters: that of the density where there is no other."""
    return getattr(distribution, "logcdf", None) or distribution.logp


def rv_type_of(distribution: Any) -> type:
    """Return the operation of a distribution."""
    return getattr(distribution, "rv_type", None) or type(distribution.rv_op)


def parameters_and_size(op: Any, inputs: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the parameters among the inputs of a random variable's node, and its size."""
    if isinstance(op, RandomVariable):
        _, size, *parameters = inputs
        return parameters, size
    [_, size_place, places], _ = op.get_input_output_type_idxs(op.extended_signature)
    return [inputs[i] for i in places], None if size_place is None else inputs[size_place]


def _may_be_infinite(value: TensorVariable) -> bool:
    if isinstance(value, Constant):
        return bool(np.any(np.isinf(value.data)))
    return value.owner is not None
