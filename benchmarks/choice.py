"""Regret of the default plan: effective draws a second, relative to the better of ``sampler="nuts"`` and ``"gibbs"``.

Effective draws are counted for means (ESS in bulk), and for means and tails, whichever are fewer: trajectories that end
on the other side make more of the first than of the second. Seconds are those of the processor in all of ``sample``.
Runs of the plans alternate until the standard error of their ratio is small; a plan that is worse by less than two
standard errors cannot be told from the best, and the table says so.

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
REPEATS, MOST_REPEATS, MOST_SECONDS, SMALL_ERROR = 5, 40, 8.0, 0.04
"""Rounds: so many at least; then until the error of the logarithm of the ratio is small, or these are over."""
CHAINS = 2
MOST_ELEMENTS = 200
"""Of one variable, evenly spaced: the least of thousands of estimates is that of the noise."""
LEAST, LEAST_MEAN = 0.8, 0.95
LIMIT = 240.0


def models() -> dict[str, Callable[[], Any]]:
    """Return PyMC models by name: ordinary ones, and those on which planning has taken long."""
    from benchmarks import (
        choice_models,
        fresh_models,
        later_models,
        planning_models,
        unseen_models,
        untouched_models,
    )

    parts = (fresh_models, untouched_models, unseen_models, later_models, choice_models, planning_models)
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


def measure(name: str) -> dict[str, list[list[float]]]:
    """Return effective draws a second of the processor by sampler, round by round, warm-up included.

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
    begin = process_time()
    for seed in range(MOST_REPEATS + 1):
        for key, candidate in compiled.items():
            start = process_time()
            trace = candidate.sample(1000, 1000, CHAINS, 1, seed, progress=False)
            took = process_time() - start
            if seed:  # the first run has what is compiled on the way
                found[key].append([size / took for size in effective(trace)])
        if seed >= REPEATS and (process_time() - begin > MOST_SECONDS or _error(list(found.values())) < SMALL_ERROR):
            break
    return {sampler: found[key] for sampler, key in same.items()}


def regret(own: Sequence[Sequence[float]], all_rates: Sequence[Sequence[Sequence[float]]]) -> list[tuple[float, float]]:
    """Return the ratio of the rates of a plan to those of the best of all, and the error of its logarithm.

    Parameters
    ----------
    own : sequence of pairs of float
        Round by round, in bulk, and in bulk and tails.
    all_rates : sequence of such
        Of all plans, in the same rounds: what slows one slows its neighbours.
    """
    found = []
    for k in (0, 1):
        logs = np.log([[pair[k] for pair in rates] for rates in all_rates])
        best = logs[np.argmax(logs.mean(axis=1))]
        differences = np.log([pair[k] for pair in own]) - best
        found.append((float(np.exp(differences.mean())), float(differences.std(ddof=1) / len(differences) ** 0.5)))
    return found


def _error(all_rates: Sequence[Sequence[Sequence[float]]]) -> float:
    return max(regret(rates, all_rates)[0][1] for rates in all_rates)


def _cell(ratio: float, error: float) -> str:
    """Return a ratio with its error, in percent, and whether it may well be one."""
    is_best = ratio == 1.0 and error == 0.0
    return "1" if is_best else f"{ratio:.2f} ({100 * error:.0f}%)" + (" ~" if _may_be_best(ratio, error) else "")


def _may_be_best(ratio: float, error: float) -> bool:
    return float(np.log(ratio)) > -2.0 * error


def report(parts: Sequence[str], limit: float) -> None:
    """Print a row for each model, and the least and the mean regret."""
    header = "model | default | NUTS | Gibbs | default / best (error) | the same, of bulk and tails | rounds"
    print(f"{machine()}\n\n| {header} |\n|{'---|' * 7}", flush=True)
    ratios: list[list[tuple[float, float]]] = []
    for name in models():
        if parts and not any(part in name for part in parts):
            continue
        rates = answer_of(["benchmarks.choice", "--one", name], limit)
        if not rates or isinstance(rates, str):
            print(f"| {name} | {rates or 'all plans are one'} | | | | | |", flush=True)
            continue
        ratios.append(regret(rates["None"], list(rates.values())))
        cells = [f"{np.median([pair[0] for pair in rates[str(sampler)]]):.4g}" for sampler in SAMPLERS]
        cells += [*(_cell(*pair) for pair in ratios[-1]), str(len(rates["None"]))]
        print("| " + " | ".join((name, *cells)) + " |", flush=True)
    print("\n~: may be the best, two standard errors given")
    for what, own in zip(("in bulk", "in bulk and tails"), zip(*ratios, strict=True), strict=True) if ratios else ():
        mean = float(np.exp(np.mean(np.log([ratio for ratio, _ in own]))))
        least = min(own)[0]
        low = [pair for pair in own if pair[0] < LEAST]
        untold = sum(_may_be_best(*pair) for pair in low)
        print(f"{len(own)} models, {what}: least {least:.2f} (asked: {LEAST}), mean {mean:.3f} ({LEAST_MEAN});")
        print(f"below {LEAST}: {len(low)}, of which {untold} cannot be told from the best")


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
