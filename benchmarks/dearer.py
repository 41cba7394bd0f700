"""What integrating out gains, beside how much dearer it is counted to make a draw: what the limits are set by.

Of each model everything is integrated out that has a fast law, whatever it costs, and NUTS moves the rest; against NUTS
for all. Effective draws are the fewest, in bulk or tails, of what is sampled in both; seconds are those of the
processor in all of ``sample``, drawing back included. Medians of runs that alternate.

``python -m benchmarks.dearer [--models PART ...] [--repeats N]``
"""

from __future__ import annotations

import argparse
import logging
import warnings
from statistics import median
from time import process_time
from typing import Any

from benchmarks.measure import machine

DRAWS, TUNE, CHAINS, CORES = 700, 700, 2, 2
LARGE = ("plate", "loop", "rows", "chain_of", "lsat", "gaussian_process")
"""Parts of the names of models that take minutes without integrals, or have nothing to integrate out."""


class _Everything:
    """Takes every integral by a fast law, and keeps what it is counted to take."""

    def __init__(self, whole: Any):
        from ppl.planning.worth import CountedWorth

        self._counted = CountedWorth(whole)
        self.times = 1.0
        self.is_taken = True

    def refusal(self, before: Any, names: Any, found: Any, is_whole: bool) -> str:
        from graphs.integral import Factor

        return "" if isinstance(found, Factor) else self._counted.refusal(before, names, found, is_whole)

    def objection(self, before: Any, names: Any, after: Any, is_whole: bool) -> str:
        if not is_whole:
            return "a part"
        self.is_taken = self.is_taken and not self._counted.objection(before, names, after, is_whole)
        self.times = self._counted.times_of(after)
        return ""

    def take(self, after: Any) -> None:
        if self.is_taken:
            self._counted.take(after)


def measured(declare: Any, repeats: int) -> str | None:
    """Return a row of the table, None where there is nothing to compare."""
    import arviz as az

    import graphs
    import ppl
    from graphs.compression import compressed
    from graphs.integral import integrate
    from ppl.planning.integrating import candidates

    model = ppl.from_pymc(declare())
    summed = graphs.logprob(model)
    whole, _ = compressed(summed)
    everything = _Everything(whole)
    done = integrate(whole, candidates(summed, ()), everything)
    gone = [name for step in done.joint.integrals for name in step.names]
    left = [n for n in done.joint.values if not done.joint.supports[n].is_discrete]
    if not gone or not left:
        return None
    finite = [n for n in graphs.logprob(model, marginalize=False).values if n not in summed.values]
    ways = [ppl.compile(model, sampler="nuts", marginalize=m, progress=False) for m in ("auto", [*finite, *gone])]
    runs: list[list[tuple[float, float]]] = [[], []]
    for seed in range(repeats):
        for compiled, found in zip(ways, runs, strict=True):
            start = process_time()
            trace = compiled.sample(DRAWS, TUNE, CHAINS, CORES, seed, progress=False)
            seconds = process_time() - start
            sizes = [az.ess(trace.posterior, var_names=left, method=m) for m in ("bulk", "tail")]
            found.append((min(float(size[n].min()) for size in sizes for n in left), seconds))
    (draws, seconds), (draws_then, seconds_then) = ([median(x) for x in zip(*found, strict=True)] for found in runs)
    gain = median(b[0] / b[1] / (a[0] / a[1]) for a, b in zip(*runs, strict=True))
    taken, names = "yes" if everything.is_taken else "no", ", ".join(gone)
    times = f"{everything.times:.2f} | {seconds_then / seconds:.2f}"
    return f"{times} | {draws:.0f} | {draws_then:.0f} | {gain:.2f} | {taken} | {names}"


def main() -> None:
    """Print the table."""
    from benchmarks.choice import models
    from benchmarks.integrated_models import PAIRS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[], metavar="part", help="those whose names contain it")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (%(default)s)")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(machine(), flush=True)
    print("\n| model | counted times | times | draws | integrated | gain a second | by default | integrated out |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    every = {f"integrated.{name}": pair.declare for name, pair in PAIRS.items()} | models()
    for name, declare in every.items():
        if any(part in name for part in LARGE) or not any(part in name for part in options.models or [""]):
            continue
        try:
            row = measured(declare, options.repeats)
        except Exception as error:  # one model must not end the table
            row = f"{type(error).__name__}: {error}"
        if row is not None:
            print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
