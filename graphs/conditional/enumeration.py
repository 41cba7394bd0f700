"""The law of a variable of finite support: the log-density at each of its values, element by element."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.expansion import ACROSS, Obstacle
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.finite import Finite
from graphs.conditional.law import Law
from graphs.marginal.factors import factors
from graphs.marginal.lifting import MixingError, TooLargeError, of_states
from graphs.supports import Support

MOST_VALUES = 1000
"""Most values of a variable at which a log-density is evaluated."""


def finite_law(total: TensorVariable, x: TensorVariable, support: Support) -> Law | Obstacle:
    """Return the law of an integer variable by evaluating the log-density at each of its values.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        The variable; its elements have to be independent given the rest.
    support : Support
        Finite.

    Returns
    -------
    Law or Obstacle
    """
    lower, upper = int(support.lower), int(support.upper)
    if upper - lower >= MOST_VALUES:
        return Obstacle(f"it takes {upper - lower + 1} values; at most {MOST_VALUES} are enumerated")
    if None in x.type.shape:
        return Obstacle("its shape is not known")
    values, shape = np.arange(lower, upper + 1), tuple(int(n) for n in x.type.shape)
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    found = factors([total], {x: of_states(x, values, numbers)}, len(values), is_thorough=True)
    if isinstance(found, MixingError):
        return ACROSS if isinstance(found, TooLargeError) else Obstacle(str(found))
    if not found.is_independent:
        return ACROSS
    if not found.families:
        return Obstacle("the log-density does not depend on its values")
    weights = pt.moveaxis(found.by_atom().reshape((len(values), *shape)), 0, -1)
    (weights,) = simplify([pt.cast(weights, "float64")])
    return Finite.of_weights(x, weights, lower, upper)
