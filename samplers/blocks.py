"""What a sweep is made of: blocks that each move some variables of one joint state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.layout import Layout
from graphs.surgery.pickling import PartsFirst
from samplers.tuning.adaptation import SCALAR_ACCEPTANCE


@dataclass(frozen=True, eq=False)
class NUTSBlock:
    """Continuous, unconstrained variables moved together by the No-U-Turn sampler.

    Parameters
    ----------
    variables : tuple of TensorVariable
        The variables moved; they are inputs of ``logdensity`` and lie side by side in the joint state.
    logdensity : LogDensity
        Its remaining inputs are variables of the joint state that other blocks move.
    """

    variables: tuple[TensorVariable, ...]
    logdensity: LogDensity

    @property
    def tuned(self) -> Mapping[TensorVariable, NDArray[np.float64]]:
        """The variables of the joint state that tuning moves: none, since what NUTS learns lies elsewhere."""
        return {}


class Memory(NamedTuple):
    """A variable of the joint state that holds what a block learns while tuning."""

    variable: TensorVariable  # named, of static shape, float64
    start: NDArray[np.float64]  # where it starts
    following: TensorVariable  # the next value, as a graph of the joint state: kept while tuning


@dataclass(frozen=True, eq=False)
class DrawBlock:
    """Variables moved by a step graph: a draw from a law, or a proposal that is accepted or not.

    Parameters
    ----------
    kind : str
        What the step is called: "gibbs", "rmh", the name of another sampler.
    variables : tuple of TensorVariable
        The variables moved.
    rng, next_rng : Variable
        The generator before and after.
    draws : tuple of TensorVariable
        New values, in the order of ``variables``, as graphs of the joint state's variables and ``rng``.
    acceptance_rate : TensorVariable, optional
        Shape (), float64: the probability with which the proposal was accepted.
    scale : TensorVariable, optional
        Shape (), float64: the variable of the joint state that holds the proposal's scale, which adaptation moves.
    target_acceptance : float
        The acceptance rate that adaptation of the scale aims at; to a thousandth.
    memory : tuple of Memory
        What else the step learns while tuning.
    """

    kind: str
    variables: tuple[TensorVariable, ...]
    rng: Variable
    next_rng: Variable
    draws: tuple[TensorVariable, ...]
    acceptance_rate: TensorVariable | None = None
    scale: TensorVariable | None = None
    target_acceptance: float = SCALAR_ACCEPTANCE
    memory: tuple[Memory, ...] = ()

    @property
    def outputs(self) -> tuple[TensorVariable, ...]:
        """New values of the variables, then those of the memory."""
        return (*self.draws, *(m.following for m in self.memory))

    @property
    def tuned(self) -> Mapping[TensorVariable, NDArray[np.float64]]:
        """The variables of the joint state that tuning moves, and where they start."""
        scale = {} if self.scale is None else {self.scale: np.asarray(1.0)}
        return scale | {m.variable: m.start for m in self.memory}


@dataclass(frozen=True, eq=False)
class SliceBlock:
    """The elements of one variable moved by slice sampling, groups of independent ones at once.

    Parameters
    ----------
    variable : TensorVariable
        The variable moved: on the real line, or integers.
    logprobs : TensorVariable
        Shape (size,): the log-probability of each element given all others, up to constants; or shape (1,): of all.
        Its other inputs are variables of the joint state that other blocks move.
    groups : tuple of int64 array
        Positions in the flattened variable; of one element each where there is one log-probability for all.
    scale : TensorVariable
        Shape (), float64: the variable of the joint state that holds the width of the first interval.
    """

    variable: TensorVariable
    logprobs: TensorVariable
    groups: tuple[NDArray[np.int64], ...]
    scale: TensorVariable

    @property
    def variables(self) -> tuple[TensorVariable, ...]:
        """The variable moved."""
        return (self.variable,)

    @property
    def tuned(self) -> Mapping[TensorVariable, NDArray[np.float64]]:
        """The variables of the joint state that tuning moves, and where they start."""
        return {self.scale: np.asarray(1.0)}

    @property
    def num_logprobs(self) -> int:
        """Number of log-probabilities."""
        return int(self.logprobs.type.shape[0] or 1)

    @property
    def is_integer(self) -> bool:
        """Whether the variable is one of integers."""
        return not self.variable.type.dtype.startswith("float")


Block = NUTSBlock | DrawBlock | SliceBlock


@dataclass(frozen=True, eq=False)
class Sweep(PartsFirst):
    """Blocks applied in order to one joint state.

    Parameters
    ----------
    variables : tuple of TensorVariable
        The joint state, in order; named, of static shape.
    blocks : tuple of Block
        Applied one after the other; each sees the values that the blocks before it left.
    """

    variables: tuple[TensorVariable, ...]
    blocks: tuple[Block, ...]

    @property
    def tuned(self) -> Mapping[TensorVariable, NDArray[np.float64]]:
        """The variables of the joint state that tuning moves, and where they start."""
        return {v: start for block in self.blocks for v, start in block.tuned.items()}

    @property
    def layout(self) -> Layout:
        """How the joint state lies in one flat vector."""
        return Layout.of(self.variables)
