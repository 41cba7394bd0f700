"""Memory of long runs, over the size of their draws, and of long sessions with many models, in megabytes."""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import ppl
from benchmarks.measure import Row, is_installed, missing_rows, skipped
from benchmarks.processes import caches_in, last_line

TITLE = (
    "Memory: peak growth over the size of the draws, 4 chains x 10^5 draws x 100 parameters, ArviZ tree included; "
    "growth in a session with many models"
)
CHAINS, TUNE, DRAWS, SIZE = 4, 500, 100_000, 100
REACH = 1.3
STATUS = Path("/proc/self/status")
PEERS = {"nutpie": "nutpie"}
CASES = {"100 real": (SIZE, 0), "50 real, 50 positive": (SIZE // 2, SIZE // 2)}
"""Numbers of normal and of half-normal variables: the latter are drawn as logarithms."""
MODELS, FIRST_MODELS, MOST_MEGABYTES = 500, 20, 300.0
"""How many different models a session compiles; those after which it should not grow; how much it may."""


def resident(field: str) -> float:
    """Return the memory of this process now, ``VmRSS``, or at its peak, ``VmHWM``, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return 1024.0 * float(line.split()[1])


def growth(run: Callable[[int], Any], draws: int) -> float:
    """Return the growth in a run, whose result is kept, over the size of the draws; a short run comes before."""
    run(100)
    before = resident("VmRSS")
    trace = run(draws)
    size = sum(array.size for array in trace.posterior.data_vars.values())
    assert size == CHAINS * draws * SIZE
    # The peak is of the whole life: what came before is smaller.
    return (resident("VmHWM") - before) / (8.0 * size)


def by_rvgraph(num_real: int, num_positive: int, draws: int) -> float:
    variables = [ppl.Normal("x", 0, 1, size=num_real)]
    variables += [ppl.HalfNormal("s", 1, size=num_positive)] if num_positive else []
    compiled = ppl.compile(ppl.Model(*variables), sampler="nuts")
    return growth(lambda n: compiled.sample(n, TUNE, CHAINS, seed=1, progress=False), draws)


def by_nutpie(num_real: int, num_positive: int, draws: int) -> float:
    import nutpie
    import pymc as pm

    with pm.Model() as model:
        pm.Normal("x", 0, 1, shape=num_real)
        if num_positive:
            pm.HalfNormal("s", 1, shape=num_positive)
    compiled = nutpie.compile_pymc_model(model)

    def run(n: int) -> Any:
        return nutpie.sample(compiled, draws=n, tune=TUNE, chains=CHAINS, seed=1, progress_bar=False, save_warmup=False)

    return growth(run, draws)


def small_model(number: int) -> ppl.Model:
    """Return one of 3,500 regressions, which differ in their distributions and numbers of observations."""
    scales = (ppl.HalfNormal, ppl.Exponential, ppl.HalfCauchy, _gamma, _lognormal)
    reals = (ppl.Normal, ppl.Laplace, ppl.Cauchy, ppl.Logistic, ppl.Gumbel)
    noises = (ppl.Normal, ppl.Laplace, ppl.Cauchy, ppl.Logistic)
    where = np.unravel_index(number, (7, 5, 5, 5, 4))
    rng = np.random.default_rng(number)
    x, y = rng.normal(size=(2, 4 + int(where[0])))
    scale = scales[where[1]]("scale", 1)
    line = reals[where[2]]("intercept", 0, 1) + reals[where[3]]("slope", 0, 1) * x
    return ppl.Model({noises[where[4]]("y", line, scale, size=len(x)): y})


def _gamma(name: str, rate: float) -> Any:
    return ppl.Gamma(name, 2, rate)


def _lognormal(name: str, scale: float) -> Any:
    return ppl.LogNormal(name, 0, scale)


def by_models(models: int, first: int) -> float:
    """Return the megabytes by which this process grows from the ``first`` of so many models to the last."""
    before = 0.0
    for number in range(models):
        ppl.compile(small_model(number), sampler="nuts").sample(20, 20, 1, seed=1, progress=False)
        if number + 1 == first:
            gc.collect()
            before = resident("VmRSS")
    gc.collect()
    return (resident("VmRSS") - before) / 1e6


def model_rows() -> Iterator[Row]:
    """Measure a long session with empty caches, and again with those that it left."""
    code = f"from benchmarks import memory; print(memory.by_models({MODELS}, {FIRST_MODELS}))"
    with tempfile.TemporaryDirectory() as folder:
        for caches in ("empty", "filled"):
            found = float(last_line(["-c", code], caches_in(folder)))
            yield Row(f"{MODELS} different models", f"rvgraph, {caches} caches", found, "MB", MOST_MEGABYTES)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    tools = {"rvgraph": "rvgraph", **{k: v for k, v in PEERS.items() if is_installed(k)}}
    for what, sizes in CASES.items():
        if not STATUS.exists():
            yield skipped(what, "rvgraph", "memory is read from /proc, which only Linux has")
            continue
        for tool, who in tools.items():
            code = f"from benchmarks import memory; print(memory.by_{tool}(*{sizes}, {DRAWS}))"
            found = [float(last_line(["-c", code], dict(os.environ))) for _ in range(compile_repeats)]
            yield Row(what, who, statistics.median(found), "x", REACH if tool == "rvgraph" else None)
        yield from missing_rows(what, PEERS)
    if STATUS.exists():
        yield from model_rows()
