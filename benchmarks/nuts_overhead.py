"""What NUTS costs per gradient where the gradient costs next to nothing."""

from __future__ import annotations

import logging
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

TITLE = "NUTS per gradient: standard normal, and eight schools, one core"
REACH = {10: 0.6}
REACH_SCHOOLS = 0.6
STEP_SIZE = {10: 0.5, 100: 0.3}


def standard_normal(dimension: int) -> ppl.Model:
    return ppl.Model(ppl.Normal("x", 0, 1, size=dimension))


def eight_schools() -> ppl.Model:
    """Return the hierarchy that all tools are compared with in `nuts`, there on two cores."""
    mu, tau, raw = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5), ppl.Normal("raw", 0, 1, size=8)
    errors = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    return ppl.Model({ppl.Normal("y", mu + tau * raw, errors): np.array([28.0, 8, -3, 7, -1, 1, 18, 12])})


def by_model(model: ppl.Model, num_draws: int, with_trace: bool, chains: int = 1) -> Contender:
    """Time ``sample`` of a declared model: tuning and sampling, or the whole call with start and trace."""
    compiled = ppl.compile(model, sampler="nuts")

    def cost() -> float:
        start = perf_counter()
        trace = compiled.sample(num_draws, num_draws // 4, chains=chains, cores=1, seed=1, progress=False)
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
    ppl.compile(standard_normal(10), sampler="nuts").sample(1, 1, chains=1, cores=1, seed=1, progress=False)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    for dimension, num_draws in ((10, 20000), (100, 5000)):
        contenders = {
            "rvgraph: ppl, tuning and sampling": by_model(standard_normal(dimension), num_draws, False),
            "rvgraph: ppl, with start and trace": by_model(standard_normal(dimension), num_draws, True),
            "rvgraph: samplers.nuts": by_kernel(dimension, num_draws),
            "hand-written Numba": by_hand(dimension, num_draws),
        }
        yield from rows_of(f"d={dimension}", contenders, repeats, "us", 1e6, REACH.get(dimension))
    # A few divergences of eight schools, said at every run.
    logging.getLogger("rvgraph").setLevel(logging.ERROR)
    contenders = {
        "rvgraph: ppl, tuning and sampling": by_model(eight_schools(), 5000, False, chains=4),
        "rvgraph: ppl, with start and trace": by_model(eight_schools(), 5000, True, chains=4),
    }
    yield from rows_of("eight schools, 4 chains", contenders, repeats, "us", 1e6, REACH_SCHOOLS)
    yield from compile_rows("nuts_overhead", compile_repeats)
