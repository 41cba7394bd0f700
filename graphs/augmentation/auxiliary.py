"""An auxiliary variable: its law given the rest, and what it makes of a term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytensor.tensor.variable import TensorVariable

from graphs.conditional.law import Law
from graphs.supports import Support
from graphs.surgery.random_graph import named_input


@dataclass(frozen=True, eq=False)
class Auxiliary:
    """An auxiliary variable, and what becomes of the term with it.

    Parameters
    ----------
    variable : TensorVariable
        The auxiliary variable.
    support : Support
        Where it lies.
    term : TensorVariable
        What replaces the term: joint log-density of variable and auxiliary variable.
    what : str
        What it is, in words.
    law : Law, optional
        Its full conditional, where this is not derived from the term.
    fixed : tuple of TensorVariable
        Graphs on which the density of the auxiliary variable depends without the term showing it.
    """

    variable: TensorVariable
    support: Support
    term: TensorVariable
    what: str
    law: Law | None = None
    fixed: tuple[TensorVariable, ...] = ()


def new_auxiliary(name: str, shape: Sequence[int | None]) -> TensorVariable:
    """Return an auxiliary variable of a name and a shape."""
    return named_input(name, shape)
