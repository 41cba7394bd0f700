"""How the loop over sweeps moves a block by NUTS, and what the block learns while tuning."""

from __future__ import annotations

from math import exp, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.intrinsics import as_rows
from graphs.backends.numba.library.rng import fill_normal
from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from samplers.chain.programs import begin, evaluate_density, locate
from samplers.chain.result import STATUS_DONE, STATUS_NOT_FINITE_GRADIENT, STATUS_NOT_FINITE_LOGDENSITY, STATUS_STRIDE
from samplers.chain.state import (
    FIRST_STATISTIC,
    IS_STALE,
    NUM_DIVERGENT,
    NUM_GRADIENTS,
    NUM_WITHOUT_GRADIENT,
    OFFSET,
    SIZE,
    Chain,
    Settings,
)
from samplers.chain.workspace import Workspace, load_point, num_workspace_rows
from samplers.loop.moves import registered
from samplers.trajectories.hamiltonian import leapfrog, scale_momentum
from samplers.trajectories.refining import MOST_OF_A_STEP
from samplers.trajectories.tree import Transition, refresh, sample_tree
from samplers.tuning.adaptation import (
    EARLY_TREE_DEPTH,
    IS_ADAPTING,
    IS_FACTOR,
    IS_NEW,
    LOG_STEP_SIZE,
    NUM_MOMENTS,
    finish_averaging,
    notice_divergence,
    start_averaging,
    start_inverse_mass_matrix,
    update_averaging,
    update_inverse_mass_matrix,
)

type Vector = NDArray[np.float64]

_LOG_ACCEPTANCE = -0.2231435513142097  # log(0.8)
_MAX_DOUBLINGS = 60


@inlined
def find_step_size(
    chain: Chain,
    logdensity: Any,
    position: Vector,
    gradient: Vector,
    value: float,
    inverse_mass: Vector,
    work: Workspace,
) -> float:
    """Double or halve a step size until one leapfrog step is accepted with probability 0.8, or no longer is.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15, algorithm 4; threshold and fresh momenta as in Stan.
    """
    step_size = 1.0
    is_growing = False
    for attempt in range(_MAX_DOUBLINGS):
        load_point(position, gradient, work)
        fill_normal(chain.rng, work.momentum)
        kinetic_energy = scale_momentum(inverse_mass, work.momentum)
        new_value, new_kinetic_energy = leapfrog(
            logdensity, chain.state, step_size, inverse_mass, work.position, work.momentum, work.gradient
        )
        chain.counters[NUM_GRADIENTS] += 1
        is_accepted = new_value - new_kinetic_energy - value + kinetic_energy > _LOG_ACCEPTANCE
        if attempt == 0:
            is_growing = is_accepted
        elif is_accepted != is_growing:
            break
        step_size *= 2.0 if is_growing else 0.5
    return step_size


@inlined
def _learn(
    chain: Chain,
    settings: Settings,
    first: int,
    size: int,
    block: int,
    logdensity: Any,
    iteration: int,
    work: Workspace,
) -> None:
    """Before a step: learn from the last draw, and find a step size where the metric is new."""
    position = chain.state[first : first + size]
    gradient = chain.gradient[first : first + size]
    inverse_mass = chain.inverse_mass_matrix[first : first + size]
    tuning = chain.tuning[block]
    if tuning[IS_ADAPTING] != 0.0:
        if iteration == 0 and tuning[IS_NEW] != 0.0:
            start_inverse_mass_matrix(gradient, inverse_mass)
        elif 0 < iteration < settings.tune:
            moments = as_rows(chain.moments[NUM_MOMENTS * first :], NUM_MOMENTS, size)
            if update_inverse_mass_matrix(
                tuning, iteration - 1, settings.tune, position, gradient, moments, inverse_mass
            ):
                tuning[IS_NEW] = 1.0
    if tuning[IS_NEW] != 0.0:
        value = chain.logdensity[block]
        step_size = find_step_size(chain, logdensity, position, gradient, value, inverse_mass, work)
        start_averaging(tuning, step_size)
        tuning[IS_NEW] = 0.0


@njit(cache=True, inline="always")
def _copy(source: Vector, target: Vector) -> None:
    for i in range(source.size):
        target[i] = source[i]


@njit(cache=True, inline="always", error_model="numpy")
def _find_not_finite(vector: Vector) -> int:
    """Return the first element that is not finite, else -1."""
    for i in range(vector.size):
        if not np.isfinite(vector[i]):
            return i
    return -1


@njit(cache=True, inline="always")
def _keep(position: Vector, gradient: Vector, window: NDArray[np.float64]) -> None:
    """Keep position and gradient for what is learnt from them between calls of the loop."""
    for i in range(position.size):
        window[0, i] = position[i]
        window[1, i] = gradient[i]


@inlined
def _write_statistics(statistics: Vector, at: int, info: Transition, step_size: float, log_jacobian: float) -> None:
    """Write the statistics of a transition in the order of ``samplers.trajectories.block.NUTS_STATISTICS``."""
    statistics[at] = info.logdensity - log_jacobian
    statistics[at + 1] = info.energy
    statistics[at + 2] = info.acceptance_rate
    statistics[at + 3] = step_size
    statistics[at + 4] = info.tree_depth
    statistics[at + 5] = info.num_steps
    statistics[at + 6] = info.index_in_trajectory
    statistics[at + 7] = info.is_divergent


