"""Slice sampling, as a kernel and in sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from graphs.supports import REAL
from graphs.surgery.random_graph import named_input
from samplers.blocks import Block
from samplers.builders import BlockBuilder, OfferedSampler, SweepTarget
from samplers.slicing.block import slice_block
from samplers.slicing.slice import slice


class SliceBuilder(BlockBuilder):
    """Variables one by one, each with a width of its own: it decides how many evaluations a step takes, no more."""

    name: ClassVar[str] = "slice"
    needs_tuning: ClassVar[bool] = False
    is_joint: ClassVar[bool] = False

    def blocks(self, target: SweepTarget, names: Sequence[str]) -> list[Block]:
        """Return a block for each; see `BlockBuilder.blocks`."""
        return [self._block(target, name) for name in names]

    def _block(self, target: SweepTarget, name: str) -> Block:
        value, width = target.values[name], named_input(target.unused(f"{name}_scale__"))
        return slice_block(target.uncompressed, value, width, target.logdensity.supports.get(value, REAL))


OFFERED = (OfferedSampler(slice, SliceBuilder()),)
