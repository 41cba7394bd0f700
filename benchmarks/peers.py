"""The default plan against nutpie and NumPyro on ordinary PyMC models: effective draws a second of the processor.

The least bulk effective sample size over all parameters, over the CPU seconds of a whole call of 4 chains of
1000 + 1000 iterations; compiling does not count. All tools run in turn, round by round, each compiled once.

``python -m benchmarks.peers [--models PART ...] [--peers TOOL ...] [--rounds N] [--limit SECONDS]``
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from benchmarks.choice import models
from benchmarks.measure import machine, rounded
from benchmarks.nuts import geometric_mean, outcomes_in_turn
from benchmarks.nuts_worker import Outcome

OURS, PEERS = "default", ("nutpie", "numpyro")
ROUNDS, LIMIT = 3, 150.0
FEWEST_OF_CHAINS = 40.0
"""Effective draws: what gives fewer is stuck somewhere, and no rate of it counts."""


def measured(model: str, chosen: Sequence[str], rounds: int, limit: float) -> dict[str, list[Outcome] | str]:
    """Return what each tool achieved, without its first run, or why there is nothing."""
    found = outcomes_in_turn(model, chosen, rounds, limit)
    return {tool: outcomes[1:] or failure or "no run" for tool, (outcomes, failure) in found.items()}


def rate(outcomes: list[Outcome] | str) -> float:
    """Return the median of effective draws a second; 0 where there is none."""
    if isinstance(outcomes, str) or statistics.median(o.ess for o in outcomes) < FEWEST_OF_CHAINS:
        return 0.0
    return statistics.median(o.ess / o.cpu_seconds for o in outcomes)


def cell(outcomes: list[Outcome] | str) -> str:
    """Return a rate, with the effective draws, seconds and divergent draws that are behind it."""
    if isinstance(outcomes, str):
        return outcomes.replace("|", "/")[:60]
    ess, seconds, divergent = (
        statistics.median(getattr(o, name) for o in outcomes) for name in ("ess", "cpu_seconds", "divergences")
    )
    return f"{rounded(rate(outcomes))} ({ess:.0f} in {seconds:.2g} s" + (f", {divergent:g} div.)" if divergent else ")")


def report(parts: Sequence[str], peers: Sequence[str], rounds: int, limit: float) -> None:
    """Print a row for each model, and the ratio to the best peer over all."""
    chosen = (OURS, *peers)
    print(f"{machine()}\n\n| model | {' | '.join(chosen)} | / best peer |\n|{'---|' * (len(chosen) + 2)}", flush=True)
    ratios: dict[str, float] = {}
    for name in models():
        if parts and not any(part in name for part in parts):
            continue
        found = measured(name, chosen, rounds, limit)
        best = max(rate(found[peer]) for peer in peers)
        if best:
            ratios[name] = rate(found[OURS]) / best
        ratio = rounded(ratios[name]) if best else "-"
        print(f"| {name} | {' | '.join(cell(found[tool]) for tool in chosen)} | {ratio} |", flush=True)
    if ratios:
        worst = min(ratios, key=ratios.__getitem__)
        print(
            f"\n{len(ratios)} models: geometric mean {rounded(geometric_mean(ratios.values()))}, "
            f"worst {rounded(ratios[worst])} ({worst})"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=[], metavar="PART", help="parts of names; all by default")
    parser.add_argument("--peers", nargs="+", default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for each tool with each model")
    arguments = parser.parse_args()
    report(arguments.models, arguments.peers, arguments.rounds, arguments.limit)
