"""What it costs to write draws to disk while chains run, and to go on with them, against peers' traces in Zarr.

``python -m benchmarks.stores [--quick]``: CPU seconds of whole calls with and without a store, each in a process of its
own, four chains in two threads; and wall seconds from `ppl.resume` to its first new draw against those of a first run.
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

SIZE, CHAINS, CORES, TUNE = 50, 4, 2, 500
DRAWS = {"rvgraph": 250_000, "nutpie": 250_000, "pymc": 500}
"""Of each chain; PyMC takes a thousand times as long for each."""
QUICK = 10
ROWS = 200
X = np.random.default_rng(0).normal(size=(ROWS, SIZE)) / SIZE**0.5
Y = np.random.default_rng(1).poisson(np.exp(0.3 * X.sum(axis=1)))


def cpu() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def by_rvgraph(store: str | None) -> Callable[[int], Any]:
    import ppl
    from ppl.running import compiled as running
    from ppl.storing.stored import StoredRun

    # Of a long store the verdict looks at the last draws only: it would hide what writing takes.
    running.report = lambda *_: None  # type: ignore[assignment]
    StoredRun._report = lambda *_: None  # type: ignore[method-assign]
    b = ppl.Normal("b", 0, 1, size=SIZE)
    compiled = ppl.compile(ppl.Model({ppl.Poisson("y", np.exp(X @ b)): Y}), sampler="nuts", progress=False)
    options = {"tune": TUNE, "chains": CHAINS, "cores": CORES, "seed": 1, "progress": False}
    where = {} if store is None else {"store": store, "overwrite": True}
    return lambda draws: compiled.sample(draws, **options, **where)


def _pymc_model() -> Any:
    import pymc as pm

    with pm.Model() as model:
        b = pm.Normal("b", 0, 1, shape=SIZE)
        pm.Poisson("y", pm.math.exp(X @ b), observed=Y)
    return model


def by_nutpie(store: str | None) -> Callable[[int], Any]:
    import nutpie
    from nutpie import _lib

    compiled = nutpie.compile_pymc_model(_pymc_model())
    options = {"tune": TUNE, "chains": CHAINS, "cores": CORES, "seed": 1, "progress_bar": False, "save_warmup": False}

    def run(draws: int) -> Any:
        where = {}
        if store is not None:
            Path(store).mkdir()
            where = {"zarr_store": _lib.store.LocalStore(store)}
        return nutpie.sample(compiled, draws=draws, **options, **where)

    return run


def by_pymc(store: str | None) -> Callable[[int], Any]:
    import pymc as pm
    from pymc.backends.zarr import ZarrTrace

    model = _pymc_model()

    def run(draws: int) -> Any:
        where = {} if store is None else {"trace": ZarrTrace(store=Path(store), draws_per_chunk=1000)}
        with model:
            return pm.sample(
                draws,
                tune=TUNE,
                chains=CHAINS,
                cores=1,
                random_seed=1,
                progressbar=False,
                **where,
                compute_convergence_checks=False,
            )

    return run


TOOLS = {"rvgraph": by_rvgraph, "nutpie": by_nutpie, "pymc": by_pymc}


def measure(tool: str, with_store: bool, draws: int) -> None:
    """Print CPU and wall seconds of one call, compiled before; and the largest memory."""
    folder = tempfile.mkdtemp()
    try:
        run = TOOLS[tool](f"{folder}/run.zarr" if with_store else None)
        run(20)
        shutil.rmtree(f"{folder}/run.zarr", ignore_errors=True)
        before, start = cpu(), time.perf_counter()
        run(draws)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{cpu() - before:.2f} {time.perf_counter() - start:.2f} {peak:.0f}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def resuming() -> None:
    """Print wall seconds to the first draw of a first run, and to the first new one of a run gone on with."""
    import ppl

    folder = tempfile.mkdtemp()
    b = ppl.Normal("b", 0, 1, size=SIZE)
    model = ppl.Model({ppl.Poisson("y", np.exp(X @ b)): Y})
    options: dict[str, Any] = {"tune": 300, "sampler": "nuts", "seed": 1, "progress": False}
    ppl.sample(model, draws=10, store=f"{folder}/warm.zarr", **options)
    first, again = [], []
    for number in range(5):
        store = f"{folder}/{number}.zarr"
        start = time.perf_counter()
        ppl.sample(model, draws=1, store=store, **{**options, "tune": 0})
        first.append(time.perf_counter() - start)
        start = time.perf_counter()
        ppl.resume(store, model, draws=2, progress=False)
        again.append(time.perf_counter() - start)
    shutil.rmtree(folder)
    print(f"{np.median(first):.3f} {np.median(again):.3f}")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws")
    parser.add_argument("--peers", nargs="*", default=["nutpie", "pymc"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--resuming", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        tool, with_store, draws = options.one
        measure(tool, with_store == "1", int(draws))
        return 0
    if options.resuming:
        resuming()
        return 0
    print("tool      draws    CPU seconds without, with a store    more    megabytes without, with")
    for tool in ("rvgraph", *options.peers):
        draws = DRAWS[tool] // (QUICK if options.quick else 1)
        # In turn, so that both meet the same machine.
        found = [[_in_process("--one", tool, kept, str(draws)) for kept in "01"] for _ in range(options.repeats)]
        without, with_store = np.median(np.array(found), axis=0)
        more = with_store[0] / without[0] - 1
        print(
            f"{tool:9} {draws:7}  {without[0]:8.2f} {with_store[0]:8.2f}  {100 * more:6.1f} %"
            f"  {without[2]:8.0f} {with_store[2]:8.0f}",
            flush=True,
        )
    first, again = _in_process("--resuming")
    print(f"first draw {first:.2f} s, first new draw of a run gone on with {again:.2f} s: {again / first:.2f} times")
    return 0


def _in_process(*arguments: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.stores", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


if __name__ == "__main__":
    sys.exit(main())
