"""Markov chains: step functions (`nuts`, `hmc`, `rmh`, `slice`, `gibbs`) from log-densities and laws, and sweeps.

This package knows neither models nor users' data: it builds on `graphs`, and `ppl` builds on it.
"""

from __future__ import annotations

from samplers.blocks import DrawBlock, NUTSBlock, Sweep
from samplers.conditionals.gibbs import GibbsKernel, gibbs, gibbs_block, gibbs_blocks
from samplers.kernel import Kernel
from samplers.loop.run import CompiledSweep, SweepResult, compile_sweep
from samplers.maximising.em import EMResult, em
from samplers.random_walk import RMHKernel, rmh, rmh_block
from samplers.slicing.slice import SliceKernel, slice
from samplers.trajectories.hmc import HMCKernel, hmc
from samplers.trajectories.nuts import NUTSKernel, nuts

__all__ = [
    "CompiledSweep",
    "DrawBlock",
    "EMResult",
    "GibbsKernel",
    "HMCKernel",
    "Kernel",
    "NUTSBlock",
    "NUTSKernel",
    "RMHKernel",
    "SliceKernel",
    "Sweep",
    "SweepResult",
    "compile_sweep",
    "em",
    "gibbs",
    "gibbs_block",
    "gibbs_blocks",
    "hmc",
    "nuts",
    "rmh",
    "rmh_block",
    "slice",
]
