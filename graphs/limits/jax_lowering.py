"""JAX lowering of operations whose gradient is zero where nothing depends on their outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.graph.basic import Apply
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.tensor.elemwise import Elemwise

from graphs.limits.masked_slopes import MaskedSlope


@jax_funcify.register(MaskedSlope)
def lower_masked_slope(op: MaskedSlope, node: Apply, **kwargs: Any) -> Callable[..., jax.Array]:
    """Return the operation with a derivative of its own for JAX."""
    operation = jax_funcify(Elemwise(op.scalar_op), node=node, **kwargs)

    @jax.custom_vjp
    def masked(*arrays: jax.Array) -> jax.Array:
        result: jax.Array = operation(*arrays)
        return result

    def forward(*arrays: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return masked(*arrays), arrays

    def backward(arrays: tuple[jax.Array, ...], weight: jax.Array) -> tuple[Any, ...]:
        _, pull = jax.vjp(operation, *arrays)
        return tuple(
            slope if slope.dtype == jax.dtypes.float0 else jnp.where((weight == 0) & jnp.isnan(slope), 0.0, slope)
            for slope in pull(weight)
        )

    masked.defvjp(forward, backward)
    # Broadcast outside, so that every element of an array has a weight of its own.
    return lambda *arrays: masked(*jnp.broadcast_arrays(*arrays))
