"""Blocks that step graphs move as pure JAX functions of one chain's flat state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.backends.jax.lowering import jax_callable
from graphs.layout import Layout
from samplers.chain.jax_density import pack, unpack
from samplers.chain.result import STATUS_DONE, STATUS_NOT_FINITE_DRAW, STATUS_STRIDE
from samplers.loop.jax.block import JaxBlock, Stats
from samplers.tuning.jax_adaptation import Phase, adapt_scale

if TYPE_CHECKING:
    from samplers.blocks import DrawBlock


def draw_block(block: DrawBlock, layout: Layout) -> JaxBlock:
    """Return the functions of a block that a step graph moves."""
    inputs = _inputs(block)
    draw = jax_callable(inputs, _outputs(block), rng=block.rng)
    slices = [layout.slice_of(str(variable.name)) for variable in block.variables]
    targets = np.concatenate([np.arange(s.start, s.stop) for s in slices])
    learnt = [layout.slice_of(str(m.variable.name)) for m in block.memory]

    def init(x: jax.Array) -> jax.Array:
        return jnp.zeros(())

    def step(
        key: jax.Array, x: jax.Array, count: jax.Array, phase: Phase, target_accept: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, Stats]:
        values = unpack(x, layout)
        _, results = draw(key, *(values[v.name] for v in inputs))
        new_values = pack(results[: len(block.variables)])
        element = jnp.asarray(targets)[jnp.argmin(jnp.isfinite(new_values))]
        failed = STATUS_NOT_FINITE_DRAW + STATUS_STRIDE * element
        status = jnp.where(jnp.isfinite(new_values).all(), STATUS_DONE, failed)
        x = x.at[targets].set(new_values)
        for where, following in zip(learnt, results[len(block.variables) :], strict=False):
            x = x.at[where].set(jnp.where(phase.is_tuning, jnp.ravel(following), x[where]))
        if block.acceptance_rate is None:
            return x, count, status, {}
        stats = {"acceptance_rate": results[-1]}
        if block.scale is not None:
            scale = values[block.scale.name]
            stats["scale"] = scale
            adapted = jnp.where(
                phase.is_tuning, adapt_scale(scale, results[-1], block.target_acceptance, count + 1), scale
            )
            x = x.at[layout.slice_of(block.scale.name)].set(adapted)
        return x, count + 1, status, stats

    return JaxBlock(init, step)


def _outputs(block: DrawBlock) -> list[TensorVariable]:
    """Return what a draw block computes."""
    return [*block.outputs, *([] if block.acceptance_rate is None else [block.acceptance_rate])]


def _inputs(block: DrawBlock) -> list[TensorVariable]:
    """Return the variables of the joint state that the draws depend on."""
    found = dict.fromkeys(explicit_graph_inputs(_outputs(block)))
    return [variable for variable in found if variable is not block.rng]
