"""How much memory a run takes, told before it is taken."""

from __future__ import annotations

from dataclasses import replace

from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings
from samplers.chain.workspace import num_workspace_rows

_ROWS_OF_CHAIN = 25
"""Vectors of the joint state's length that a chain keeps besides the workspace of NUTS: its moments above all."""
_OVERHEAD_OF_CHAIN = 2**14
"""Bytes of the objects of a chain; measured for the smallest model."""


def bytes_of_draws(sweep: Sweep, num_kept: int, rows: int, chains: int) -> int:
    """Return the bytes that draws and statistics take.

    Parameters
    ----------
    sweep : Sweep
        What is sampled.
    num_kept : int
        Elements of the joint state that are recorded.
    rows : int
        Sweeps of each chain that are recorded.
    chains : int
        Number of chains.
    """
    num_statistics = sum(len(block.statistics) for block in sweep.blocks)
    # Statistics are recorded in one array, and returned one by one.
    return 8 * chains * rows * (num_kept + 2 * num_statistics)


def bytes_of_chains(sweep: Sweep, chains: int, settings: RunSettings) -> int:
    """Return the bytes that chains take to run and to learn, whatever they record.

    Parameters
    ----------
    sweep : Sweep
        What is sampled.
    chains : int
        Number of chains.
    settings : RunSettings
        How it is run.
    """
    longest = replace(settings, tune=settings.most_tune)
    num_window = longest.num_window(sweep.metric_sizes, sweep.layout.size * sweep.has_coordinates)
    rows = _ROWS_OF_CHAIN + num_workspace_rows(settings.max_tree_depth) + 2 * num_window
    return chains * (8 * rows * sweep.layout.size + _OVERHEAD_OF_CHAIN)
