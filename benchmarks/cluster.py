"""Sixty-four chains over two workers of this machine, against the same chains in two threads of one process.

``python -m benchmarks.cluster [--quick]``: seconds, and CPU seconds of all processes, of calls that draw the same, in
turn. Everything is compiled before, by a short run of each.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import ppl

CHAINS, WORKERS, ROUNDS = 64, 2, 3
SIZES = {"plain": (200, 20, 12_000), "dear": (20_000, 10, 150)}
"""Rows of data, coefficients, and draws of each chain: of cheap and of dear gradients."""
QUICK = 20


def compiled(rows: int, size: int) -> Any:
    x = np.random.default_rng(0).normal(size=(rows, size)) / size**0.5
    y = np.random.default_rng(1).poisson(np.exp(0.3 * x.sum(axis=1)))
    b = ppl.Normal("b", 0, 1, size=size)
    return ppl.compile(ppl.Model({ppl.Poisson("y", np.exp(x @ b)): y}), sampler="nuts", compress=False, progress=False)


def measured(run: Callable[[], Any], cpu: Callable[[], float]) -> tuple[float, float, Any]:
    """Return wall and CPU seconds of a call, and what it returned."""
    before, start = cpu(), time.perf_counter()
    found = run()
    return time.perf_counter() - start, cpu() - before, found


def compared(name: str, client: Any, share: int) -> None:
    """Print how long both ways take."""
    rows, size, draws = SIZES[name]
    sampler = compiled(rows, size)
    options: dict[str, Any] = {"chains": CHAINS, "seed": 1, "progress": False}

    def cpu() -> float:
        return time.process_time() + sum(client.run(time.process_time).values())

    def run(number: int, **where: Any) -> Any:
        return sampler.sample(number, tune=max(number // 4, 50), **options, **where)

    ways: dict[str, dict[str, Any]] = {"one process": {"cores": WORKERS}, "cluster": {"client": client}}
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    traces = {}
    for where in ways.values():
        run(10, **where)
    for _ in range(ROUNDS):
        for way, where in ways.items():
            wall, used, traces[way] = measured(partial(run, draws // share, **where), cpu)
            seconds[way].append((wall, used))
    here, there = (trace.posterior["b"].values for trace in traces.values())
    np.testing.assert_array_equal(here, there)
    for i, what in enumerate(("wall", "CPU")):
        found = [statistics.median(pair[i] for pair in seconds[way]) for way in ways]
        listed = [f"{way} {' '.join(f'{pair[i]:.2f}' for pair in seconds[way])}" for way in ways]
        print(f"{name:6} {what:5} {', '.join(listed)}: {found[0] / found[1]:.2f}x")


def main() -> None:
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the draws")
    share = QUICK if parser.parse_args().quick else 1
    logging.getLogger("rvgraph").setLevel(logging.ERROR)
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        for name in SIZES:
            compared(name, client, share)


if __name__ == "__main__":
    main()
