"""Shared arrays and expressions of data: in a model they are what they are when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType

from graphs.surgery.interpreting import interpret, without_c
from graphs.surgery.rebuilding import substitute


def fixed_arrays(outputs: Iterable[Variable]) -> dict[Variable, Variable]:
    """Return a constant of the present value for each shared array above ``outputs``; generators stay shared.

    Examples
    --------
    >>> import pytensor
    >>> x = pytensor.shared(np.arange(3.0), name="x")
    >>> fixed_arrays([2 * x])[x].type.shape
    (3,)
    """
    shared = [
        v for v in ancestors(list(outputs)) if isinstance(v, SharedVariable) and not isinstance(v.type, RandomType)
    ]
    return {v: pt.constant(v.get_value(), dtype=v.type.dtype, name=v.name) for v in dict.fromkeys(shared)}


def with_fixed_arrays[V: Variable](outputs: Sequence[V]) -> list[V]:
    """Return graphs in which shared arrays are constants; they themselves where there are none."""
    constants = fixed_arrays(outputs)
    return list(substitute(outputs, constants)) if constants else list(outputs)


def value_of_data(variable: Variable) -> NDArray | None:
    """Return the value of an expression of constants and shared arrays alone; None where anything else is in it.

    Examples
    --------
    >>> import pytensor
    >>> value_of_data(pt.cast(pytensor.shared(np.array([1.0, 2.0])), "int64"))
    array([1, 2])
    """
    if isinstance(variable, Constant):
        return np.asarray(variable.data)
    is_data = all(
        isinstance(v, Constant | SharedVariable) and not isinstance(v.type, RandomType)
        for v in ancestors([variable])
        if v.owner is None
    )
    if not is_data:
        return None
    with without_c():
        return np.asarray(interpret([], variable)())
