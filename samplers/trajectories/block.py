"""Variables that a sweep moves by the No-U-Turn sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.centring import PartialCentring
from graphs.density import LogDensity, gradients
from graphs.errors import ModelError
from graphs.layout import Layout
from samplers.blocks import Block, BlockCoordinates, BlockProgram, Sweep
from samplers.centring.coordinates import CoordinateMap
from samplers.chain import state
from samplers.loop.moves import kind_of_move
from samplers.trajectories.move import move_nuts

if TYPE_CHECKING:
    from samplers.loop.jax.block import JaxBlock, JaxOptions

NUTS_STATISTICS = (
    "lp",
    "energy",
    "acceptance_rate",
    "step_size",
    "tree_depth",
    "n_steps",
    "index_in_trajectory",
    "diverging",
)


@dataclass(frozen=True, eq=False)
class CentredDensity:
    """Partially centred coordinates of variables, and what was asked for.

    Parameters
    ----------
    density : PartialCentring
        The density in these coordinates.
    start : array, shape (k,), float64
        Shares, between 0 (not centred) and 1; NaN where they are learnt.
    """

    density: PartialCentring
    start: NDArray[np.float64]

    @property
    def _context(self) -> tuple[TensorVariable, ...]:
        """What the density depends on besides coordinates: variables of the joint state."""
        own = {*self.density.coordinates.values(), *self.density.data}
        return tuple(v for v in self.density.logdensity.inputs if v not in own)

    def program(self, variables: Sequence[TensorVariable]) -> BlockProgram:
        """Return the log-density of coordinates and its gradient.

        Parameters
        ----------
        variables : sequence of TensorVariable
            All that are moved.
        """
        density, moving = self.density, tuple(self.density.coordinates.get(v, v) for v in variables)
        others = tuple(v for v in self._context if v not in variables)
        slopes, context = tuple(gradients(density.logdensity, moving)), (*others, *density.data)
        return BlockProgram("logdensity", slopes, density.logdensity.total, moving, context=context)

    def coordinates(self, variables: Sequence[TensorVariable], sweep: Sweep) -> BlockCoordinates:
        """Return what computes coordinates, and which elements have some.

        Parameters
        ----------
        variables : sequence of TensorVariable
            All that are moved.
        sweep : Sweep
            All blocks, and the joint state.
        """
        density, first = self.density, sweep.elements(variables[0])[0]
        ordered = zip(density.values, density.orders, strict=True)
        elements = [i - first for v, order in ordered for i in np.asarray(sweep.elements(v))[order]]
        levels = [level for level, size in zip(density.levels, density.sizes, strict=True) for _ in range(size)]
        context = [i for v in self._context if v not in variables for i in sweep.elements(v)]
        where = CoordinateMap(
            sum(len(sweep.elements(v)) for v in variables),
            np.array(elements, np.int64),
            np.array(levels, np.int64),
            np.array(context, np.int64),
            self.start,
        )
        parameters = BlockProgram("centring", density.parameters, moving=tuple(variables))
        return BlockCoordinates(parameters, where)


@dataclass(frozen=True, eq=False)
class NUTSBlock(Block):
    """Continuous, unconstrained variables moved together by the No-U-Turn sampler.

    Parameters
    ----------
    variables : tuple of TensorVariable
        The variables moved; they are inputs of ``logdensity`` and lie side by side in the joint state.
    logdensity : LogDensity
        Its remaining inputs are variables of the joint state that other blocks move.
    centring : CentredDensity, optional
        Coordinates in which trajectories run, in all backends but JAX.
    """

    variables: tuple[TensorVariable, ...]
    logdensity: LogDensity
    centring: CentredDensity | None = None

    has_metric: ClassVar[bool] = True

    @property
    def has_coordinates(self) -> bool:
        """Whether it has a centring."""
        return self.centring is not None

    @property
    def described_coordinates(self) -> str:
        """The map of its centring."""
        return "" if self.centring is None else self.centring.density.described

    @property
    def statistics(self) -> tuple[str, ...]:
        """As Stan's."""
        return NUTS_STATISTICS

    @property
    def program(self) -> BlockProgram:
        """The log-density and its gradient."""
        if self.centring is not None:
            return self.centring.program(self.variables)
        slopes = tuple(gradients(self.logdensity, self.variables))
        return BlockProgram("logdensity", slopes, self.logdensity.total, self.variables)

    @property
    def evaluated(self) -> tuple[TensorVariable, ...]:
        """The log-density."""
        return (self.logdensity.total,)

    def describe(self, row: NDArray[np.int64], targets: list[int], sweep: Sweep) -> None:
        """Write where the variables begin, and whether others move what the density depends on; see the base class."""
        moved = {v for other in sweep.blocks if other is not self for v in other.variables}
        moved |= {v for other in sweep.blocks for v in other.tuned}
        row[state.KIND] = kind_of_move(move_nuts)
        row[state.OFFSET] = self._first_element(sweep)
        row[state.IS_STALE] = bool(moved.intersection(self.logdensity.inputs))

    def coordinates(self, sweep: Sweep) -> BlockCoordinates | None:
        """Return those of its centring; see the base class."""
        return None if self.centring is None else self.centring.coordinates(self.variables, sweep)

    def _first_element(self, sweep: Sweep) -> int:
        """Return the first element of the variables, which are continuous and lie side by side."""
        for v in self.variables:
            if not v.type.dtype.startswith("float"):
                raise ModelError(f"{v.name} is discrete ({v.type.dtype}): NUTS cannot move it.", v.name)
        elements = [i for v in self.variables for i in sweep.elements(v)]
        if elements != list(range(elements[0], elements[0] + len(elements))):
            names = ", ".join(str(v.name) for v in self.variables)
            raise ModelError(
                f"The variables {names} are moved by one NUTS block: they must be neighbours in the joint state."
            )
        return elements[0]

    def jax(self, layout: Layout, options: JaxOptions) -> JaxBlock:
        """Return its functions in JAX."""
        from samplers.trajectories.jax_move import nuts_block

        return nuts_block(self, layout, options)
