"""What a sweep is made of: blocks that each move some variables of one joint state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.layout import Layout
from graphs.surgery.pickling import PartsFirst
from samplers.chain import state
from samplers.tuning.adaptation import SCALAR_ACCEPTANCE

if TYPE_CHECKING:
    from samplers.centring.coordinates import CoordinateMap
    from samplers.loop.jax.block import JaxBlock, JaxOptions


@dataclass(frozen=True, eq=False)
class BlockProgram:
    """What is compiled of a block: graphs of the joint state.

    Parameters
    ----------
    name : str
        What it computes.
    outputs : tuple of TensorVariable
        What is written, one after the other.
    value : TensorVariable, optional
        Shape (): what is returned.
    moving : tuple of TensorVariable
        Variables that are given apart from the joint state, in which they are out of date while the block moves them.
    rng, next_rng : Variable, optional
        The generator before and after, where the graphs draw.
    context : tuple of TensorVariable, optional
        What it is given besides: the joint state by default.
    """

    name: str
    outputs: tuple[TensorVariable, ...]
    value: TensorVariable | None = None
    moving: tuple[TensorVariable, ...] = ()
    rng: Variable | None = None
    next_rng: Variable | None = None
    context: tuple[TensorVariable, ...] | None = None


class BlockCoordinates(NamedTuple):
    """Coordinates of its own in which a block moves its variables, whose density is that of its program."""

    parameters: BlockProgram  # locations, logarithms of scales and scores, at positions
    where: CoordinateMap


class Block(ABC):
    """Variables of the joint state that are moved together, and how.

    What the rest of the library needs to know of a sampler stands here; its own room implements it.

    Attributes
    ----------
    variables : tuple of TensorVariable
        The variables moved.
    has_metric : bool
        Whether it follows trajectories by gradients, of a step size and a metric that are learnt: statistics, pilot
        runs and the learning of metrics look for these.
    """

    variables: tuple[TensorVariable, ...]
    has_metric: ClassVar[bool] = False

    @property
    def has_coordinates(self) -> bool:
        """Whether it moves in coordinates of its own, which are learnt."""
        return False

    @property
    def described_coordinates(self) -> str:
        """What these are, in words; empty where there are none."""
        return ""

    @property
    @abstractmethod
    def statistics(self) -> tuple[str, ...]:
        """What is recorded of each move, by name."""

    @property
    def tuned(self) -> Mapping[TensorVariable, NDArray[np.float64]]:
        """The variables of the joint state that tuning moves, and where they start."""
        return {}

    @property
    @abstractmethod
    def program(self) -> BlockProgram:
        """What is compiled."""

    @property
    @abstractmethod
    def evaluated(self) -> tuple[TensorVariable, ...]:
        """What the program evaluates, before gradients are taken: for estimates of work."""

    @property
    def num_evaluations(self) -> float:
        """How often the program is evaluated in a sweep, about; not counting the steps of trajectories."""
        return 1.0

    @abstractmethod
    def describe(self, row: NDArray[np.int64], targets: list[int], sweep: Sweep) -> None:
        """Write what is its own of its row of the table of blocks; columns as in ``samplers.chain.state``.

        Parameters
        ----------
        row : array, shape (12,), int64
            Size and statistics have been written; the scale is -1.
        targets : list of int
            Numbers that rows refer to, of all blocks before this; appended to.
        sweep : Sweep
            All blocks, and the joint state.
        """

    def coordinates(self, sweep: Sweep) -> BlockCoordinates | None:
        """Return the coordinates in which it moves, where these are not positions; see `samplers.centring.coordinates`.

        Parameters
        ----------
        sweep : Sweep
            All blocks, and the joint state.
        """
        return None

    def compiled_alone(self, sweep: Sweep, backend: str) -> Any:
        """Return what runs a sweep of nothing else in a way of its own, or None where the loop over sweeps does.

        Parameters
        ----------
        sweep : Sweep
            Of this block.
        backend : {"numba", "c", "interpreter"}
            What compiles.
        """
        return None

    @abstractmethod
    def jax(self, layout: Layout, options: JaxOptions) -> JaxBlock:
        """Return its functions in JAX.

        Parameters
        ----------
        layout : Layout
            Of the joint state.
        options : JaxOptions
            Of the run.
        """


class Memory(NamedTuple):
    """A variable of the joint state that holds what a block learns while tuning."""

    variable: TensorVariable  # named, of static shape, float64
    start: NDArray[np.float64]  # where it starts
    following: TensorVariable  # the next value, as a graph of the joint state: kept while tuning


@dataclass(frozen=True, eq=False)
class DrawBlock(Block):
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

    @property
    def statistics(self) -> tuple[str, ...]:
        """The acceptance rate, if there is one, and its scale."""
        if self.acceptance_rate is None:
            return ()
        return ("acceptance_rate",) if self.scale is None else ("acceptance_rate", "scale")

    @property
    def program(self) -> BlockProgram:
        """The step."""
        return BlockProgram("draw", self.outputs, self.acceptance_rate, (), self.rng, self.next_rng)

    @property
    def evaluated(self) -> tuple[TensorVariable, ...]:
        """The new values."""
        return self.draws

    def describe(self, row: NDArray[np.int64], targets: list[int], sweep: Sweep) -> None:
        """Write which elements are moved, and what adaptation has to know; see `Block.describe`."""
        learnt = [i for m in self.memory for i in sweep.elements(m.variable)]
        row[state.KIND] = state.KIND_DRAW
        row[state.OFFSET] = len(targets)
        row[state.TARGET] = round(1000 * self.target_acceptance)
        row[state.NUM_LEARNT] = len(learnt)
        if self.scale is not None:
            row[state.SCALE] = sweep.elements(self.scale)[0]
        targets += [*(i for v in self.variables for i in sweep.elements(v)), *learnt]

    def jax(self, layout: Layout, options: JaxOptions) -> JaxBlock:
        """Return its functions in JAX."""
        from samplers.loop.jax.draw import draw_block

        return draw_block(self, layout)


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

    @property
    def metric_sizes(self) -> list[int]:
        """Number of elements of each block that has a metric."""
        return [Layout.of(block.variables).size for block in self.blocks if block.has_metric]

    @property
    def has_coordinates(self) -> bool:
        """Whether a block moves in coordinates of its own."""
        return any(block.has_coordinates for block in self.blocks)

    def elements(self, variable: TensorVariable) -> range:
        """Return the elements of the joint state that hold a variable.

        Raises
        ------
        ModelError
            If it is not in the joint state.
        """
        layout = self.layout
        if variable.name not in layout.names:
            raise ModelError(f"{variable.name} is moved by a block, but is not in the joint state.", variable.name)
        where = layout.slice_of(variable.name)
        return range(where.start, where.stop)
