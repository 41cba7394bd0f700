"""What a sweep is made of: kernels and blocks, and proposals that need one file.

Step functions (`nuts`, `hmc`, `barker`, `rmh`, `slice`, `gibbs`) from log-densities, and sweeps. This package knows
neither models nor users' data: it builds on `graphs`, and `ppl` builds on it.
"""

from __future__ import annotations

from samplers.barker.kernel import BarkerKernel, barker
from samplers.barker.move import Barker
from samplers.blocks import Block, DrawBlock, Sweep
from samplers.chain.arguments import RunSettings
from samplers.conditionals.gibbs import GibbsKernel, gibbs, gibbs_block, gibbs_blocks
from samplers.kernel import Kernel
from samplers.loop.run import CompiledSweep, SweepResult, compile_sweep
from samplers.maximising.em import EMResult, em
from samplers.move import Move, Moved
from samplers.random_walk.kernel import RMHKernel, rmh
from samplers.random_walk.move import RandomWalk
from samplers.registry import BUILDERS, SAMPLERS
from samplers.slicing.slice import SliceKernel, slice
from samplers.tables.kernel import TabulatedKernel, tabulated
from samplers.trajectories.block import NUTSBlock
from samplers.trajectories.hmc import HMCKernel, hmc
from samplers.trajectories.nuts import NUTSKernel, nuts

__all__ = [
    "BUILDERS",
    "SAMPLERS",
    "Barker",
    "BarkerKernel",
    "Block",
    "CompiledSweep",
    "DrawBlock",
    "EMResult",
    "GibbsKernel",
    "HMCKernel",
    "Kernel",
    "Move",
    "Moved",
    "NUTSBlock",
    "NUTSKernel",
    "RMHKernel",
    "RandomWalk",
    "RunSettings",
    "SliceKernel",
    "Sweep",
    "SweepResult",
    "TabulatedKernel",
    "barker",
    "compile_sweep",
    "em",
    "gibbs",
    "gibbs_block",
    "gibbs_blocks",
    "hmc",
    "nuts",
    "rmh",
    "slice",
    "tabulated",
]
