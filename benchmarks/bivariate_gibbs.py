"""Gibbs sampling of the density x^2 exp(-x y^2 - y^2 + 2y - 4x), x > 0: nothing but two scalar draws a sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba import njit
from numpy.typing import NDArray

import graphs
import ppl
from benchmarks.measure import Row, missing_rows, rows_of, timed
from benchmarks.processes import compile_rows
from samplers.conditionals.gibbs import gibbs

TITLE = "Bivariate Gibbs: per sweep, every 200th kept, one core"
REACH = 45
THIN = 200


def declare() -> ppl.Model:
    return ppl.Model(
        ppl.Density(
            lambda x, y: 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x, support={"x": "positive", "y": "real"}
        )
    )


def by_model(compiled: ppl.CompiledModel, num_draws: int) -> Any:
    return compiled.sample(num_draws, 0, chains=1, cores=1, seed=1, thin=THIN, progress=False)


def by_kernel(num_draws: int) -> Callable[[], Any]:
    """Return a function that runs the Gibbs kernel of the density alone."""
    kernel = gibbs(graphs.logprob(declare()))
    step = graphs.compile(kernel)
    state = kernel.init({"x": 1.0, "y": 0.0})
    return lambda: step.run(np.random.default_rng(1), state, num_draws * THIN, THIN)[1]


def loop(num_draws: int, rng: Any) -> NDArray[np.float64]:
    """Return draws from the loop as one writes it."""
    draws = np.empty((num_draws, 2))
    x, y = 1.0, 0.0
    for i in range(num_draws):
        for _ in range(THIN):
            x = rng.gamma(3.0, 1.0 / (y * y + 4.0))
            y = rng.normal(1.0 / (1.0 + x), 1.0 / math.sqrt(2.0 * (1.0 + x)))
        draws[i, 0] = x
        draws[i, 1] = y
    return draws


by_hand = njit(cache=True)(loop)


def by_jax(num_draws: int) -> Callable[[], NDArray[np.float64]]:
    """Return a function that runs a jitted scan of scans."""
    import jax
    import jax.numpy as jnp

    def sweep(state: Any, key: Any) -> tuple[Any, None]:
        _, y = state
        for_x, for_y = jax.random.split(key)
        x = jax.random.gamma(for_x, 3.0) / (y * y + 4.0)
        y = 1.0 / (1.0 + x) + jax.random.normal(for_y) / jnp.sqrt(2.0 * (1.0 + x))
        return (x, y), None

    def draw(state: Any, key: Any) -> tuple[Any, Any]:
        state, _ = jax.lax.scan(sweep, state, jax.random.split(key, THIN))
        return state, jnp.stack(state)

    @jax.jit
    def run(key: Any) -> Any:
        start = jnp.array(1.0), jnp.array(0.0)
        return jax.lax.scan(draw, start, jax.random.split(key, num_draws))[1]

    return lambda: np.asarray(run(jax.random.key(1)))


def first_call() -> None:
    by_model(ppl.compile(declare(), sampler="gibbs"), 1)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    what = "one sweep"
    compiled = ppl.compile(declare(), sampler="gibbs")
    contenders = {
        "rvgraph: whole call of sample": timed(lambda: by_model(compiled, 20000), 20000 * THIN),
        "rvgraph: samplers.gibbs": timed(by_kernel(20000), 20000 * THIN),
        "NumPy loop": timed(lambda: loop(1000, np.random.default_rng(1)), 1000 * THIN),
        "hand-written Numba, NumPy's generator": timed(lambda: by_hand(20000, np.random.default_rng(1)), 20000 * THIN),
    }
    missing = missing_rows(what, {"jax": "JAX, jitted scan"})
    if not missing:
        contenders["JAX, jitted scan"] = timed(by_jax(5000), 5000 * THIN)
    yield from rows_of(what, contenders, repeats, "ns", 1e9, REACH)
    yield from missing
    yield from compile_rows("bivariate_gibbs", compile_repeats)
