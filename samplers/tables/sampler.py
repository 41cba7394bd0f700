"""Independent draws from a table of the density, as a kernel and in sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import ClassVar

from graphs.surgery.random_graph import depends_on
from samplers.blocks import Block
from samplers.builders import BlockBuilder, OfferedSampler, SweepTarget
from samplers.tables.block import TabulatedBlock
from samplers.tables.kernel import check_size, tabulated


class TabulatedBuilder(BlockBuilder):
    """A few numbers together, where nothing else moves; NUTS where their density has no table."""

    name: ClassVar[str] = "tabulated"
    needs_gradient: ClassVar[bool] = True
    needs_tuning: ClassVar[bool] = False
    has_metric: ClassVar[bool] = TabulatedBlock.has_metric

    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return one block, of the inputs that the log-density has; see `BlockBuilder.blocks`."""
        values = tuple(target.values[name] for name in names)
        check_size(sum(prod(int(n) for n in v.type.shape) for v in values), names)
        density = target.logdensity
        inputs = tuple(v for v in density.inputs if depends_on(density.total, [v]))
        return [TabulatedBlock(values, replace(density, inputs=inputs or density.inputs))]


OFFERED = (OfferedSampler(tabulated, TabulatedBuilder()),)
