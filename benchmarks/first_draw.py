"""How long one waits for the first draw of a regression, from the start of Python, imports included."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Row, is_installed, missing_rows
from benchmarks.processes import caches_in, last_line

TITLE = "First draw of a 5-parameter regression, n=100: seconds from the start of Python to the end of `sample`"
REACH_FILLED, REACH_EMPTY = 3.0, 7.0
ONE_DRAW = {"draws": 1, "tune": 1, "chains": 1}
ALL_DRAWS = {"draws": 1000, "tune": 1000, "chains": 4}
PEERS = {"nutpie": "nutpie", "pymc": "PyMC (pm.sample)", "numpyro": "NumPyro"}
TOOLS = {"rvgraph": "rvgraph", **PEERS}


def data() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    predictors = rng.normal(size=(100, 3))
    return predictors, 1.0 + predictors @ np.array([0.5, -1.0, 2.0]) + rng.normal(size=100)


def by_rvgraph(draws: int, tune: int, chains: int) -> NDArray[np.float64]:
    import ppl

    predictors, outcome = data()
    intercept, slopes = ppl.Normal("intercept", 0, 10), ppl.Normal("slopes", 0, 10, size=3)
    y = ppl.Normal("y", intercept + predictors @ slopes, ppl.HalfNormal("sigma", 5))
    trace = ppl.sample(ppl.Model({y: outcome}), draws, tune, chains, seed=1, sampler="nuts", progress=False)
    return trace.posterior["slopes"].values


def by_pymc(draws: int, tune: int, chains: int, use_nutpie: bool = False) -> NDArray[np.float64]:
    import pymc as pm

    predictors, outcome = data()
    with pm.Model() as model:
        intercept, slopes = pm.Normal("intercept", 0, 10), pm.Normal("slopes", 0, 10, shape=3)
        pm.Normal("y", intercept + predictors @ slopes, pm.HalfNormal("sigma", 5), observed=outcome)
    if use_nutpie:
        import nutpie

        compiled = nutpie.compile_pymc_model(model)
        trace = nutpie.sample(compiled, draws=draws, tune=tune, chains=chains, seed=1, progress_bar=False)
    else:
        trace = pm.sample(draws, tune=tune, chains=chains, random_seed=1, progressbar=False, model=model)
    return trace.posterior["slopes"].values


def by_nutpie(draws: int, tune: int, chains: int) -> NDArray[np.float64]:
    return by_pymc(draws, tune, chains, use_nutpie=True)


def by_numpyro(draws: int, tune: int, chains: int) -> NDArray[np.float64]:
    import numpyro
    import numpyro.distributions as dist

    numpyro.set_host_device_count(min(chains, os.cpu_count() or 1))
    import jax

    predictors, outcome = data()

    def model() -> None:
        intercept = numpyro.sample("intercept", dist.Normal(0, 10))
        slopes = numpyro.sample("slopes", dist.Normal(0, 10).expand([3]).to_event(1))
        numpyro.sample(
            "y", dist.Normal(intercept + predictors @ slopes, numpyro.sample("sigma", dist.HalfNormal(5))), obs=outcome
        )

    method = "vectorized" if chains > 1 else "sequential"
    run = numpyro.infer.MCMC(
        numpyro.infer.NUTS(model),
        num_warmup=tune,
        num_samples=draws,
        num_chains=chains,
        chain_method=method,
        progress_bar=False,
    )
    run.run(jax.random.key(1))
    return np.asarray(run.get_samples(group_by_chain=True)["slopes"])


def process_seconds(tool: str, lengths: dict[str, int], environment: dict[str, str]) -> float:
    """Return the seconds of a process that samples with a tool and ends."""
    code = f"from benchmarks.first_draw import by_{tool}; print(by_{tool}(**{lengths}).shape)"
    start = perf_counter()
    last_line(["-c", code], environment)
    return perf_counter() - start


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    tools = [tool for tool in TOOLS if tool == "rvgraph" or is_installed(tool)]
    with tempfile.TemporaryDirectory() as folder:
        environments = {tool: caches_in(f"{folder}/{tool}") for tool in tools}
        cold = {tool: process_seconds(tool, ONE_DRAW, environments[tool]) for tool in tools}
        # What the full number of draws compiles besides.
        for tool in tools:
            process_seconds(tool, ALL_DRAWS, environments[tool])
        for what, lengths, count in (
            ("first draw, caches filled", ONE_DRAW, repeats),
            ("4 x (1000 + 1000) draws, caches filled", ALL_DRAWS, compile_repeats),
        ):
            times: dict[str, list[float]] = {tool: [] for tool in tools}
            for _ in range(count):
                for tool in tools:
                    times[tool].append(process_seconds(tool, lengths, environments[tool]))
            for tool in tools:
                reach = REACH_FILLED if tool == "rvgraph" and lengths is ONE_DRAW else None
                yield Row(what, TOOLS[tool], statistics.median(times[tool]), "s", reach)
            yield from missing_rows(what, PEERS)
    for tool in tools:
        reach = REACH_EMPTY if tool == "rvgraph" else None
        yield Row("first draw, empty caches, one run", TOOLS[tool], cold[tool], "s", reach)
