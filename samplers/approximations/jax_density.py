"""A log-density compiled by JAX, as the loop in Python calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.layout import Layout
from samplers.chain.jax_density import logdensity_function

type Vector = NDArray[np.float64]


def jax_function(density: LogDensity, rows: Sequence[TensorVariable]) -> Callable[[Vector, Vector, Vector], float]:
    """Return ``(position, context, gradient) -> log-density``, which writes the gradient.

    Parameters
    ----------
    density : LogDensity
        Its inputs lie in positions, in order.
    rows : sequence of TensorVariable
        What lies in contexts.
    """
    whole = LogDensity(density.total, (*density.inputs, *rows))
    evaluate: Any = jax.jit(jax.value_and_grad(logdensity_function(whole, density.inputs, Layout.of(rows))))

    def call(position: Vector, context: Vector, gradient: Vector) -> float:
        value, slope = evaluate(position, context)
        gradient[:] = slope
        return float(value)

    return call
