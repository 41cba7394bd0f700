"""How long planning and compiling take, by stage, from a model to its first draw: ours, and that of peers.

``python -m benchmarks.planning [--models PART ...] [--peers nutpie numpyro] [--limit SECONDS] [--quick]``
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

from benchmarks.measure import machine, rounded
from benchmarks.processes import answer_of, caches_in

STAGES = {
    "planning": ("ppl.running.sampling.plan",),
    "deriving": ("ppl.planning.planning.logprob", "ppl.planning.planning.marginalized"),
    "pilot runs": ("ppl.planning.comparing.policy.pilot",),
    "rewriting": ("graphs.backends.numba.compiler.compiling.rewritten",),
    "generating": ("graphs.backends.numba.compiler.compiling.generate",),
    "compiling": ("graphs.backends.numba.compiler.compiling.compile_function",),
}
"""Functions, by where they are called from; the first draw is what is left of all."""
COLUMNS = ("deriving", "pilot runs", "planning", "rewriting", "generating", "compiling", "first draw")
MEDIAN, MOST_OF_95, MOST = 0.5, 3.0, 10.0
PEERS = ("nutpie", "numpyro")
LIMIT = 240.0


def models() -> dict[str, Callable[[], Any]]:
    """Return PyMC models by name: those on which planning has taken long, and the corpus of the tests."""
    from benchmarks.planning_models import MODELS
    from tests.corpus.models import CORPUS

    return {**MODELS, **CORPUS}


class Stopwatch:
    """Adds up the seconds of the processor that functions take, those that they call from here left out."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(COLUMNS, 0.0)
        self._inner: list[float] = []

    def measured(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is measured."""

        def call(*args: Any, **options: Any) -> Any:
            with self.during(stage):
                return function(*args, **options)

        return call

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Count what is done for a stage."""
        start = process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            took = process_time() - start
            self.seconds[stage] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took


def measure_ours(name: str) -> dict[str, float]:
    """Plan, compile and draw once, after one sweep of tuning as of peers; return seconds, and the peak of memory."""
    import ppl

    pm_model = models()[name]()
    watch = Stopwatch()
    with ExitStack() as stack:
        for stage, places in STAGES.items():
            for place in places:
                module, _, attribute = place.rpartition(".")
                function = getattr(import_module(module), attribute)
                stack.enter_context(patch(place, watch.measured(stage, function)))
        start = perf_counter()
        with watch.during("first draw"):
            ppl.sample(ppl.from_pymc(pm_model), draws=1, tune=1, chains=1, seed=1, progress=False)
        wall = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**watch.seconds, "cpu": sum(watch.seconds.values()), "wall": wall, "GB": peak}


def measure_peer(name: str, peer: str) -> dict[str, float]:
    """Compile and draw once by a peer, of the same PyMC model."""
    pm_model = models()[name]()
    start, cpu = perf_counter(), process_time()
    if peer == "nutpie":
        import nutpie

        nutpie.sample(nutpie.compile_pymc_model(pm_model), draws=1, tune=1, chains=1, seed=1, progress_bar=False)
    else:
        from pymc.sampling.jax import sample_numpyro_nuts

        with pm_model:
            sample_numpyro_nuts(draws=1, tune=1, chains=1, random_seed=1, progressbar=False)
    return {"cpu": process_time() - cpu, "wall": perf_counter() - start}


def _answer(name: str, who: str, folder: str, limit: float) -> dict[str, float] | str:
    """Measure in a process of its own; return why that is not possible instead."""
    found: dict[str, float] | str = answer_of(["benchmarks.planning", "--one", name, who], limit, caches_in(folder))
    return found


def report(parts: Sequence[str], peers: Sequence[str], limit: float, repeats: int) -> None:
    """Print a row for each model, caches filled, then what was asked for."""
    names = [name for name in models() if not parts or any(part in name for part in parts)]
    print(machine(), flush=True)
    header = ("model", *COLUMNS, "CPU s", "wall s", "GB", "empty caches", *(f"{peer}, empty" for peer in peers))
    print("\n| " + " | ".join(header) + " |\n|" + "---|" * len(header), flush=True)
    totals: list[float] = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            first = _answer(name, "ours", folder, limit)
            again = [_answer(name, "ours", folder, limit) for _ in range(repeats)]
        others = []
        for peer in peers:
            with tempfile.TemporaryDirectory() as folder:
                others.append(_answer(name, peer, folder, limit))
        runs = [run for run in again if not isinstance(run, str)]
        cells = [f"{again[0]}"] + [""] * (len(COLUMNS) + 2)
        if runs:
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            totals.append(middle["wall"])
            cells = [f"{middle[key]:.2f}" for key in (*COLUMNS, "cpu", "wall", "GB")]
        # On a busy machine the first are still those of the work.
        both = [run if isinstance(run, str) else f"{run['cpu']:.1f} CPU, {run['wall']:.1f}" for run in (first, *others)]
        print("| " + " | ".join((name, *cells, *both)) + " |", flush=True)
    _print_summary(totals, len(names))


def _print_summary(walls: Sequence[float], count: int) -> None:
    ordered = sorted(walls)
    if not ordered:
        return
    median = statistics.median(ordered)
    high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(f"\n{len(ordered)} of {count} models, caches filled, seconds from a model to its first draw:")
    for what, value, most in (("median", median, MEDIAN), ("95%", high, MOST_OF_95), ("most", ordered[-1], MOST)):
        print(f"- {what} {rounded(value)} (asked: {most:g}): {'yes' if value <= most else 'NO'}")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--models", nargs="+", default=[], metavar="part", help="those whose names contain it")
    parser.add_argument("--peers", nargs="*", default=[p for p in PEERS if find_spec(p)], choices=PEERS)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a model (%(default)g)")
    parser.add_argument("--quick", action="store_true", help="one run with filled caches instead of three")
    parser.add_argument("--one", nargs=2, metavar=("model", "who"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if options.one:
        name, who = options.one
        print(json.dumps(measure_ours(name) if who == "ours" else measure_peer(name, who)))
        return
    report(options.models, options.peers, options.limit, 1 if options.quick else 3)


if __name__ == "__main__":
    main()
