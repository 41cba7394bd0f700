"""The No-U-Turn sampler, as a kernel and in sweeps; Hamiltonian Monte Carlo, of one length, as a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from graphs.surgery.random_graph import depends_on
from samplers.blocks import Block
from samplers.builders import BlockBuilder, OfferedSampler, SweepTarget
from samplers.trajectories.block import NUTSBlock
from samplers.trajectories.hmc import hmc
from samplers.trajectories.nuts import nuts


class NUTSBuilder(BlockBuilder):
    """All variables together, in coordinates that are learnt."""

    name: ClassVar[str] = "nuts"
    needs_gradient: ClassVar[bool] = True
    has_metric: ClassVar[bool] = NUTSBlock.has_metric

    @property
    def label(self) -> str:
        """As everybody writes it."""
        return "NUTS"

    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return one block, of the inputs that the log-density has; see `BlockBuilder.blocks`."""
        density = target.logdensity
        inputs = tuple(v for v in density.inputs if depends_on(density.total, [v]))
        density = replace(density, inputs=inputs or density.inputs)
        return [NUTSBlock(tuple(target.values[name] for name in names), density)]


OFFERED = (OfferedSampler(nuts, NUTSBuilder()), OfferedSampler(hmc))
