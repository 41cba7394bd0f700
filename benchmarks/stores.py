"""What it costs to write draws to disk while chains run, and to go on with them, against peers' traces in Zarr.

``python -m benchmarks.stores [--draws 250000] [--pairs 5]``: CPU seconds of whole calls without and with a store, user
and system, in turn in one process for each tool, four chains in two threads; medians, and of the ratios their least and
largest. Of rvgraph also what the threads that write measure of themselves, which no other process disturbs, and what a
run of 20 draws takes of it already. Beside it what NumPy's own ``save`` of the draws takes, to disk: who keeps them can
hardly take less. Last, wall seconds from `ppl.resume` to its first new draw against those of a first run.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, local
from typing import Any

import numpy as np

from ppl.keeping.keeper import StoreKeeper

SIZE, CHAINS, CORES, TUNE = 50, 4, 2, 500
ROWS = 200
X = np.random.default_rng(0).normal(size=(ROWS, SIZE)) / SIZE**0.5
Y = np.random.default_rng(1).poisson(np.exp(0.3 * X.sum(axis=1)))


def cpu() -> np.ndarray:
    """Return the CPU seconds, user and system, of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return np.array([sum(each.ru_utime for each in used), sum(each.ru_stime for each in used)])


class Writing:
    """CPU seconds of the threads that write, while they do."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock, self._depth = Lock(), local()
        for name in ("take", "commit", "finish"):
            setattr(StoreKeeper, name, self._timed(getattr(StoreKeeper, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start, is_first = time.thread_time(), not getattr(self._depth, "is_inside", False)
            self._depth.is_inside = True
            try:
                return function(*arguments)
            finally:
                if is_first:
                    self._depth.is_inside = False
                    with self._lock:
                        self.seconds += time.thread_time() - start

        return timed


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


def measure(tool: str, draws: int, pairs: int) -> None:
    """Print, for each pair of calls, compiled before: CPU seconds without and with a store, and of what writes."""
    folder = tempfile.mkdtemp()
    where = f"{folder}/run.zarr"
    try:
        runs = [TOOLS[tool](None), TOOLS[tool](where)]
        writing = Writing() if tool == "rvgraph" else None

        def used(run: Callable[[int], Any], number: int) -> float:
            shutil.rmtree(where, ignore_errors=True)
            before = cpu()
            run(number)
            return sum(cpu() - before)

        for run in runs:
            used(run, 20)
        for number in (20, draws):
            for _ in range(pairs):
                before = writing.seconds if writing else 0.0
                words = [used(run, number) for run in runs]
                print(number, *words, (writing.seconds - before) if writing else 0.0, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plain(draws: int) -> None:
    """Print the CPU seconds that NumPy takes to save as many numbers, to disk."""
    numbers = np.random.default_rng(0).normal(size=(CHAINS, draws, SIZE))
    for _ in range(5):
        with tempfile.TemporaryFile() as file:
            before = cpu()
            np.save(file, numbers)
            file.flush()
            os.fsync(file.fileno())
            print(sum(cpu() - before))


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
    parser.add_argument("--draws", type=int, default=250_000, help="of each chain; of PyMC a five hundredth")
    parser.add_argument("--tools", nargs="*", default=[*TOOLS])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--plain", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--resuming", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        tool, draws = options.one
        measure(tool, int(draws), options.pairs)
    elif options.resuming:
        resuming()
    elif options.plain:
        plain(options.plain)
    else:
        compare(options.tools, options.draws, options.pairs)
    return 0


def compare(tools: list[str], all_draws: int, pairs: int) -> None:
    """Print the table."""
    print("tool       draws  without   with a store          more   (from - to)    what writes   (of 20 draws)")
    for tool in tools:
        draws = all_draws // (500 if tool == "pymc" else 1)
        # In turn, so that all meet the same machine.
        rows = _in_process("--one", tool, str(draws), "--pairs", str(pairs))
        few, found = rows[:pairs, 1:], rows[pairs:, 1:]
        more = 100 * (found[:, 1] / found[:, 0] - 1)
        without, kept, writing = np.median(found, axis=0)
        print(
            f"{tool:9} {draws:7}  {without:7.2f}        {kept:7.2f}      {np.median(more):6.1f} %  "
            f"({more.min():.1f} - {more.max():.1f})   {100 * writing / without:6.2f} %   {np.median(few[:, 2]):9.3f} s"
            f"   ({np.median(few[:, 1] - few[:, 0]):.3f} s more in all)",
            flush=True,
        )
    print(f"np.save of {all_draws:,} draws of each chain: {np.median(_in_process('--plain', str(all_draws))):.3f} s")
    first, again = _in_process("--resuming")[0]
    print(f"first draw {first:.2f} s, first new draw of a run gone on with {again:.2f} s: {again / first:.2f} times")


def _in_process(*arguments: str) -> np.ndarray:
    command = [sys.executable, "-m", "benchmarks.stores", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    lines = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    return np.array([[float(word) for word in line.split()] for line in lines])


if __name__ == "__main__":
    sys.exit(main())
