"""One tool with one model in a process of its own, which runs when asked and can be stopped.

The processes of all tools with one model live at the same time and run in turn, so that other load on the machine
hits all alike; each compiles once.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from time import perf_counter, process_time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from benchmarks.nuts_models import BenchmarkModel

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
"""Chains run in parallel: threads inside linear algebra would only be in their way."""


@dataclass(frozen=True)
class Outcome:
    """What one run achieved: as `nuts_tools.Run`, the draws by the least effective sample size, and of all threads."""

    ess: float
    seconds: float
    num_gradients: float
    divergences: int
    loop_seconds: float
    cpu_seconds: float = float("nan")


class Worker:
    """A process that has compiled a model; use it as a context manager.

    Parameters
    ----------
    model, tool : str
        Names of `chosen_model` and in `nuts_tools.tools`.
    limit : float
        Seconds that the process may work in all, imports and compiling included.
    environment : dict of str to str, optional
        Of the process.
    """

    def __init__(self, model: str, tool: str, limit: float, environment: dict[str, str] | None = None):
        self._left = limit
        # A pipe that nobody reads fills up, and stops the process.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (open as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.nuts_worker", model, tool],
            cwd=ROOT,
            env={**(environment or os.environ), **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # A tool may start processes of its own, which have to end with it.
            start_new_session=True,
        )
        self.compile_seconds: float | None = None
        self.failure = ""
        try:
            found = self._answer()
        except BaseException:
            # Nobody has this object yet to close it.
            self.close()
            raise
        if found is not None:
            self.compile_seconds = found["compile_seconds"]

    def run(self, seed: int) -> Outcome | None:
        """Run once; None if that failed or the time is over, for which ``failure`` has the reason."""
        if self.failure or self._process.stdin is None:
            return None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        found = self._answer()
        return None if found is None else Outcome(**found)

    def _answer(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        start = perf_counter()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            is_there = bool(selector.select(max(self._left, 0.0)))
        line = self._process.stdout.readline() if is_there else ""
        self._left -= perf_counter() - start
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.failure = "failed" if is_there else "did not finish"
        self.close()
        return None

    def close(self) -> None:
        """End the process and what it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        if self.failure == "failed":
            self._errors.seek(0)
            last = [line for line in self._errors if line.strip()][-1:]
            self.failure = f"failed: {last[0].strip()[:120]}" if last else "failed"
        self._errors.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.failure:
            self.close()


def chosen_model(name: str) -> BenchmarkModel:
    """Return one of `nuts_models.models`, or of `choice.models`, whose names have a point in them."""
    from benchmarks import choice, nuts_models

    if "." not in name:
        return nuts_models.models()[name]
    import ppl

    make = choice.models()[name]
    return nuts_models.BenchmarkModel(lambda: ppl.from_pymc(make()), make)


def main(model: str, tool: str) -> None:
    """Compile, say so, and run with each seed that is asked for."""
    # What tools print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from benchmarks.nuts_tools import least_ess, quiet, tools

    quiet()
    chosen = chosen_model(model)
    start = perf_counter()
    sample = tools()[tool].compile(chosen)
    print(json.dumps({"compile_seconds": perf_counter() - start}), file=answers, flush=True)
    for line in sys.stdin:
        before = process_time()
        run = sample(int(line))
        took = process_time() - before
        outcome = Outcome(least_ess(run.draws), run.seconds, run.num_gradients, run.divergences, run.loop_seconds, took)
        print(json.dumps(vars(outcome)), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