@inlined
def _look_at_divergence(chain: Chain, first: int, size: int, logdensity: Any, is_factor: bool, work: Workspace) -> None:
    """Count a trajectory that ended where there is a log-density but no gradient, and keep the first such place."""
    if _find_not_finite(work.gradient) < 0:
        return
    value = evaluate_density(logdensity, work.position, chain.state, work.gradient)
    chain.counters[NUM_GRADIENTS] += 1
    if not isfinite(value):
        return
    if chain.counters[NUM_WITHOUT_GRADIENT] == 0:
        _copy(chain.state, chain.without_gradient)
        position = chain.without_gradient[first : first + size]
        if is_factor:
            locate(logdensity, work.position, chain.state, position)
        else:
            _copy(work.position, position)
    chain.counters[NUM_WITHOUT_GRADIENT] += 1


@inlined
def _adapt_step_size(chain: Chain, settings: Settings, tuning: Vector, info: Transition, iteration: int) -> None:
    """After a step: learn the step size while tuning, count divergences later."""
    if iteration < settings.tune:
        if info.is_divergent and iteration >= settings.early:
            notice_divergence(tuning)
        update_averaging(tuning, info.acceptance_rate, settings.target_accept)
        if iteration == settings.tune - 1:
            finish_averaging(tuning)
    elif info.is_divergent:
        chain.counters[NUM_DIVERGENT] += 1


@registered
@inlined
def move_nuts(
    chain: Chain,
    settings: Settings,
    row: NDArray[np.int64],
    block: int,
    targets: NDArray[np.int64],
    logdensity: Any,
    iteration: int,
) -> int:
    """Move a block by NUTS; return a status.

    Parameters
    ----------
    chain : Chain
        Updated in place.
    settings : Settings
        Tuning.
    row : array, shape (12,), int64
        The block's row of the table of blocks.
    block : int
        Its number.
    targets : array, int64
        Not used.
    logdensity : callable, or array, shape (4,), int64
        As in ``samplers.chain.programs.evaluate_density``.
    iteration : int
        Number of the sweep, from zero.
    """
    first, size, depth = row[OFFSET], row[SIZE], settings.max_tree_depth
    position = chain.state[first : first + size]
    gradient = chain.gradient[first : first + size]
    inverse_mass = chain.inverse_mass_matrix[first : first + size]
    tuning = chain.tuning[block]
    num_rows = num_workspace_rows(depth)
    rows = as_rows(chain.rows, num_rows, size)
    work = Workspace(chain.point[0, :size], chain.point[1, :size], chain.point[2, :size], rows)
    # One array throughout, as two to choose from would cost a tenth: it holds the coordinates while a trajectory runs.
    is_factor = tuning[IS_FACTOR] != 0.0
    if is_factor:
        begin(logdensity, position, chain.state, work.position)
        _copy(work.position, position)
    if iteration == 0 or row[IS_STALE]:
        chain.logdensity[block] = evaluate_density(logdensity, position, chain.state, gradient)
        chain.counters[NUM_GRADIENTS] += 1
        if not isfinite(chain.logdensity[block]):
            return STATUS_NOT_FINITE_LOGDENSITY + STATUS_STRIDE * first
        bad = _find_not_finite(gradient)
        if bad >= 0:
            return STATUS_NOT_FINITE_GRADIENT + STATUS_STRIDE * (first + bad)
    is_tuning = iteration < settings.tune
    if iteration == 0 or is_tuning:
        _learn(chain, settings, first, size, block, logdensity, iteration, work)
    if iteration < settings.early:
        depth = min(depth, EARLY_TREE_DEPTH)
    step_size = exp(tuning[LOG_STEP_SIZE])
    value = chain.logdensity[block]
    # What `transition` does: a function around it would be optimised once more.
    kinetic, directions = refresh(chain.rng, inverse_mass, work)
    info = sample_tree(
        chain.rng,
        directions,
        logdensity,
        chain.state,
        step_size,
        inverse_mass,
        depth,
        position,
        gradient,
        value,
        kinetic,
        np.inf if is_tuning else MOST_OF_A_STEP,
        work,
    )
    chain.logdensity[block] = info.logdensity
    chain.counters[NUM_GRADIENTS] += info.num_steps
    if info.is_divergent and not is_tuning:
        _look_at_divergence(chain, first, size, logdensity, is_factor, work)
    log_jacobian = 0.0
    if is_factor:
        log_jacobian = locate(logdensity, position, chain.state, work.position)
        _copy(work.position, position)
    if is_tuning and iteration < chain.window.shape[0]:
        _keep(position, gradient, chain.window[iteration, :, first : first + size])
    _adapt_step_size(chain, settings, tuning, info, iteration)
    _write_statistics(chain.statistics, row[FIRST_STATISTIC], info, step_size, log_jacobian)
    return STATUS_DONE
