"""What only infinity is taken to is outside of the image of a function: exp(x) is never zero."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.abstract import _logprob
from pymc.logprob.transforms import MeasurableTransform, measurable_transform_logprob
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.evaluating import evaluate


@_logprob.register(MeasurableTransform)
def _logprob_inside_the_image(
    op: MeasurableTransform, values: Sequence[TensorVariable], *inputs: TensorVariable, **kwargs: Any
) -> TensorVariable:
    """Return the log-density of a function of a random variable; minus infinity at the ends of its image.

    PyMC adds the log-density of an infinite number, minus infinity, and the logarithm of a slope, which is infinite.
    """
    logprob: TensorVariable = measurable_transform_logprob(op, values, *inputs, **kwargs)
    [value] = values
    is_outside = _is_outside(op, value, inputs)
    core = tuple(range(logprob.type.ndim, value.type.ndim))
    is_outside = pt.any(is_outside, axis=core) if core else is_outside
    if _is_never(is_outside):
        return logprob
    inside: TensorVariable = pt.switch(is_outside, -np.inf, logprob)
    return inside


def _is_outside(op: MeasurableTransform, value: TensorVariable, inputs: Sequence[TensorVariable]) -> TensorVariable:
    """Return where a function, of functions maybe, takes no finite number to a finite value."""
    measurable = inputs[op.measurable_input_idx]
    others = [i for n, i in enumerate(inputs) if n != op.measurable_input_idx]
    found = op.transform_elemwise.backward(value, *others)
    backward = list(found) if isinstance(found, tuple) else [found]
    is_infinite = [pt.isinf(x) & ~pt.isinf(value) for x in backward]
    node = measurable.owner
    if node is not None and isinstance(node.op, MeasurableTransform):
        is_infinite = [
            pt.or_(b, _is_outside(node.op, x, node.inputs)) for b, x in zip(is_infinite, backward, strict=True)
        ]
    return reduce(pt.and_, is_infinite)


def _is_never(condition: Variable) -> bool:
    """Whether a condition is known to hold nowhere."""
    known = evaluate([condition], {})
    return known is not None and not np.any(known[0])
