"""The No-U-Turn sampler as a pure JAX function of one chain's flat state; its transitions are those of BlackJAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from blackjax.mcmc.hmc import HMCState
from blackjax.mcmc.hmc import init as evaluate_state

from graphs.layout import Layout
from samplers.chain.jax_density import find_step_size, logdensity_function
from samplers.chain.result import (
    STATUS_DONE,
    STATUS_NOT_FINITE_GRADIENT,
    STATUS_NOT_FINITE_LOGDENSITY,
    STATUS_STRIDE,
)
from samplers.loop.jax.block import JaxBlock, JaxOptions, MetricMemory, Stats
from samplers.trajectories.jax_transition import nuts_transition
from samplers.trajectories.refining import MOST_OF_A_STEP
from samplers.tuning.adaptation import EARLY_TREE_DEPTH
from samplers.tuning.jax_adaptation import (
    Adaptation,
    Phase,
    adapt,
    present_step_size,
    start_adaptation,
    start_averaging,
    start_inverse_mass_matrix,
)

if TYPE_CHECKING:
    from samplers.trajectories.block import NUTSBlock


def nuts_block(block: NUTSBlock, layout: Layout, options: JaxOptions) -> JaxBlock:
    """Return the functions of a NUTS block.

    Parameters
    ----------
    block : NUTSBlock
        The block; its variables lie side by side in the joint state.
    layout : Layout
        How the joint state is laid out.
    options : JaxOptions
        Whether log-density and gradient may be carried along, and how long trajectories are at most.
    """
    is_alone, has_factor, max_tree_depth = options.is_alone, options.has_factor, options.max_tree_depth
    variables = sorted(block.variables, key=lambda v: layout.slice_of(v.name).start)
    start, stop = layout.slice_of(variables[0].name).start, layout.slice_of(variables[-1].name).stop
    evaluate = logdensity_function(block.logdensity, variables, layout, options.precision)

    def init(x: jax.Array) -> MetricMemory:
        state = evaluate_state(x[start:stop], lambda position: evaluate(position, x))
        metric = start_inverse_mass_matrix(state.logdensity_grad)
        factor = jnp.eye(stop - start if has_factor else 0)
        return MetricMemory(
            logdensity=state.logdensity,
            gradient=state.logdensity_grad,
            adaptation=start_adaptation(metric),
            factor=factor,
            is_adapting=jnp.ones((), bool),
            num_without_gradient=jnp.zeros((), "int64"),
            without_gradient=jnp.full(layout.size, jnp.nan),
        )

    def step(
        key: jax.Array, x: jax.Array, memory: MetricMemory, phase: Phase, target_accept: jax.Array
    ) -> tuple[jax.Array, MetricMemory, jax.Array, Stats]:
        origin = x[start:stop]

        def locate(coordinates: jax.Array) -> jax.Array:
            return origin + memory.factor @ coordinates if has_factor else coordinates

        def logdensity(coordinates: jax.Array) -> jax.Array:
            return evaluate(locate(coordinates), x)

        def search(adaptation: Adaptation) -> Adaptation:
            found = find_step_size(search_key, before, logdensity, adaptation.inverse_mass_matrix)
            return adaptation._replace(averaging=start_averaging(found), num_updates=jnp.zeros(()))

        key, search_key = jax.random.split(key)
        begin = jnp.zeros_like(origin) if has_factor else origin
        before = HMCState(begin, memory.logdensity, memory.gradient) if is_alone else evaluate_state(begin, logdensity)
        adaptation = jax.lax.cond(phase.is_searching, search, lambda a: a, memory.adaptation)
        step_size = present_step_size(adaptation, phase.is_tuning)
        deepest = jnp.where(phase.is_early, min(max_tree_depth, EARLY_TREE_DEPTH), max_tree_depth)
        most_of_a_step = jnp.where(phase.is_tuning, jnp.inf, MOST_OF_A_STEP)
        state, info, fault = nuts_transition(
            key, before, logdensity, step_size, adaptation.inverse_mass_matrix, max_tree_depth, deepest, most_of_a_step
        )
        position, metric = locate(state.position), adaptation.inverse_mass_matrix
        adaptation = adapt(
            adaptation, phase, position, state.logdensity_grad, info.acceptance_rate, info.is_divergent, target_accept
        )
        if has_factor:
            learnt = jnp.where(memory.is_adapting, adaptation.inverse_mass_matrix, metric)
            adaptation = adaptation._replace(inverse_mass_matrix=learnt)
        stats = {
            "lp": state.logdensity,
            "diverging": info.is_divergent,
            "tree_depth": info.tree_depth,
            "n_steps": info.num_steps,
            "acceptance_rate": info.acceptance_rate,
            "step_size": step_size,
            "energy": info.energy,
            "index_in_trajectory": info.index_in_trajectory,
        }
        is_counted = fault.is_found & ~phase.is_tuning
        is_first = is_counted & (memory.num_without_gradient == 0)
        after = memory._replace(
            logdensity=state.logdensity,
            gradient=state.logdensity_grad,
            adaptation=adaptation,
            num_without_gradient=memory.num_without_gradient + is_counted,
            without_gradient=jnp.where(is_first, x.at[start:stop].set(locate(fault.position)), memory.without_gradient),
        )
        failed = STATUS_NOT_FINITE_LOGDENSITY + STATUS_STRIDE * start
        is_finite = jnp.isfinite(before.logdensity_grad)
        without = STATUS_NOT_FINITE_GRADIENT + STATUS_STRIDE * (start + jnp.argmin(is_finite))
        status = jnp.where(is_finite.all(), STATUS_DONE, without)
        status = jnp.where(jnp.isfinite(before.logdensity), status, failed)
        return x.at[start:stop].set(position), after, status, stats

    return JaxBlock(init, step, 0 if is_alone else 1, evaluate)
