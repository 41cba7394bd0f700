"""What NUTS costs per gradient where the gradient costs next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np
import pytensor.tensor as pt

import graphs
import ppl
import samplers
from benchmarks import hand_nuts
from benchmarks.measure import Contender, Row, rows_of
from benchmarks.processes import compile_rows

TITLE = "NUTS per gradient: standard normal, one core"
REACH = {10: 0.6}
STEP_SIZE = {10: 0.5, 100: 0.3}


def compile_model(dimension: int) -> ppl.CompiledModel:
    return ppl.compile(ppl.Model(ppl.Normal("x", 0, 1, size=dimension)), sampler="nuts")


def by_model(dimension: int, num_draws: int, with_trace: bool) -> Contender:
    """Time ``sample`` of a declared model: tuning and sampling, or the whole call with start and trace."""
    compiled = compile_model(dimension)

    def cost() -> float:
        start = perf_counter()
        trace = compiled.sample(num_draws, num_draws // 4, chains=1, cores=1, seed=1, progress=False)
        seconds = perf_counter() - start
        if not with_trace:
            seconds = trace.attrs["tuning_seconds"] + trace.attrs["sampling_seconds"]
        return seconds / trace.attrs["num_gradients"]

    return cost


def by_kernel(dimension: int, num_draws: int) -> Contender:
    """Time the step function alone, at a fixed step size."""
    x = pt.tensor("x", shape=(dimension,))
    kernel = samplers.nuts((-0.5 * (x**2).sum(), [x]), step_size=STEP_SIZE.get(dimension, 0.5))
    step = graphs.compile(kernel)
    state = kernel.init({"x": np.zeros(dimension)})

    def cost() -> float:
        start = perf_counter()
        _, _, info = step.run(np.random.default_rng(1), state, num_draws)
        return (perf_counter() - start) / float(num_draws * info.num_steps)

    return cost


def by_hand(dimension: int, num_draws: int) -> Contender:
    """Time the kernel written for this density, at the same step size."""
    step_size = STEP_SIZE.get(dimension, 0.5)

    def cost() -> float:
        rng = np.random.default_rng(1)
        start = perf_counter()
        _, num_gradients = hand_nuts.sample(np.zeros(dimension), step_size, np.ones(dimension), num_draws, rng)
        return (perf_counter() - start) / num_gradients

    return cost


def first_call() -> None:
    compile_model(10).sample(1, 1, chains=1, cores=1, seed=1, progress=False)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    for dimension, num_draws in ((10, 20000), (100, 5000)):
        contenders = {
            "rvgraph: ppl, tuning and sampling": by_model(dimension, num_draws, False),
            "rvgraph: ppl, with start and trace": by_model(dimension, num_draws, True),
            "rvgraph: samplers.nuts": by_kernel(dimension, num_draws),
            "hand-written Numba": by_hand(dimension, num_draws),
        }
        yield from rows_of(f"d={dimension}", contenders, repeats, "us", 1e6, REACH.get(dimension))
    yield from compile_rows("nuts_overhead", compile_repeats)
