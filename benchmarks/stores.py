"""What it costs to write draws to disk while chains run, and to go on with them, against peers' traces in Zarr.

``python -m benchmarks.stores [--draws 250000] [--pairs 5]``: CPU seconds of whole calls without and with a store, user
and system, in turn, each in a process of its own, four chains in two threads; the mean of what a store adds, with its
standard error, and what a plain ``write`` of the draws takes. Of rvgraph also what the threads that write measure of
themselves, which no other process disturbs; and wall seconds from `ppl.resume` to its first new draw against those of a
first run.
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


def measure(tool: str, with_store: bool, draws: int) -> None:
    """Print CPU seconds of one call, compiled before, user, system and of what writes; and the largest memory."""
    folder = tempfile.mkdtemp()
    try:
        run = TOOLS[tool](f"{folder}/run.zarr" if with_store else None)
        run(20)
        shutil.rmtree(f"{folder}/run.zarr", ignore_errors=True)
        writing, before = Writing() if tool == "rvgraph" else None, cpu()
        run(draws)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        user, system = cpu() - before
        print(f"{user:.3f} {system:.3f} {writing.seconds if writing else 0:.3f} {peak:.0f}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plain(draws: int) -> None:
    """Print the CPU seconds that a plain ``write`` of the draws takes, to disk."""
    piece, number = bytes(2**20), 8 * SIZE * CHAINS * draws // 2**20
    with tempfile.NamedTemporaryFile() as file:
        before = cpu()
        for _ in range(number):
            os.write(file.fileno(), piece)
        os.fsync(file.fileno())
        print(f"{sum(cpu() - before):.3f}")


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
    if options.plain:
        plain(options.plain)
        return 0
    print("tool       draws   user + system without   with a store      more (s.e.)    what writes    megabytes")
    for tool in options.tools:
        draws = options.draws // (500 if tool == "pymc" else 1)
        # In turn, so that both meet the same machine.
        found = np.array(
            [[_in_process("--one", tool, kept, str(draws)) for kept in "01"] for _ in range(options.pairs)]
        )
        total = found[:, :, :2].sum(axis=2)
        more = 100 * (total[:, 1] / total[:, 0] - 1)
        (user, system, _, peak), (user_more, system_more, writing, peak_more) = found.mean(axis=0)
        error = more.std(ddof=1) / len(more) ** 0.5 if len(more) > 1 else np.nan
        print(
            f"{tool:9} {draws:7}  {user:8.2f} + {system:5.2f}     {user_more:8.2f} + {system_more:5.2f}"
            f"  {more.mean():6.1f} % ({error:.1f})  {100 * writing / (user_more + system_more):6.2f} %"
            f"  {peak:12.0f} {peak_more:6.0f}",
            flush=True,
        )
    print(
        f"A plain write of {options.draws:,} draws of each chain: {_in_process('--plain', str(options.draws))[0]:.3f} s"
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
