"""Lowering of incomplete gamma and beta functions to JAX: the compiled kernels, called back from the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pytensor.link.jax.dispatch import jax_funcify

from graphs.tails.ops import IncompleteBeta, IncompleteGamma


@jax_funcify.register(IncompleteGamma)
@jax_funcify.register(IncompleteBeta)
def part_of_kernel(op: Any, **options: Any) -> Callable[..., jax.Array]:
    """Return one part at every element."""
    at_each = np.frompyfunc(op.impl, op.nin, 1)

    def on_host(*arrays: NDArray) -> NDArray:
        return np.asarray(at_each(*map(np.asarray, arrays)), dtype="float64")

    def part(*inputs: jax.Array) -> jax.Array:
        arrays = [jnp.asarray(array, "float64") for array in inputs]
        result = jax.ShapeDtypeStruct(jnp.broadcast_shapes(*(array.shape for array in arrays)), "float64")
        return jax.pure_callback(on_host, result, *arrays, vmap_method="broadcast_all")

    return part
