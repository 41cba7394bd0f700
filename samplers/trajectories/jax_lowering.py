"""The JAX lowering of the NUTS Op, so that a step graph that holds one can be compiled by JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from blackjax.mcmc.hmc import HMCState
from pytensor.link.jax.dispatch import jax_funcify

from graphs.layout import Layout
from samplers.chain.jax_density import logdensity_function, pack, unpack
from samplers.trajectories.jax_transition import nuts_transition
from samplers.trajectories.nuts_op import NUTS


@jax_funcify.register(NUTS)
def lower_nuts(op: NUTS, **kwargs: Any) -> Callable[..., tuple[Any, ...]]:
    """Return ``(rng, *position, logdensity, gradient, step_size, inverse_mass_matrix) -> (rng, *state, *info)``."""
    evaluate = logdensity_function(op.logdensity, op.logdensity.inputs, Layout.of(()))

    def step(rng: dict[str, Any], *inputs: Any) -> tuple[Any, ...]:
        *position, logdensity, gradient = (jnp.asarray(x, "float64") for x in inputs[:-2])
        step_size, inverse_mass_matrix = (jnp.asarray(x, "float64") for x in inputs[-2:])
        next_key, key = jax.random.split(rng["jax_state"])
        state, info, _ = nuts_transition(
            key,
            HMCState(pack(position), logdensity, gradient),
            lambda x: evaluate(x, jnp.zeros(0)),
            step_size,
            inverse_mass_matrix,
            op.max_tree_depth,
        )
        values = unpack(state.position, op.layout).values()
        return ({**rng, "jax_state": next_key}, *values, state.logdensity, state.logdensity_grad, *info)

    return step
