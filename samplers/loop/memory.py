"""How much memory a run takes, told before it is taken."""

from __future__ import annotations

from graphs.layout import Layout
from samplers.blocks import Sweep
from samplers.chain.workspace import num_workspace_rows
from samplers.tuning.learning import is_learnt_between

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


def bytes_of_chains(sweep: Sweep, chains: int, tune: int, max_tree_depth: int, metric: str, is_pooled: bool) -> int:
    """Return the bytes that chains take to run and to learn, whatever they record.

    Parameters
    ----------
    sweep : Sweep
        What is sampled.
    chains : int
        Number of chains.
    tune, max_tree_depth, metric, is_pooled
        As in ``CompiledSweep.run``.
    """
    sizes = [Layout.of(block.variables).size for block in sweep.blocks if block.has_metric]
    is_learning = any(is_learnt_between(metric, size, is_pooled=is_pooled) for size in sizes)
    rows = _ROWS_OF_CHAIN + num_workspace_rows(max_tree_depth) + (2 * tune if is_learning else 0)
    return chains * (8 * rows * sweep.layout.size + _OVERHEAD_OF_CHAIN)
