"""One integral over variables: what their terms become, and where the other terms are evaluated.

A log-density less that of the law of x given the rest does not depend on x, so that it can be evaluated at any x: at
the law's mode, where nothing cancels. There, too, its derivatives are those at a fixed x: what the rest does to the
mode changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law


@dataclass(frozen=True, eq=False)
class Step:
    """An integral over one variable, or over several together.

    Parameters
    ----------
    names : tuple of str
        The variables.
    law : Law
        Of the variable given all that was not integrated out before; of the vector of all elements, where there are
        several.
    at : mapping of TensorVariable to TensorVariable
        For each value that was integrated out, the point at which the terms are evaluated.
    own : mapping of str to TensorVariable
        What becomes of the terms of the variables, by name: graphs of what is left, and of the values in ``at``.
    """

    names: tuple[str, ...]
    law: Law
    at: Mapping[TensorVariable, TensorVariable]
    own: Mapping[str, TensorVariable]
    is_elementwise: bool = False
    """Whether the elements are independent given the rest, each of its own."""
