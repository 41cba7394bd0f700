"""Regret of the default plan: effective draws a second, relative to the better of ``sampler="nuts"`` and ``"gibbs"``.

Effective draws are counted for means (ESS in bulk), and for means and tails, whichever are fewer: trajectories that end
on the other side make more of the first than of the second. Seconds are those of the processor in all of ``sample``.

``python -m benchmarks.choice [--models PART ...] [--limit SECONDS]``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

import numpy as np

from benchmarks.measure import machine
from benchmarks.processes import answer_of

SAMPLERS = (None, "nuts", "gibbs")
REPEATS = 5
CHAINS = 2
MOST_ELEMENTS = 200
"""Of one variable, evenly spaced: the least of thousands of estimates is that of the noise."""
LEAST, LEAST_MEAN = 0.8, 0.95
LIMIT = 240.0


def models() -> dict[str, Callable[[], Any]]:
    """Return PyMC models by name: ordinary ones, and those on which planning has taken long."""
    from benchmarks import choice_models, later_models, planning_models, unseen_models, untouched_models

    parts = (untouched_models, unseen_models, later_models, choice_models, planning_models)
    return {name: make for part in parts for name, make in part.MODELS.items()}


def effective(trace: Any) -> tuple[float, float]:
    """Return the least number of effective draws of any variable by ArviZ: in bulk, and in bulk or tails."""
    import arviz as az

    least = [np.inf, np.inf]
    for name in trace.posterior.data_vars:
        draws = np.asarray(trace.posterior[name])
        draws = draws.reshape((*draws.shape[:2], -1))
        if not draws.shape[2] or not np.issubdtype(draws.dtype, np.floating):
            continue
        for k in np.unique(np.linspace(0, draws.shape[2] - 1, MOST_ELEMENTS).astype(int)):
            if np.ptp(draws[:, :, k]) > 0:
                bulk = float(az.ess(draws[:, :, k]))
                tail = float(az.ess(draws[:, :, k], method="tail", prob=(0.05, 0.95)))
                least = [min(least[0], bulk), min(least[1], bulk, tail)]
    return least[0], least[1]


def measure(name: str) -> dict[str, list[float]]:
    """Return effective draws a second of the processor by sampler: medians of interleaved runs, warm-up included.

    Nothing where all plans are one.
    """
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
    if len(compiled) == 1:
        return {}
    found: dict[str, list[list[float]]] = {key: [] for key in compiled}
    for seed in range(REPEATS + 1):
        for key, candidate in compiled.items():
            start = process_time()
            trace = candidate.sample(1000, 1000, CHAINS, 1, seed, progress=False)
            took = process_time() - start
            if seed:  # the first run has what is compiled on the way
                found[key].append([size / took for size in effective(trace)])
    medians = {key: np.median(rates, axis=0).tolist() for key, rates in found.items()}
    return {sampler: medians[key] for sampler, key in same.items()}


def report(parts: Sequence[str], limit: float) -> None:
    """Print a row for each model, and the least and the mean regret."""
    header = "model | default | NUTS | Gibbs | default / best | the same, of bulk and tails"
    print(f"{machine()}\n\n| {header} |\n|{'---|' * 6}", flush=True)
    ratios: list[list[float]] = []
    for name in models():
        if parts and not any(part in name for part in parts):
            continue
        rates = answer_of(["benchmarks.choice", "--one", name], limit)
        if not rates or isinstance(rates, str):
            print(f"| {name} | {rates or 'all plans are one'} | | | | |", flush=True)
            continue
        ratios.append([rates["None"][k] / max(rate[k] for rate in rates.values()) for k in (0, 1)])
        cells = [f"{rates[str(sampler)][0]:.4g}" for sampler in SAMPLERS]
        print("| " + " | ".join((name, *cells, *(f"{ratio:.2f}" for ratio in ratios[-1]))) + " |", flush=True)
    for what, own in zip(("in bulk", "in bulk and tails"), zip(*ratios, strict=True), strict=True) if ratios else ():
        mean = float(np.exp(np.mean(np.log(own))))
        print(f"{len(own)} models, {what}: least {min(own):.2f} (asked: {LEAST}), mean {mean:.3f} ({LEAST_MEAN})")


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
