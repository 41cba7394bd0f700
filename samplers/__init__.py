"""Markov chains: step functions (`nuts`, `hmc`, `rmh`, `slice`, `gibbs`) from log-densities and laws, and sweeps.

This package knows neither models nor users' data: it builds on `graphs`, and `ppl` builds on it.
"""

from __future__ import annotations

from samplers.blocks import DrawBlock, NUTSBlock, Sweep
from samplers.em import EMResult, em
from samplers.gibbs import GibbsKernel, gibbs, gibbs_block, gibbs_blocks
from samplers.hmc import HMCKernel, hmc
from samplers.kernel import Kernel
from samplers.nuts import NUTSKernel, nuts
from samplers.rmh import RMHKernel, rmh, rmh_block
from samplers.run import CompiledSweep, SweepResult, compile_sweep
from samplers.slice_kernel import SliceKernel, slice

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
