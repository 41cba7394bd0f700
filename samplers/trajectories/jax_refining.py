"""Steps that go wrong, made again in shorter ones, in JAX; see `samplers.trajectories.refining`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.mcmc.integrators import IntegratorState

from samplers.trajectories.refining import MOST_HALVINGS

Integrate = Callable[[IntegratorState, jax.Array], IntegratorState]
EnergyOf = Callable[[IntegratorState], jax.Array]


class Account(NamedTuple):
    """What the steps that led to a point came to."""

    index: jax.Array  # () int64: number of whole steps; negative: backwards
    has_ended: jax.Array  # () bool: whether the way back would have been another
    num_more: jax.Array  # () int64: shorter steps beside the whole ones
    excess: jax.Array  # () float64: what they added to the sum of acceptance probabilities


class HalvingSearch(NamedTuple):
    """A step while it is made of shorter ones."""

    now: IntegratorState
    end: IntegratorState  # where it ends, as far as is known
    lowest: jax.Array  # () float64: of the energy on the way
    highest: jax.Array  # () float64
    halvings: jax.Array  # () int64
    last: jax.Array  # () int64: the last number of halvings that is tried
    num_made: jax.Array  # () int64: shorter steps of this number of halvings
    num_more: jax.Array  # () int64: shorter steps in all
    is_back: jax.Array  # () bool
    has_ended: jax.Array  # () bool
    is_done: jax.Array  # () bool


def refined_step(
    integrate: Integrate, energy_of: EnergyOf, state: IntegratorState, step_size: jax.Array, most_of_a_step: jax.Array
) -> tuple[IntegratorState, IntegratorState, jax.Array, jax.Array]:
    """Make a step.

    Parameters
    ----------
    integrate : callable
        Makes a leapfrog step of a given size.
    energy_of : callable
        Of a state.
    state : IntegratorState
        Where it starts.
    step_size : array, shape ()
        Negative: backwards.
    most_of_a_step : array, shape ()
        A step that changes the energy by more is made in shorter ones.

    Returns
    -------
    whole, end : IntegratorState
        Where the whole step ends, and the one that is made.
    has_ended : array, shape (), bool
        Whether the trajectory ends before it.
    num_more : array, shape (), int64
        Shorter steps that were made.
    """
    whole = integrate(state, step_size)
    before = energy_of(state)
    zero, one, false = jnp.zeros((), "int64"), jnp.ones((), "int64"), jnp.zeros((), bool)
    is_good = jnp.abs(energy_of(whole) - before) <= most_of_a_step
    search = HalvingSearch(
        state,
        whole,
        before,
        before,
        one,
        one * MOST_HALVINGS,
        zero,
        zero,
        false,
        false,
        is_good | jnp.isinf(most_of_a_step),
    )

    def again(search: HalvingSearch) -> HalvingSearch:
        num_steps = one << search.halvings
        now = integrate(search.now, jnp.where(search.is_back, -step_size, step_size) / num_steps)
        energy = energy_of(now)
        lowest, highest = jnp.minimum(search.lowest, energy), jnp.maximum(search.highest, energy)
        # Not if one is NaN.
        fits = highest - lowest <= most_of_a_step
        search = search._replace(
            now=now, lowest=lowest, highest=highest, num_made=search.num_made + 1, num_more=search.num_more + 1
        )
        is_over = ~fits | (search.num_made == num_steps)
        return _where(is_over, _next(search, state, fits, energy_of), search)

    found = jax.lax.while_loop(lambda search: ~search.is_done, again, search)
    return whole, found.end, found.has_ended, found.num_more


def _next(search: HalvingSearch, start: IntegratorState, fits: jax.Array, energy_of: EnergyOf) -> HalvingSearch:
    """Return what is tried after a number of halvings that was good or not."""
    is_last = search.halvings == search.last
    turns = ~search.is_back & (fits | is_last)
    end = _where(fits & ~search.is_back, search.now, search.end)
    is_back = search.is_back | turns
    origin = _where(is_back, end, start)
    energy = energy_of(origin)
    last = jnp.where(turns, jnp.where(fits, search.halvings - 1, MOST_HALVINGS), search.last)
    halvings = jnp.where(turns, jnp.where(fits, 0, 1), search.halvings + 1)
    return search._replace(
        now=origin,
        end=end,
        lowest=energy,
        highest=energy,
        halvings=halvings,
        last=last,
        num_made=jnp.zeros((), "int64"),
        is_back=is_back,
        has_ended=search.is_back & fits,
        is_done=search.is_back & (fits | is_last),
    )


def _where(condition: jax.Array, one: Any, other: Any) -> Any:
    return jax.tree.map(partial(jnp.where, condition), one, other)


def accounting(
    integrate: Integrate, energy_of: EnergyOf, initial_energy: jax.Array, most_of_a_step: jax.Array
) -> Integrate:
    """Return steps whose states have a pair of position and `Account` as position.

    Where a trajectory ends, the log-density is minus infinity.

    Parameters
    ----------
    integrate, energy_of, most_of_a_step
        As in `refined_step`.
    initial_energy : array, shape ()
        Where the trajectory began.
    """

    def acceptance(state: IntegratorState) -> jax.Array:
        change = initial_energy - energy_of(state)
        return jnp.exp(jnp.minimum(jnp.where(jnp.isnan(change), -jnp.inf, change), 0.0))

    def step(state: IntegratorState, step_size: jax.Array) -> IntegratorState:
        position, account = state.position
        whole, end, has_ended, num_more = refined_step(
            integrate, energy_of, state._replace(position=position), step_size, most_of_a_step
        )
        end = end._replace(logdensity=jnp.where(has_ended, -jnp.inf, end.logdensity))
        account = Account(
            account.index + jnp.sign(step_size).astype("int64"),
            account.has_ended | has_ended,
            account.num_more + num_more,
            account.excess + acceptance(end) - acceptance(whole),
        )
        return end._replace(position=(end.position, account))

    return step
