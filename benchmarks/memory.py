"""Memory of a long run: how much a process grows at most, divided by the size of the draws themselves."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ppl
from benchmarks.measure import Row, is_installed, missing_rows, skipped
from benchmarks.processes import last_line

TITLE = "Memory: peak growth over the size of the draws, 4 chains x 10^5 draws x 100 parameters, ArviZ tree included"
CHAINS, TUNE, DRAWS, SIZE = 4, 500, 100_000, 100
REACH = 1.3
STATUS = Path("/proc/self/status")
PEERS = {"nutpie": "nutpie"}
CASES = {"100 real": (SIZE, 0), "50 real, 50 positive": (SIZE // 2, SIZE // 2)}
"""Numbers of normal and of half-normal variables: the latter are drawn as logarithms."""


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
