"""Independent draws from a table of the density, as a kernel and in sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from samplers.blocks import Block
from samplers.builders import OfferedSampler, SweepTarget
from samplers.tables.block import TabulatedBlock
from samplers.tables.kernel import check_size, tabulated
from samplers.trajectories.block import NUTSBlock
from samplers.trajectories.sampler import NUTSBuilder


class TabulatedBuilder(NUTSBuilder):
    """A few numbers together, where nothing else moves; as NUTS does, which moves them where there is no table."""

    name: ClassVar[str] = "tabulated"

    @property
    def label(self) -> str:
        """As it is called."""
        return self.name

    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return one block; see `BlockBuilder.blocks`."""
        check_size(sum(prod(int(n) for n in target.values[name].type.shape) for name in names), names)
        moved = super().blocks(target, names)
        return [TabulatedBlock(b.variables, b.logdensity) for b in moved if isinstance(b, NUTSBlock)]


OFFERED = (OfferedSampler(tabulated, TabulatedBuilder()),)
