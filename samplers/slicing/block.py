"""Slice sampling of single elements: blocks of a sweep.

Elements that share no term of the log-density are independent given the others, so that they are moved at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.factors import at_values, factors
from graphs.marginal.lifting import MixingError
from graphs.supports import REAL, Support
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute
from samplers.blocks import SliceBlock


def slice_block(
    terms: Sequence[TensorVariable], variable: TensorVariable, scale: TensorVariable, support: Support = REAL
) -> SliceBlock:
    """Return the block of a sweep that moves each element of a variable by slice sampling.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms of the joint log-probability.
    variable : TensorVariable
        A variable of the joint state: real numbers, between bounds or not, or integers.
    scale : TensorVariable
        Shape (), float64: the width of the first interval, a variable of the joint state.
    support : Support
        Where it lies. The log-probability of integers is not evaluated elsewhere.

    References
    ----------
    .. [1] Neal (2003). Slice sampling. Annals of Statistics 31.
    """
    count = int(np.prod(variable.type.shape, dtype=int))
    found = factors(terms, at_values({variable: variable[None]}), 1)
    if isinstance(found, MixingError):
        total: TensorVariable = pt.add(0.0, *(t.sum() for t in terms if depends_on(t, [variable])))
        logprobs, groups = total.reshape((1,)), [np.array([i]) for i in range(count)]
    else:
        logprobs, groups = found.by_atom()[0], found.groups()
    return SliceBlock(variable, _inside(logprobs, variable, support), tuple(groups), scale)


def _inside(logprobs: TensorVariable, variable: TensorVariable, support: Support) -> TensorVariable:
    """Let values outside of their bounds be impossible; at integers there nothing is evaluated."""
    if support.lower == -np.inf and support.upper == np.inf:
        return logprobs
    if not support.is_discrete:
        is_inside = ((variable > np.float64(support.lower)) & (variable < np.float64(support.upper))).reshape((-1,))
        return pt.switch(pt.all(is_inside) if logprobs.type.shape == (1,) else is_inside, logprobs, -np.inf)
    low = -(2**62) if support.lower == -np.inf else int(support.lower)
    high = 2**62 if support.upper == np.inf else int(support.upper)
    clipped = pt.cast(pt.clip(variable, low, high), variable.type.dtype)
    [evaluated] = substitute([logprobs], {variable: clipped})
    is_inside = pt.eq(variable, clipped).reshape((-1,))
    is_inside = pt.all(is_inside) if logprobs.type.shape == (1,) else is_inside
    return pt.switch(is_inside, evaluated, -np.inf)
