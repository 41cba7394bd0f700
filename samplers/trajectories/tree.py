"""One transition of the No-U-Turn sampler.

The trajectory doubles, forwards or backwards in time, until it turns back on itself. This file knows how trees of
points are built and how a point is chosen; what a step, a weight and a U-turn are, it leaves to
``samplers.trajectories.hamiltonian``. The directions are bits drawn beforehand, so that the probability of every
transition can be enumerated exactly.

A sub-tree is built leaf by leaf. As in a binary counter, a leaf closes as many sub-trees as its number has trailing
ones; of a sub-tree that still waits for its neighbour only three vectors are kept: the momenta at its ends and
their sum. No memory is allocated.

References
----------
Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15, 1593-1623.
Betancourt (2017), A conceptual introduction to Hamiltonian Monte Carlo, arXiv:1701.02434, appendix A.
"""

from __future__ import annotations

from math import exp
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.rng import fill_normal, random_uniform
from graphs.backends.numba.machine_code.inlined import inlined
from samplers.chain.workspace import (
    END_MOMENTUM,
    MAX_TREE_DEPTH,
    STEP_START,
    SUBTREE_TOTAL,
    TOTAL,
    WAITING,
    Workspace,
    adopt,
    begin_waiting,
    join_momenta,
    keep_current,
    keep_point,
    keep_waiting,
    load_end,
    start_subtree,
    start_trajectory,
    store_end,
)
from samplers.trajectories.hamiltonian import is_turning, leapfrog, scale_momentum
from samplers.trajectories.refining import MOST_OF_A_STEP, in_shorter_steps

type Vector = NDArray[np.float64]
type Rng = NDArray[np.uint64]

MAX_ENERGY_ERROR = 1000.0
# Keeps the sum of 2**MAX_TREE_DEPTH weights finite.
MAX_LOG_WEIGHT = 600.0

_COMPLETE = 0
_TURNING = 1
_DIVERGENT = 2


class Transition(NamedTuple):
    """Diagnostics of a transition.

    Attributes
    ----------
    logdensity : float
        At the new position.
    energy : float
        Minus the log-density plus the kinetic energy, at the new position.
    acceptance_rate : float
        Metropolis acceptance probability, averaged over the points visited.
    tree_depth : int
        Number of completed doublings.
    num_steps : int
        Number of leapfrog steps, each with one gradient.
    index_in_trajectory : int
        Number of steps from the old position to the new one; negative: backwards in time.
    is_divergent : bool
        Whether an energy error was above 1000, or not finite.
    """

    logdensity: float
    energy: float
    acceptance_rate: float
    tree_depth: int
    num_steps: int
    index_in_trajectory: int
    is_divergent: bool


class _Subtree(NamedTuple):
    """A sub-tree and the point chosen from it."""

    status: int
    weight: float
    acceptance: float
    num_steps: int
    num_gradients: int
    end_energy: float
    leaf: int
    logdensity: float
    kinetic_energy: float


@inlined
def close_subtrees(leaf: int, num_leaves: int, inverse_mass_matrix: Vector, workspace: Workspace) -> bool:
    """Join the sub-trees that end with a leaf; return whether one of them turns back on itself.

    Parameters
    ----------
    leaf : int
        Number of the leaf, from zero.
    num_leaves : int
        Number of leaves of the whole sub-tree.
    inverse_mass_matrix : array, shape (d,), float64
        Diagonal.
    workspace : Workspace
        Its ``momentum`` is that of the leaf.
    """
    if leaf & 1 == 0:
        begin_waiting(WAITING, workspace)
        return False
    start_subtree(workspace)
    next_first = SUBTREE_TOTAL
    row = WAITING
    remaining = leaf
    while remaining & 1:
        if is_turning(
            inverse_mass_matrix,
            workspace.momentum,
            workspace.rows,
            row,
            row + 1,
            row + 2,
            next_first,
            SUBTREE_TOTAL,
        ):
            return True
        join_momenta(row, workspace)
        next_first = row
        row += 3
        remaining >>= 1
    # The whole sub-tree has no neighbour to wait for, and no row to wait in.
    if leaf + 1 < num_leaves:
        keep_waiting(row, next_first, workspace)
    return False


