"""What functions of a trace take of memory and time, where it is in a store and where it is in memory.

``python -m benchmarks.large_traces [--draws 2000000] [--only name ...]``: 4 chains of 20 numbers; each function in
a process of its own, which goes through all that is returned a piece at a time; megabytes above those of the process
before, and CPU seconds.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from xarray import Dataset, DataTree

import ppl
from ppl.keeping.folder import OWN, StoreFolder
from ppl.keeping.layout import GrowingArrays
from ppl.keeping.opening import opened_trace

CHAINS, SIZE, PIECE = 4, 20, 2**16


def model() -> ppl.Model:
    """Of 20 numbers, each with a switch that is summed out."""
    levels = ppl.Normal("levels", 0, 1, shape=SIZE)
    switches = ppl.Bernoulli("switches", 0.5, shape=SIZE)
    return ppl.Model({ppl.Normal("y", levels * switches, 1): np.linspace(-2, 2, SIZE)})


def make_store(path: Path, draws: int) -> None:
    """Write draws of a store."""
    (path / OWN).mkdir(parents=True)
    coords = {"chain": range(CHAINS), "draw": np.arange(0), "levels_dim_0": range(SIZE)}
    tree = DataTree()
    variables = {"levels": (("chain", "draw", "levels_dim_0"), np.zeros((CHAINS, 0, SIZE)))}
    tree.children = {"posterior": DataTree(Dataset(variables, coords))}
    arrays, rng = GrowingArrays.made(StoreFolder(path), tree, draws), np.random.default_rng(0)
    for chain in range(CHAINS):
        for first in range(0, draws, PIECE):
            rows = rng.normal(size=(min(PIECE, draws - first), SIZE))
            arrays.write("posterior/levels", chain, first, rows)
    arrays.commit({"posterior": draws})


def used(group: Dataset, names: list[str]) -> None:
    """Go through arrays."""
    for chain in range(CHAINS):
        for first in range(0, group.sizes["draw"], PIECE):
            for name in names:
                group[name].isel(chain=chain, draw=slice(first, first + PIECE)).to_numpy().sum()


def _recovered(trace: DataTree) -> None:
    used(ppl.recover(model(), trace, probs=False, seed=1)["posterior"].to_dataset(), ["switches"])


def _likelihood(trace: DataTree) -> None:
    used(ppl.log_likelihood(model(), trace)["log_likelihood"].to_dataset(), ["y"])


def _predicted(trace: DataTree) -> None:
    used(ppl.posterior_predictive(model(), trace, seed=1)["posterior_predictive"].to_dataset(), ["y"])


def _by_arviz(trace: DataTree) -> None:
    import arviz

    arviz.summary(trace)


FUNCTIONS: dict[str, Callable[[DataTree], Any]] = {
    "diagnose": ppl.diagnose,
    "recover": _recovered,
    "log_likelihood": _likelihood,
    "posterior_predictive": _predicted,
    "summary": ppl.summary,
    "az.summary": _by_arviz,
}


def measure(path: str, name: str, where: str) -> None:
    """Print megabytes and CPU seconds of one function."""
    function, first = FUNCTIONS[name], Path(path).with_name("first")
    # What is compiled and imported counts for neither.
    function(opened_trace(first).load())
    trace = opened_trace(Path(path))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if where == "memory":
        trace.load()
        start = time.process_time()
    function(trace)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{more / 1024:.0f} {time.process_time() - start:.1f}")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_traces", description=__doc__)
    parser.add_argument("--draws", type=int, default=2_000_000)
    parser.add_argument("--only", nargs="*", default=list(FUNCTIONS))
    parser.add_argument("--places", nargs="*", default=["store", "memory"])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(*options.one)
        return 0
    folder = Path(tempfile.mkdtemp())
    try:
        make_store(folder / "run", options.draws)
        make_store(folder / "first", 500)
        size = 8e-6 * CHAINS * options.draws * SIZE
        print(f"{CHAINS} x {options.draws:,} draws x {SIZE} numbers: {size:,.0f} megabytes")
        print("function              place       megabytes    CPU seconds")
        for name in options.only:
            for where in options.places:
                command = [sys.executable, "-m", "benchmarks.large_traces", "--one", str(folder / "run"), name, where]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                found = done.stdout.split() if done.returncode == 0 else [done.stderr.splitlines()[-1], ""]
                print(f"{name:21} {where:8} {found[0]:>10} {found[1]:>12}", flush=True)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
