"""Few continuous variables that are drawn independently of where they are, from a table of their density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplers.blocks import Sweep
from samplers.trajectories.block import NUTSBlock


@dataclass(frozen=True, eq=False)
class TabulatedBlock(NUTSBlock):
    """Continuous, unconstrained variables of a few numbers, by themselves in a sweep.

    Where their density has no table, as where it is far from concave, NUTS moves them; in JAX, too.
    """

    def compiled_alone(self, sweep: Sweep, backend: str) -> Any:
        """Return the sweep compiled."""
        from samplers.tabulated.sweep import TabulatedSweep

        return TabulatedSweep(sweep, backend)
