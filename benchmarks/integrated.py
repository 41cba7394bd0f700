"""Models that are integrated out by themselves, against the same integrated out by hand and run by peers.

Effective draws a second of wall time, from the call to draws in natural space, warm-up included, compiling not: the
least of the parameters that both models have, four chains of 1000 draws after 1000 of warm-up on two cores. Ours draw
what was integrated out besides. Runs of all tools alternate; medians.

``python -m benchmarks.integrated [--models PART ...] [--repeats N]``, in an environment that has the peers
"""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.integrated_models import PAIRS, Pair
from benchmarks.measure import machine
from benchmarks.processes import answer_of

CHAINS, CORES, TUNE, DRAWS = 4, 2, 1000, 1000
LIMIT = 1200.0
TOOLS = ("default", "not integrated", "nutpie", "nutpie, low rank", "NumPyro")

type Run = tuple[dict[str, NDArray[np.float64]], float]
"""Draws by name, and seconds."""


def ours(pair: Pair, marginalize: Any) -> tuple[Callable[[int], Run], float]:
    """Return what runs the declared model by rvgraph, and the seconds until it is compiled."""
    import ppl

    model = ppl.from_pymc(pair.declare())
    start = process_time()
    compiled = ppl.compile(model, marginalize=marginalize, progress=False)
    seconds = process_time() - start

    def run(seed: int) -> Run:
        begin = perf_counter()
        trace = compiled.sample(DRAWS, TUNE, CHAINS, CORES, seed, progress=False)
        return {n: np.asarray(trace.posterior[n]) for n in pair.names}, perf_counter() - begin

    return run, seconds


def by_nutpie(pair: Pair, **options: Any) -> tuple[Callable[[int], Run], float]:
    """Return what runs the model that was integrated out by hand by nutpie."""
    import nutpie

    model = pair.by_hand()
    start = process_time()
    compiled = nutpie.compile_pymc_model(model)
    seconds = process_time() - start

    def run(seed: int) -> Run:
        begin = perf_counter()
        trace = nutpie.sample(
            compiled, draws=DRAWS, tune=TUNE, chains=CHAINS, cores=CORES, seed=seed, progress_bar=False, **options
        )
        return {n: np.asarray(trace.posterior[n]) for n in pair.names}, perf_counter() - begin

    return run, seconds


def by_numpyro(pair: Pair) -> tuple[Callable[[int], Run], float]:
    """Return what runs the model that was integrated out by hand by NumPyro, compiled before."""
    import ppl
    from benchmarks.nuts_models import BenchmarkModel
    from benchmarks.nuts_tools import tools

    start = process_time()
    model = BenchmarkModel(lambda: ppl.from_pymc(pair.by_hand()), pair.by_hand)
    sample = tools()["numpyro"].compile(model)
    seconds = process_time() - start

    def run(seed: int) -> Run:
        found = sample(seed)
        return {n: np.asarray(found.draws[n]) for n in pair.names if n in found.draws}, found.seconds

    return run, seconds


def effective(draws: dict[str, NDArray[np.float64]]) -> float:
    """Return the least number of effective draws, in bulk."""
    import arviz as az

    flat = [d.reshape((*d.shape[:2], -1)) for d in draws.values()]
    return min(float(az.ess(d[:, :, i])) for d in flat for i in range(d.shape[2]) if np.ptp(d[:, :, i]) > 0)


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Return for each tool effective draws a second, run by run, and the seconds until it was compiled."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    pair = PAIRS[name]
    made: dict[str, Callable[[], tuple[Callable[[int], Run], float]]] = {
        "default": lambda: ours(pair, "auto"),
        "not integrated": lambda: ours(pair, False),
        "nutpie": lambda: by_nutpie(pair),
        "nutpie, low rank": lambda: by_nutpie(pair, adaptation="low_rank"),
        "NumPyro": lambda: by_numpyro(pair),
    }
    runs, found = {}, {}
    for tool, make in made.items():
        try:
            runs[tool], seconds = make()
            runs[tool](0)
            found[tool] = {"compile": seconds, "rates": []}
        except Exception as error:  # a peer that is not installed, or lacks an operation
            found[tool] = {"error": f"{type(error).__name__}: {error}"[:80]}
            runs.pop(tool, None)
    for seed in range(1, repeats + 1):
        for tool, run in runs.items():
            draws, seconds = run(seed)
            found[tool]["rates"].append(effective(draws) / seconds)
    return found


def report(parts: Sequence[str], repeats: int) -> None:
    """Print a row for each model."""
    heads = [*TOOLS, "default / best peer", "default / not integrated", "compile: default, not integrated"]
    print(f"{machine()}\n\n| model | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}", flush=True)
    for name in PAIRS:
        if parts and not any(part in name for part in parts):
            continue
        found = answer_of(["benchmarks.integrated", "--one", name, "--repeats", str(repeats)], LIMIT)
        if isinstance(found, str):
            print(f"| {name} | {found} |", flush=True)
            continue
        rates = {tool: median(own["rates"]) for tool, own in found.items() if own.get("rates")}
        cells = [f"{rates[tool]:.4g}" if tool in rates else found[tool]["error"] for tool in TOOLS]
        peers = [rate for tool, rate in rates.items() if tool not in TOOLS[:2]]
        cells += [f"{rates['default'] / max(peers):.2f}" if peers else ""]
        cells += [f"{rates['default'] / rates['not integrated']:.2f}"]
        cells += [", ".join(f"{found[tool]['compile']:.1f} s" for tool in TOOLS[:2])]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.integrated", description=__doc__)
    parser.add_argument("--models", nargs="+", default=[], metavar="part", help="those whose names contain it")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (%(default)s)")
    parser.add_argument("--one", metavar="model", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.repeats)))
        return
    report(options.models, options.repeats)


if __name__ == "__main__":
    main()
