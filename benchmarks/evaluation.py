"""Log-densities and gradients evaluated many times inside compiled code, by whatever compiled them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numba import njit
from numpy.typing import NDArray

import graphs
import ppl
from graphs.backends.numba import Program, call_program, compile_program

type Repeated = Callable[[int], float]
"""Evaluates a log-density and its gradient so many times and returns the sum of the values."""


def declared_density(model: ppl.Model) -> tuple[Any, list[Any]]:
    density = graphs.logprob(model, space="unconstrained").logdensity
    return density.total, list(density.inputs)


def pymc_density(model: Any) -> tuple[Any, list[Any]]:
    return model.logp(), list(model.value_vars)


def as_program(total: Any, inputs: list[Any]) -> Program:
    return compile_program(inputs, pytensor.grad(total, inputs), value=total)


@njit
def _repeat_program(row: Any, x: Any, out: Any, rng: Any, count: int) -> float:
    total = 0.0
    for _ in range(count):
        total += call_program(row, x, x, out, rng)
        # The next point depends on this one.
        x[0] += 1e-12 * out[0]
    return total


def by_program(program: Program, start: NDArray[np.float64]) -> Repeated:
    bound = program.bind()
    out, rng = np.empty(program.num_outputs), np.ones(4, np.uint64)
    return lambda count: _repeat_program(bound.row, start.copy(), out, rng, count)


def by_pytensor(total: Any, inputs: list[Any], at: NDArray[np.float64]) -> Repeated:
    """Compile with PyTensor's own Numba backend."""
    vector = pt.vector("x", shape=at.shape)
    parts, start = {}, 0
    for v in inputs:
        size = int(np.prod(v.type.shape))
        parts[v] = vector[start : start + size].reshape(v.type.shape)
        start += size
    [total] = pytensor.graph.replace.graph_replace([total], parts, strict=False)
    function = pytensor.function([vector], [total, pytensor.grad(total, vector)], mode="NUMBA", trust_input=True)
    evaluate = function.vm.jit_fn

    @njit
    def repeat(x: Any, count: int) -> float:
        result = 0.0
        for _ in range(count):
            value, gradient = evaluate(x)
            result += value.item()
            x[0] += 1e-12 * gradient[0]
        return result

    return lambda count: repeat(at.copy(), count)


def by_jax(logdensity: Callable[[Any], Any], at: NDArray[np.float64]) -> Repeated:
    import jax
    import jax.numpy as jnp

    @jax.jit
    def repeat(x: Any, count: Any) -> Any:
        def body(_: int, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            x, total = carry
            value, gradient = jax.value_and_grad(logdensity)(x)
            return x.at[0].add(1e-12 * gradient[0]), total + value

        return jax.lax.fori_loop(0, count, body, (x, 0.0))[1]

    return lambda count: float(repeat(jnp.asarray(at), count))


def per_evaluation(run: Repeated, seconds: float) -> Callable[[], float]:
    """Return a contender that costs the seconds of one evaluation, of as many as take about the given time."""
    run(1)
    start = perf_counter()
    run(1)
    count = max(1, min(1_000_000, int(seconds / (perf_counter() - start))))

    def cost() -> float:
        start = perf_counter()
        run(count)
        return (perf_counter() - start) / count

    return cost
