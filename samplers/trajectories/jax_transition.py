"""The No-U-Turn transition in JAX: BlackJAX's parts, with Stan's checks between sub-trajectories.

BlackJAX asks only whether a whole trajectory, or a whole sub-trajectory, turns back on itself. On a target whose mass
matrix is right all directions oscillate with one period, and a trajectory of just about one period passes that test: it
is doubled on and on (depth 8 instead of 2 on a standard normal of ten dimensions at step size 0.87). Stan has
therefore asked, since version 2.20, the same of each half together with the first point of the other half.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.mcmc import metrics
from blackjax.mcmc.hmc import HMCState
from blackjax.mcmc.integrators import IntegratorState, velocity_verlet
from blackjax.mcmc.proposal import Proposal, progressive_biased_sampling
from blackjax.mcmc.trajectory import (
    Trajectory,
    dynamic_progressive_integration,
    merge_trajectories,
    reorder_trajectories,
)

from samplers.trajectories.jax_refining import Account, accounting
from samplers.trajectories.nuts_op import NUTSInfo
from samplers.trajectories.refining import MOST_OF_A_STEP

DIVERGENCE_THRESHOLD = 1000.0

CheckTurning = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


class Checkpoints(NamedTuple):
    """Points at which sub-trajectories of the present one begin, so that it is enough to see each point once."""

    momentum: jax.Array  # (max_tree_depth, d) float64
    momentum_sum: jax.Array  # (max_tree_depth, d) float64: up to and with the point
    previous: jax.Array  # (max_tree_depth, d) float64: momentum of the point before
    last: jax.Array  # (d,) float64: momentum of the last point seen
    first: jax.Array  # () int64: the checkpoints from first to final begin sub-trajectories that end here
    final: jax.Array  # () int64


class Fault(NamedTuple):
    """Whether a trajectory ended where the log-density is finite, but its gradient is not."""

    is_found: jax.Array  # () bool
    position: jax.Array  # (d,) float64


class Doubling(NamedTuple):
    """A trajectory while it is being doubled."""

    depth: jax.Array  # () int64: doublings tried
    num_complete: jax.Array  # () int64: doublings completed
    proposal: Proposal
    trajectory: Trajectory
    checkpoints: Checkpoints
    is_divergent: jax.Array  # () bool
    is_turning: jax.Array  # () bool


def nuts_transition(
    key: jax.Array,
    state: HMCState,
    logdensity: Callable[[jax.Array], jax.Array],
    step_size: jax.Array,
    inverse_mass_matrix: jax.Array,
    max_tree_depth: int,
    deepest: jax.Array | int | None = None,
    most_of_a_step: jax.Array | float = MOST_OF_A_STEP,
) -> tuple[HMCState, NUTSInfo, Fault]:
    """Make one transition of the No-U-Turn sampler.

    Parameters
    ----------
    key : JAX key
        Consumed.
    state : HMCState
        Position, (d,), log-density and gradient.
    logdensity : callable
        Differentiable function of a position.
    step_size : array, shape ()
        Of a leapfrog step.
    inverse_mass_matrix : array, shape (d,)
        Diagonal.
    max_tree_depth : int
        Largest number of doublings that there is room for.
    deepest : array, shape (), or int, optional
        Largest number of doublings; as many as there is room for by default.
    most_of_a_step : array, shape (), or float, optional
        Steps that change the energy by more are made again in shorter ones; infinite: none.

    Returns
    -------
    HMCState, NUTSInfo, Fault
        The new state, diagnostics, and where a gradient was missing.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15; Betancourt (2017), arXiv:1701.02434.
    """
    metric = metrics.default_metric(inverse_mass_matrix)
    momentum_key, key = jax.random.split(key)
    momentum = metric.sample_momentum(momentum_key, state.position)
    energy = metric.kinetic_energy(momentum) - state.logdensity
    zero, false = jnp.zeros((), "int64"), jnp.zeros((), bool)
    account = Account(zero, false, zero, jnp.zeros(()))
    start = IntegratorState((state.position, account), momentum, state.logdensity, state.logdensity_grad)
    integrate = dynamic_progressive_integration(
        accounting(
            velocity_verlet(logdensity, metric.kinetic_energy),
            lambda point: metric.kinetic_energy(point.momentum) - point.logdensity,
            energy,
            jnp.asarray(most_of_a_step),
        ),
        metric.kinetic_energy,
        _update_checkpoints,
        lambda *arguments: _ends_turning_tree(metric.check_turning, *arguments),
        DIVERGENCE_THRESHOLD,
    )
    expansion = Doubling(
        zero,
        zero,
        Proposal(start, energy, jnp.zeros(()), jnp.full((), -jnp.inf)),
        Trajectory(start, start, momentum, zero),
        _no_checkpoints(max_tree_depth, momentum.size),
        false,
        false,
    )
    most = max_tree_depth if deepest is None else deepest
    expansion = jax.lax.while_loop(
        lambda e: (e.depth < most) & ~e.is_divergent & ~e.is_turning,
        lambda e: _double(integrate, metric.check_turning, key, e, energy, step_size),
        expansion,
    )
    chosen = expansion.proposal
    position, where = chosen.state.position
    ends = [end.position[1] for end in (expansion.trajectory.leftmost_state, expansion.trajectory.rightmost_state)]
    num_states = expansion.trajectory.num_states
    info = NUTSInfo(
        energy=chosen.energy,
        # What is learnt from it is the length of whole steps.
        acceptance_rate=(jnp.exp(chosen.sum_log_p_accept) - sum(end.excess for end in ends)) / num_states,
        tree_depth=expansion.num_complete,
        num_steps=num_states + sum(end.num_more for end in ends),
        index_in_trajectory=where.index,
        is_divergent=expansion.is_divergent & ~ends[0].has_ended & ~ends[1].has_ended,
    )
    return HMCState(position, chosen.state.logdensity, chosen.state.logdensity_grad), info, _fault(expansion)


def _fault(expansion: Doubling) -> Fault:
    """Look at both ends, one of which is where a divergent trajectory ended."""
    left, right = expansion.trajectory.leftmost_state, expansion.trajectory.rightmost_state
    lacks_left, lacks_right = (
        jnp.isfinite(end.logdensity) & ~jnp.isfinite(end.logdensity_grad).all() for end in (left, right)
    )
    position = jnp.where(lacks_left, left.position[0], right.position[0])
    return Fault(expansion.is_divergent & (lacks_left | lacks_right), position)


def _double(
    integrate: Callable[..., Any],
    check_turning: CheckTurning,
    key: jax.Array,
    expansion: Doubling,
    initial_energy: jax.Array,
    step_size: jax.Array,
) -> Doubling:
    """Double the trajectory in a random direction."""
    direction_key, path_key, choice_key = jax.random.split(jax.random.fold_in(key, expansion.depth), 3)
    old = expansion.trajectory
    direction = jnp.where(jax.random.bernoulli(direction_key), 1, -1)
    start = jax.tree.map(partial(jnp.where, direction > 0), old.rightmost_state, old.leftmost_state)
    candidate, new, checkpoints, is_divergent, is_turning = integrate(
        path_key, start, direction, expansion.checkpoints, 2**expansion.depth, step_size, initial_energy
    )
    is_complete = ~(is_divergent | is_turning)
    # A part that diverges or turns is never moved to, but its acceptance counts.
    chosen = progressive_biased_sampling(choice_key, expansion.proposal, candidate)
    proposal = jax.tree.map(partial(jnp.where, is_complete), chosen, expansion.proposal)
    sum_log_p_accept = jnp.logaddexp(expansion.proposal.sum_log_p_accept, candidate.sum_log_p_accept)
    left, right = reorder_trajectories(direction, old, new)
    return Doubling(
        expansion.depth + 1,
        expansion.num_complete + is_complete,
        proposal._replace(sum_log_p_accept=sum_log_p_accept),
        merge_trajectories(left, right),
        checkpoints,
        is_divergent,
        is_turning | _is_turning_together(check_turning, left, right),
    )


def _is_turning_together(check_turning: CheckTurning, left: Trajectory, right: Trajectory) -> jax.Array:
    """Return whether two halves, or either with the first point of the other, turn back on themselves."""
    first, last = left.leftmost_state.momentum, right.rightmost_state.momentum
    end, begin = left.rightmost_state.momentum, right.leftmost_state.momentum
    return (
        check_turning(first, last, left.momentum_sum + right.momentum_sum)
        | check_turning(first, begin, left.momentum_sum + begin)
        | check_turning(end, last, right.momentum_sum + end)
    )


def _no_checkpoints(max_tree_depth: int, num_dimensions: int) -> Checkpoints:
    rows = jnp.zeros((max_tree_depth, num_dimensions))
    zero = jnp.zeros((), "int64")
    return Checkpoints(rows, rows, rows, jnp.zeros(num_dimensions), zero, zero)


def _update_checkpoints(
    checkpoints: Checkpoints, momentum_sum: jax.Array, momentum: jax.Array, step: jax.Array
) -> Checkpoints:
    """Take in point number ``step`` (from zero); every point with an even number begins sub-trajectories."""
    final = jnp.bitwise_count(step >> 1).astype("int64")
    num_trees = jnp.bitwise_count((~step & (step + 1)) - 1).astype("int64")
    is_even = step % 2 == 0

    def store(rows: jax.Array, row: jax.Array) -> jax.Array:
        return rows.at[final].set(jnp.where(is_even, row, rows[final]))

    return Checkpoints(
        store(checkpoints.momentum, momentum),
        store(checkpoints.momentum_sum, momentum_sum),
        store(checkpoints.previous, checkpoints.last),
        momentum,
        final - num_trees + 1,
        final,
    )


def _ends_turning_tree(
    check_turning: CheckTurning, checkpoints: Checkpoints, momentum_sum: jax.Array, momentum: jax.Array
) -> jax.Array:
    """Return whether a sub-trajectory that ends with the last point turns back on itself."""

    def check(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        i, _ = carry
        # The right half of the sub-trajectory from checkpoint i begins at checkpoint i + 1; pairs have no halves.
        half = jnp.minimum(i + 1, checkpoints.final)
        first, begin, end = checkpoints.momentum[i], checkpoints.momentum[half], checkpoints.previous[half]
        left_sum = checkpoints.momentum_sum[half] - checkpoints.momentum_sum[i] + first
        right_sum = momentum_sum - checkpoints.momentum_sum[half] + begin + end
        is_turning = check_turning(first, momentum, momentum_sum - checkpoints.momentum_sum[i] + first)
        is_half_turning = check_turning(first, begin, left_sum) | check_turning(end, momentum, right_sum)
        return i - 1, is_turning | ((i < checkpoints.final) & is_half_turning)

    start = (checkpoints.final, jnp.zeros((), bool))
    return jax.lax.while_loop(lambda carry: (carry[0] >= checkpoints.first) & ~carry[1], check, start)[1]
