"""Gradients until draws are enough: ``tune="auto"`` and ``until`` against warm-ups and runs of 1000.

``python -m benchmarks.until [name ...] [--sampler nuts] [--seeds 3]`` prints, for each reference posterior beside the
checkout, medians over seeds of the gradients of a run of 1000 tuning iterations and 1000 draws, and of one with
``tune="auto", until=ppl.Until()``; whether each passes R-hat 1.01 and 400 effective draws, judged by ArviZ; and the
geometric mean of their ratios. Where nothing has a gradient, sweeps are counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import arviz as az
import numpy as np

import ppl
from benchmarks.posteriordb import read
from ppl.diagnosing.judged import drawn_variables
from tests.posteriors import POSTERIORS

CHAINS = 4
FIXED: dict[str, Any] = {"tune": 1000, "draws": 1000}
OPEN: dict[str, Any] = {"tune": "auto", "until": ppl.Until()}


@dataclass(frozen=True)
class Cost:
    """What one run took, and whether its draws are enough."""

    work: float
    tune: int
    draws: int
    passes: bool


def cost(compiled: Any, seed: int, options: dict[str, Any]) -> Cost:
    """Sample."""
    trace = compiled.sample(chains=CHAINS, seed=seed, progress=False, **options)
    posterior = trace["posterior"].to_dataset()
    drawn = posterior[list(drawn_variables(trace) or posterior.data_vars)]
    sizes = [az.ess(drawn, method="bulk"), az.ess(drawn, method="tail", prob=(0.05, 0.95))]
    least = min(float(np.nanmin(size[name])) for size in sizes for name in size.data_vars)
    r_hat = az.rhat(drawn)
    largest = max(float(np.nanmax(r_hat[name])) for name in r_hat.data_vars)
    tune, draws = int(trace.attrs["tune"]), trace.posterior.sizes["draw"]
    work = trace.attrs["num_gradients"] or CHAINS * (tune + draws)
    return Cost(float(work), tune, draws, bool(least >= 400 and largest <= 1.01))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.until", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="posterior", help="a part of a name; without any, all")
    parser.add_argument("--sampler", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    chosen = [n for n in sorted(POSTERIORS) if not options.names or any(part in n for part in options.names)]
    print("| posterior | gradients, 1000 + 1000 | passes | gradients, until enough | tune | draws | passes | ratio |")
    print("|" + "---|" * 8, flush=True)
    ratios = []
    for name in chosen:
        model = POSTERIORS[name](read(name)["data"])
        compiled = ppl.compile(model, sampler=options.sampler, progress=False)
        fixed, until = ([cost(compiled, seed, how) for seed in range(1, options.seeds + 1)] for how in (FIXED, OPEN))
        before, after = (float(np.median([run.work for run in runs])) for runs in (fixed, until))
        ratios.append(before / after)
        passed = [f"{sum(run.passes for run in runs)} of {len(runs)}" for runs in (fixed, until)]
        lengths = [" ".join(str(getattr(run, what)) for run in until) for what in ("tune", "draws")]
        cells = (name, f"{before:,.0f}", passed[0], f"{after:,.0f}", *lengths, passed[1], f"{ratios[-1]:.1f}")
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\nGeometric mean of the ratios: {np.exp(np.mean(np.log(ratios))):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
