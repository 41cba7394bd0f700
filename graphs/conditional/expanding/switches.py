"""Expansions of switches on other variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytensor.scalar.basic as ps
from pytensor.graph.basic import Apply
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import chosen, filled, number
from graphs.conditional.expanding.expansion import (
    Expansion,
    Result,
)

if TYPE_CHECKING:
    from graphs.conditional.expanding.expander import Expander


_POISSON_LIMIT = 1e10


def expand_switch(expander: Expander, node: Apply, inputs: Sequence[Expansion]) -> Result:
    """Expand a switch on other variables; where a branch is minus infinity, x has no law to speak of."""
    condition = node.inputs[0]
    _, if_true, if_false = inputs
    if _takes_the_poisson_limit(condition):
        return if_false
    for branch, other in ((1, if_false), (2, if_true)):
        if number(node.inputs[branch]) == -np.inf:
            return other
    zero = filled(0.0, node.outputs[0].type.ndim)
    keys = dict.fromkeys([*if_true.terms, *if_false.terms])
    terms = {key: chosen(condition, if_true.terms.get(key, zero), if_false.terms.get(key, zero)) for key in keys}
    linear = None
    if if_true.linear is not None or if_false.linear is not None:
        branches = (zero if given.linear is None else given.linear for given in (if_true, if_false))
        linear = chosen(condition, *branches)
    return Expansion(terms, linear)


def _takes_the_poisson_limit(condition: TensorVariable) -> bool:
    """Whether this is PyMC's ``n > 1e10``, beyond which it takes the Poisson limit of the negative binomial density."""
    node = condition.owner
    is_greater = node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.GT)
    return is_greater and number(node.inputs[1]) == _POISSON_LIMIT
