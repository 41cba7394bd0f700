"""Log-densities that fall apart into one summand for each element of a variable."""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.scalar.basic import Add, Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.factors import at_values, factors
from graphs.marginal.lifting import MixingError
from graphs.surgery.random_graph import depends_on


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


def summands_of(total: TensorVariable) -> list[TensorVariable]:
    """Undo the additions and total sums at the top of a log-density, so that its terms keep their axes.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    """
    node = total.owner
    if node is None:
        return [total]
    is_addition = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add | Cast)
    if is_addition and all(i.type.ndim == 0 for i in node.inputs):
        return [s for i in node.inputs for s in summands_of(i)]
    if isinstance(node.op, Sum) and node.op.axis in (None, tuple(range(node.inputs[0].type.ndim))):
        return [node.inputs[0]]
    return [total]
