"""Variables that a sweep moves by the No-U-Turn sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity, gradients
from graphs.errors import ModelError
from graphs.layout import Layout
from samplers.blocks import Block, BlockProgram, Sweep
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
class NUTSBlock(Block):
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

    has_metric: ClassVar[bool] = True

    @property
    def statistics(self) -> tuple[str, ...]:
        """As Stan's."""
        return NUTS_STATISTICS

    @property
    def program(self) -> BlockProgram:
        """The log-density and its gradient."""
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