@inlined
def accept(rng: Rng, weight: float, total: float) -> bool:
    """Return true with probability ``min(1, weight / total)``."""
    return weight >= total or random_uniform(rng) * total < weight


@inlined
def build_subtree(
    rng: Rng,
    logdensity: Any,
    context: Vector,
    step_size: float,
    inverse_mass_matrix: Vector,
    depth: int,
    initial_energy: float,
    energy: float,
    most_of_a_step: float,
    workspace: Workspace,
) -> _Subtree:
    """Take ``2**depth`` steps from the current point and choose one of the points, with probability as its weight."""
    weight = acceptance = chosen_logdensity = chosen_energy = 0.0
    chosen = num_gradients = 0
    num_leaves = 1 << depth
    status = _COMPLETE
    for leaf in range(num_leaves):
        keep_point(STEP_START, workspace)
        value, kinetic_energy = leapfrog(
            logdensity,
            context,
            step_size,
            inverse_mass_matrix,
            workspace.position,
            workspace.momentum,
            workspace.gradient,
        )
        num_gradients += 1
        is_ended = False
        log_weight = initial_energy + value - kinetic_energy
        # What is learnt from the acceptance rate is the length of whole steps.
        if log_weight < np.inf:
            acceptance += exp(min(log_weight, 0.0))
        if not abs(kinetic_energy - value - energy) <= most_of_a_step:
            is_ended, value, kinetic_energy, num_more = in_shorter_steps(
                logdensity, context, step_size, inverse_mass_matrix, energy, value, kinetic_energy, workspace
            )
            num_gradients += num_more
            log_weight = initial_energy + value - kinetic_energy
        # Written so that NaN is divergent too; plus infinity is no density either.
        if not (-MAX_ENERGY_ERROR <= log_weight < np.inf):
            status = _DIVERGENT
            break
        if is_ended:
            status = _TURNING
            break
        energy = kinetic_energy - value
        leaf_weight = exp(log_weight if log_weight < MAX_LOG_WEIGHT else MAX_LOG_WEIGHT)
        weight += leaf_weight
        if accept(rng, leaf_weight, weight):
            keep_current(workspace)
            chosen, chosen_logdensity, chosen_energy = leaf, value, kinetic_energy
        if close_subtrees(leaf, num_leaves, inverse_mass_matrix, workspace):
            status = _TURNING
            break
    num_steps = leaf + 1
    return _Subtree(
        status, weight, acceptance, num_steps, num_gradients, energy, chosen, chosen_logdensity, chosen_energy
    )


@inlined
def _turns(side: int, depth: int, inverse_mass_matrix: Vector, workspace: Workspace) -> bool:
    """Return whether the trajectory, with the sub-tree just built at one side, turns back on itself."""
    return is_turning(
        inverse_mass_matrix,
        workspace.momentum,
        workspace.rows,
        END_MOMENTUM + 1 - side,
        END_MOMENTUM + side,
        TOTAL,
        WAITING + 3 * (depth - 1 if depth > 0 else 0),
        SUBTREE_TOTAL,
    )


