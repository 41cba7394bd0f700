"""Few continuous variables that are drawn independently of where they are, from a table of their density."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from samplers.blocks import Sweep
from samplers.tables.kernel import MOST_AXES
from samplers.trajectories.block import NUTSBlock


@dataclass(frozen=True, eq=False)
class TabulatedBlock(NUTSBlock):
    """Continuous, unconstrained variables of a few numbers, by themselves in a sweep.

    Where their density has no table, as where it is far from concave, NUTS moves them; in JAX, too.
    """

    def compiled_alone(self, sweep: Sweep, backend: str) -> Any:
        """Return the sweep compiled."""
        from samplers.tables.sweep import TabulatedSweep

        return TabulatedSweep(sweep, backend)


def of_few_numbers(sweep: Sweep) -> Sweep | None:
    """Return the sweep that draws the same from a table; None unless NUTS alone moves all, and that is little."""
    blocks = sweep.blocks
    if len(blocks) != 1 or not isinstance(blocks[0], NUTSBlock) or not 0 < sweep.layout.size <= MOST_AXES:
        return None
    return replace(sweep, blocks=(TabulatedBlock(blocks[0].variables, blocks[0].logdensity),))
