"""Regret of the default plan: effective draws a second, relative to the better of ``sampler="nuts"`` and ``"gibbs"``.

``python -m benchmarks.choice [--models PART ...] [--limit SECONDS]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

import numpy as np

from benchmarks.measure import machine
from benchmarks.processes import ROOT

SAMPLERS = (None, "nuts", "gibbs")
REPEATS = 5
CHAINS = 2
MOST_ELEMENTS = 200
"""Of one variable, evenly spaced: the least of thousands of estimates is that of the noise."""
LEAST, LEAST_MEAN = 0.8, 0.95
LIMIT = 240.0


def models() -> dict[str, Callable[[], Any]]:
    """Return PyMC models by name: those that no constant was set on, and those on which planning has taken long."""
    from benchmarks.choice_models import MODELS as UNUSED
    from benchmarks.planning_models import MODELS as USED

    return {**UNUSED, **USED}


def effective(trace: Any) -> float:
    """Return the least number of effective draws of any variable, in bulk or tails, by ArviZ."""
    import arviz as az

    least = np.inf
    for name in trace.posterior.data_vars:
        draws = np.asarray(trace.posterior[name])
        draws = draws.reshape((*draws.shape[:2], -1))
        if not draws.shape[2] or not np.issubdtype(draws.dtype, np.floating):
            continue
        seen = np.unique(np.linspace(0, draws.shape[2] - 1, MOST_ELEMENTS).astype(int))
        for k in seen:
            if np.ptp(draws[:, :, k]) > 0:
                bulk, tail = az.ess(draws[:, :, k]), az.ess(draws[:, :, k], method="tail", prob=(0.05, 0.95))
                least = min(least, float(bulk), float(tail))
    return least


def measure(name: str) -> dict[str, float]:
    """Return effective draws a second of the processor by sampler: medians of interleaved runs, warm-up included."""
    import ppl

    model = ppl.from_pymc(models()[name]())
    compiled: dict[str, Any] = {}
    same: dict[str, str] = {}
    for sampler in SAMPLERS:
        candidate = ppl.compile(model, sampler=sampler, progress=False)
        # Plans that say other reasons may do the same.
        steps = [(a.name, a.method) for a in candidate.plan.assignments]
        key = f"{steps} {[type(block).__name__ for block in candidate.plan.sweep.blocks]}"
        same[str(sampler)] = key
        compiled.setdefault(key, candidate)
    found: dict[str, list[float]] = {key: [] for key in compiled}
    for seed in range(REPEATS + 1):
        for key, candidate in compiled.items() if len(compiled) > 1 else ():
            start = process_time()
            trace = candidate.sample(1000, 1000, CHAINS, 1, seed, progress=False)
            took = process_time() - start
            if seed:  # the first run has what is compiled on the way
                found[key].append(effective(trace) / took)
    return {sampler: statistics.median(found[key] or [1.0]) for sampler, key in same.items()}


def report(parts: Sequence[str], limit: float) -> None:
    """Print a row for each model, and the least and the mean regret."""
    print(machine(), "\n\n| model | default | NUTS | Gibbs | default / best |\n|---|---|---|---|---|", flush=True)
    ratios: dict[str, float] = {}
    for name in models():
        if parts and not any(part in name for part in parts):
            continue
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.choice", "--one", name]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            print(f"| {name} | more than {limit:g} s | | | |", flush=True)
            continue
        if done.returncode:
            print(f"| {name} | {(done.stderr.strip().splitlines() or ['failed'])[-1][:100]} | | | |", flush=True)
            continue
        rates = json.loads(done.stdout.strip().splitlines()[-1])
        ratios[name] = rates["None"] / max(rates.values())
        cells = [f"{rates[str(sampler)]:.4g}" for sampler in SAMPLERS]
        print("| " + " | ".join((name, *cells, f"{ratios[name]:.2f}")) + " |", flush=True)
    if ratios:
        mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
        print(
            f"\n{len(ratios)} models: least {min(ratios.values()):.2f} (asked: {LEAST}), mean {mean:.3f} ({LEAST_MEAN})"
        )


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choice", description=__doc__)
    parser.add_argument("--models", nargs="+", default=[], metavar="part", help="those whose names contain it")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a model (%(default)g)")
    parser.add_argument("--one", metavar="model", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    report(options.models, options.limit)


if __name__ == "__main__":
    main()
