"""A Markov transition as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable


@dataclass(frozen=True, eq=False)
class StepGraph:
    """``(rng, state) -> (next_rng, next_state, info)`` as one graph.

    Parameters
    ----------
    rng : Variable
        Input: the random generator.
    state : tuple of TensorVariable
        Inputs: named, of static shape.
    next_rng : Variable
        Output: the generator after the step.
    next_state : tuple of TensorVariable
        Outputs: the new values, in the order of ``state``.
    info : mapping of str to TensorVariable
        Outputs: diagnostics of the step.
    """

    rng: Variable
    state: tuple[TensorVariable, ...]
    next_rng: Variable
    next_state: tuple[TensorVariable, ...]
    info: Mapping[str, TensorVariable]
