"""Markov chains on log-densities and laws."""

from __future__ import annotations

from samplers.blocks import DrawBlock, NUTSBlock, Sweep
from samplers.kernel import Kernel
from samplers.nuts import nuts
from samplers.run import CompiledSweep, SweepResult, compile_sweep

__all__ = ["CompiledSweep", "DrawBlock", "Kernel", "NUTSBlock", "Sweep", "SweepResult", "compile_sweep", "nuts"]
