"""What a run of sweeps returns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.metric import Learnt

if TYPE_CHECKING:
    from samplers.blocks import Sweep

STATISTIC_DTYPES = {
    "n_evaluations": "int64",
    "tree_depth": "int64",
    "n_steps": "int64",
    "index_in_trajectory": "int64",
    "diverging": "bool",
}


def statistic_dtypes(sweep: Sweep) -> dict[str, str]:
    """Return the types of statistics by their names in ``SweepResult.stats``."""
    named = zip(sweep.blocks, statistic_names(sweep), strict=True)
    pairs = [pair for block, names in named for pair in zip(names, block.statistics, strict=True)]
    return {name: STATISTIC_DTYPES.get(plain, "float64") for name, plain in pairs}


STATUS_DONE = 0
STATUS_INTERRUPTED = 1
STATUS_NOT_FINITE_DRAW = 2
STATUS_NOT_FINITE_LOGDENSITY = 3
STATUS_NOT_FINITE_GRADIENT = 4
STATUS_FAILED = 5
STATUS_STRIDE = 8
"""A status besides done, interrupted and failed is such a number plus this times an element of the joint state."""


def explain_status(status: int, sweep: Sweep) -> str:
    """Return in words why a chain stopped; empty where it did not.

    Parameters
    ----------
    status : int
        What the loop over sweeps returned.
    sweep : Sweep
        What it ran.
    """
    kind, element = status % STATUS_STRIDE, status // STATUS_STRIDE
    name = sweep.layout.name_of(element)
    if kind == STATUS_NOT_FINITE_DRAW:
        return (
            f"a value that is not finite was drawn for {name}: the parameters of its full conditional have left their "
            "domain"
        )
    if kind == STATUS_NOT_FINITE_LOGDENSITY:
        block = next(b for b in sweep.blocks if name in [v.name for v in b.variables])
        return f"the log-density of {', '.join(str(v.name) for v in block.variables)} is not finite"
    if kind == STATUS_NOT_FINITE_GRADIENT:
        at = element - sweep.layout.slice_of(name).start
        return f"the gradient with respect to {name} (element {at}) is not finite, but the log-density is"
    return ""


def cannot_start(chain: int, status: int, sweep: Sweep) -> SamplingError:
    """Return the error of a chain that could not even make its first sweep; the parameters as in `explain_status`."""
    reason = explain_status(status, sweep)
    is_gradient = status % STATUS_STRIDE == STATUS_NOT_FINITE_GRADIENT
    remedy = (
        "An expression has a value there, but no derivative (sqrt(0), 0 * inf): rewrite it, start elsewhere, or use "
        'sampler="slice", which needs none.'
        if is_gradient
        else "Check the initial point, or give another."
    )
    return SamplingError(
        f"Chain {chain} cannot start: {reason}, in the first sweep. {remedy}", chain if is_gradient else None
    )


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Draws of all chains, and how they came about.

    Parameters
    ----------
    draws : array, shape (chains, draws, num_kept), float64
        What is kept of the joint state after each kept sweep; NaN where a chain has stopped early by itself.
    stats : dict of str to array, shape (chains, draws)
        Statistics of the blocks.
    tuning_draws, tuning_stats : optional
        The same while tuning.
    step_size : array, shape (chains,), float64
        Of the first NUTS block; NaN if there is none.
    inverse_mass_matrix : array, shape (chains, d), float64
        Diagonals of the inverse mass matrices of the NUTS blocks, one after the other.
    num_gradients : int
        Number of gradients evaluated, tuning included.
    tuning_seconds, sampling_seconds : float
        Wall time from the start until the last chain had tuned, and from then to the end.
    interrupted : bool
        Whether the run was interrupted; the arrays are then cut to the shortest chain that had not stopped.
    num_tuned : array, shape (chains,), int64, optional
        Number of tuning sweeps of each chain, where that is counted.
    num_draws : array, shape (chains,), int64
        Number of draws of each chain.
    status : array, shape (chains,), int64
        0: complete; 1: interrupted; 2: a block drew a value that is not finite; 3: the log-density of a NUTS block is
        not finite where another block has moved; 5: Python code that the model holds raised an error.
    reasons : tuple of str
        Why each chain stopped by itself; empty where it did not.
    state : array, shape (chains, size), float64
        The joint state at the end of each chain; NaN where it had stopped by itself.
    learnt : tuple of tuple of Learnt
        Step size and metric of each NUTS block of each chain.
    num_without_gradient : array, shape (chains,), int64
        Number of divergent trajectories, after tuning, that ended where the log-density is finite, but its gradient is
        not.
    without_gradient : array, shape (chains, size), float64
        The joint state where a chain met such a gradient first; NaN where it did not.
    tune : int
        Number of tuning sweeps of a chain that has made them all.
    has_agreed : bool, optional
        Whether a warm-up whose end was not given ended because chains agreed.
    """

    draws: NDArray[np.float64]
    stats: dict[str, NDArray]
    step_size: NDArray[np.float64]
    inverse_mass_matrix: NDArray[np.float64]
    num_gradients: int
    tuning_seconds: float
    sampling_seconds: float
    tuning_draws: NDArray[np.float64] | None = None
    tuning_stats: dict[str, NDArray] | None = None
    interrupted: bool = False
    num_draws: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    status: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    reasons: tuple[str, ...] = ()
    state: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    learnt: tuple[tuple[Learnt, ...], ...] = ()
    num_tuned: NDArray[np.int64] | None = None
    num_without_gradient: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    without_gradient: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    tune: int = 0
    has_agreed: bool | None = None


def statistic_names(sweep: Sweep) -> tuple[tuple[str, ...], ...]:
    """Return, for each block, the names of its statistics in ``SweepResult.stats``.

    A name that several blocks share gets the names of the block's variables appended, except for the first NUTS
    block, which keeps the plain name.

    Parameters
    ----------
    sweep : Sweep
        The blocks.

    Returns
    -------
    tuple of tuple of str
        In the order of ``Block.statistics``.
    """
    count = Counter(name for block in sweep.blocks for name in block.statistics)
    first_nuts = next((b for b in sweep.blocks if b.has_metric), None)
    return tuple(
        tuple(
            name
            if count[name] == 1 or block is first_nuts
            else "_".join([name, *(str(v.name) for v in block.variables)])
            for name in block.statistics
        )
        for block in sweep.blocks
    )
