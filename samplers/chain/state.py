"""What the loop over sweeps works on: the memory of a chain, its settings, and the table of blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.chain.workspace import num_workspace_rows
from samplers.tuning.adaptation import IS_ADAPTING, IS_NEW, NUM_MOMENTS, NUM_TUNING_FIELDS

type Vector = NDArray[np.float64]

# Columns of the table of blocks.
KIND = 0
OFFSET = 1  # NUTS, slices: first element of the joint state; draws: first element of `targets`
SIZE = 2
SCALE = 3  # element of the joint state that holds the proposal's scale, or -1
FIRST_STATISTIC = 4
NUM_STATISTICS = 5
IS_STALE = 6  # whether other blocks move what the log-density depends on
NUM_LOGPROBS = 7  # slices: number of log-probabilities
TARGET = 7  # draws: of the acceptance rate, in thousandths
GROUPS = 8  # slices: first element of `targets` that describes the groups
NUM_LEARNT = 8  # draws: elements of the joint state, after those moved, that are written while tuning
NUM_GROUPS = 9
IS_INTEGER = 10
ADDRESS = 11  # NUTS, slices: of the compiled move, where there is one
NUM_COLUMNS = 12

KIND_DRAW = 0  # others: numbers of `samplers.loop.moves`

# Counters.
NUM_ITERATIONS = 0
NUM_GRADIENTS = 1
NUM_DIVERGENT = 2
NUM_WITHOUT_GRADIENT = 3
NUM_COUNTERS = 4


class Chain(NamedTuple):
    """Everything that a chain remembers, updated in place.

    Attributes
    ----------
    state : array, shape (size,), float64
        The joint state.
    rng : array, shape (4,), uint64
        Generator.
    out : array, shape (size,), float64
        Where draw programs write.
    logdensity : array, shape (num_blocks,), float64
        Of each NUTS block, at the state.
    gradient : array, shape (size,), float64
        Of each NUTS block, at the elements that it moves; in the coordinates of the trajectory.
    inverse_mass_matrix : array, shape (size,), float64
        Diagonals, at the elements that NUTS moves; ones where the metric is not diagonal.
    window : array, shape (num_rows, 2, size), float64
        Positions and gradients after each tuning sweep, the latter in the coordinates of the trajectory.
    tuning : array, shape (num_blocks, 12), float64
        Tuning records.
    moments : array, shape (8 * size,), float64
        Moments of draws and gradients.
    point : array, shape (3, size), float64
        Position, momentum and gradient of the trajectory's current point.
    rows : array, shape ((10 + 3 * max_tree_depth) * size,), float64
        Rows of the NUTS workspace.
    statistics : array, shape (num_statistics,), float64
        Of the present sweep.
    counters : array, shape (4,), int64
        Sweeps done, gradients evaluated; after tuning divergences, and those of them where the gradient was not finite
        but the log-density was.
    without_gradient : array, shape (size,), float64
        The joint state where the gradient was first not finite so; NaN where there is none.
    kept : array, shape (num_kept,), int64
        Elements of the joint state that are recorded.
    """

    state: Vector
    rng: NDArray[np.uint64]
    out: Vector
    logdensity: Vector
    gradient: Vector
    inverse_mass_matrix: Vector
    window: NDArray[np.float64]
    tuning: NDArray[np.float64]
    moments: Vector
    point: NDArray[np.float64]
    rows: Vector
    statistics: Vector
    counters: NDArray[np.int64]
    without_gradient: Vector
    kept: NDArray[np.int64]


def new_chain(
    state: Vector,
    seed: np.random.SeedSequence,
    num_blocks: int,
    num_statistics: int,
    max_tree_depth: int,
    kept: NDArray[np.int64] | None = None,
    num_window: int = 0,
) -> Chain:
    """Return a chain that has not moved yet.

    Parameters
    ----------
    state : array, shape (size,), float64
        Where it starts; copied.
    seed : SeedSequence
        Of the generator.
    num_blocks, num_statistics, max_tree_depth : int
        How much memory it needs.
    kept : array, int64, optional
        Elements of the joint state that are recorded; all by default.
    num_window : int
        Number of tuning sweeps whose positions and gradients are kept.
    """
    size = state.size
    tuning = np.zeros((num_blocks, NUM_TUNING_FIELDS))
    tuning[:, IS_ADAPTING] = tuning[:, IS_NEW] = 1.0
    return Chain(
        state=state.copy(),
        rng=seed.generate_state(4, np.uint64).astype(np.uint64),
        out=np.zeros(size),
        logdensity=np.zeros(num_blocks),
        gradient=np.zeros(size),
        inverse_mass_matrix=np.ones(size),
        window=np.zeros((num_window, 2, size)),
        tuning=tuning,
        moments=np.zeros(NUM_MOMENTS * size),
        point=np.zeros((3, size)),
        rows=np.zeros(num_workspace_rows(max_tree_depth) * size),
        statistics=np.zeros(num_statistics),
        counters=np.zeros(NUM_COUNTERS, np.int64),
        without_gradient=np.full(size, np.nan),
        kept=np.arange(size, dtype=np.int64) if kept is None else kept,
    )


class Settings(NamedTuple):
    """Numbers that stay the same during a run.

    Attributes
    ----------
    tune : int
        Number of tuning sweeps.
    target_accept : float
        Acceptance rate that the step size aims at.
    max_tree_depth : int
        Of NUTS.
    early : int
        Number of sweeps at the beginning in which trajectories of NUTS are shorter.
    """

    tune: int
    target_accept: float
    max_tree_depth: int
    early: int = 0