@inlined
def sample_tree(
    rng: Rng,
    directions: int,
    logdensity: Any,
    context: Vector,
    step_size: float,
    inverse_mass_matrix: Vector,
    max_tree_depth: int,
    position: Vector,
    gradient: Vector,
    value: float,
    kinetic_energy: float,
    most_of_a_step: float,
    workspace: Workspace,
) -> Transition:
    """Grow a trajectory from the current point and move to one of its points.

    Between the trajectory and each new half the choice is biased towards the new one: it is taken with
    probability ``min(1, weight of the new half / weight of the old)``.

    Parameters
    ----------
    rng : array, shape (4,), uint64
        Generator.
    directions : int
        Bit ``k`` tells whether the doubling ``k`` goes forwards in time.
    logdensity : callable or bound program
        As in ``samplers.chain.programs.evaluate_density``.
    context : array, float64
        The joint state.
    step_size : float
        Of a leapfrog step.
    inverse_mass_matrix : array, shape (d,), float64
        Diagonal; the variance of the position.
    max_tree_depth : int
        At most this many doublings.
    position, gradient : array, shape (d,), float64
        The current point; updated in place.
    value, kinetic_energy : float
        Log-density and kinetic energy of the current point.
    most_of_a_step : float
        Steps that change the energy by more are made again in shorter ones; infinite: none.
    workspace : Workspace
        Its ``momentum`` is that of the current point.

    Returns
    -------
    Transition
        Diagnostics.
    """
    start_trajectory(position, gradient, workspace)
    initial_energy = kinetic_energy - value
    weight, acceptance = 1.0, 0.0
    num_steps = num_gradients = tree_depth = index = 0
    forward_length = backward_length = 0
    forward_energy = backward_energy = initial_energy
    is_divergent = False
    while tree_depth < max_tree_depth:
        side = (directions >> tree_depth) & 1
        load_end(side, workspace)
        subtree = build_subtree(
            rng,
            logdensity,
            context,
            step_size if side else -step_size,
            inverse_mass_matrix,
            tree_depth,
            initial_energy,
            forward_energy if side else backward_energy,
            most_of_a_step,
            workspace,
        )
        num_steps += subtree.num_steps
        num_gradients += subtree.num_gradients
        acceptance += subtree.acceptance
        if subtree.status != _COMPLETE:
            is_divergent = subtree.status == _DIVERGENT
            break
        if accept(rng, subtree.weight, weight):
            adopt(workspace, position, gradient)
            value, kinetic_energy = subtree.logdensity, subtree.kinetic_energy
            index = forward_length + subtree.leaf + 1 if side else -(backward_length + subtree.leaf + 1)
        if side:
            forward_length, forward_energy = forward_length + subtree.num_steps, subtree.end_energy
        else:
            backward_length, backward_energy = backward_length + subtree.num_steps, subtree.end_energy
        weight += subtree.weight
        is_complete = _turns(side, tree_depth, inverse_mass_matrix, workspace)
        tree_depth += 1
        if is_complete:
            break
        store_end(side, workspace)
    return Transition(
        value, kinetic_energy - value, acceptance / num_steps, tree_depth, num_gradients, index, is_divergent
    )


@inlined
def refresh(rng: Rng, inverse_mass_matrix: Vector, workspace: Workspace) -> tuple[float, int]:
    """Draw a momentum; return its kinetic energy, and the directions of all doublings as bits."""
    fill_normal(rng, workspace.momentum)
    kinetic_energy = scale_momentum(inverse_mass_matrix, workspace.momentum)
    directions: Any = np.int64(random_uniform(rng) * (1 << MAX_TREE_DEPTH))
    return kinetic_energy, directions


@inlined
def transition(
    rng: Rng,
    logdensity: Any,
    context: Vector,
    step_size: float,
    inverse_mass_matrix: Vector,
    max_tree_depth: int,
    position: Vector,
    gradient: Vector,
    value: float,
    workspace: Workspace,
) -> Transition:
    """Draw a momentum and directions, and move; the parameters are those of ``sample_tree``."""
    kinetic_energy, directions = refresh(rng, inverse_mass_matrix, workspace)
    return sample_tree(
        rng,
        directions,
        logdensity,
        context,
        step_size,
        inverse_mass_matrix,
        max_tree_depth,
        position,
        gradient,
        value,
        kinetic_energy,
        MOST_OF_A_STEP,
        workspace,
    )
