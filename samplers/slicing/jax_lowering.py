"""The JAX lowering of the slice sampling Op, so that a step graph that holds one can be compiled by JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from samplers.chain.jax_density import pack, unpack
from samplers.chain.result import STATUS_DONE
from samplers.slicing.jax_move import jax_slice_block
from samplers.slicing.slice_op import Slice
from samplers.tuning.jax_adaptation import Phase


@jax_funcify.register(Slice)
def lower_slice(op: Slice, **kwargs: Any) -> Callable[..., tuple[Any, ...]]:
    """Return ``(rng, *joint state) -> (rng, moved variable, num_evaluations, is_finite)``."""
    block = jax_slice_block(op.block, op.layout)
    name, dtype = str(op.block.variable.name), op.block.variable.type.dtype
    off = jnp.asarray(False)

    def step(rng: dict[str, Any], *inputs: Any) -> tuple[Any, ...]:
        x = pack([jnp.asarray(i, "float64") for i in inputs])
        next_key, key = jax.random.split(rng["jax_state"])
        moved, _, status, stats = block.step(key, x, jnp.asarray(0), Phase(*[off] * 6), jnp.asarray(0.8))
        is_finite = status == STATUS_DONE
        value = unpack(jnp.where(is_finite, moved, x), op.layout)[name].astype(dtype)
        return {**rng, "jax_state": next_key}, value, stats["n_evaluations"], is_finite

    return step
