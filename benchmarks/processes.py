"""Seconds in a process of its own: with empty caches, and again with those that it left."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Row

ROOT = Path(__file__).parents[1]
_FIRST_CALL = """
from importlib import import_module
from time import perf_counter
benchmark = import_module("benchmarks.{name}")
start = perf_counter()
benchmark.first_call()
print(perf_counter() - start)
"""


def caches_in(folder: str) -> dict[str, str]:
    """Return an environment in which compiled code is kept in a folder."""
    flags = [flag for flag in (os.environ.get("PYTENSOR_FLAGS"), f"base_compiledir={folder}/pytensor") if flag]
    return {**os.environ, "PYTENSOR_FLAGS": ",".join(flags), "NUMBA_CACHE_DIR": f"{folder}/numba"}


def last_line(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run Python in the repository and return the last line that it prints."""
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def answer_of(arguments: Sequence[str], limit: float, environment: dict[str, str] | None = None) -> Any:
    """Run a module of ours, and return what its last line says in JSON; why there is none, as text, otherwise."""
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    try:
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return f"more than {limit:g} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:100]
    return json.loads(done.stdout.strip().splitlines()[-1])


def seconds_of(name: str, call: str) -> float:
    """Return what a benchmark's function returns in a process of its own, with empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        code = f"from benchmarks import {name}; print({name}.{call})"
        return float(last_line(["-c", code], caches_in(folder)))


def compile_rows(name: str, repeats: int) -> Iterator[Row]:
    """Measure a benchmark's ``first_call``, imports left out: deriving, compiling, and a short run."""
    what = "derive, compile, run once"
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            code = _FIRST_CALL.format(name=name)
            times.append([float(last_line(["-c", code], caches_in(folder))) for _ in range(2)])
    cold, warm = (statistics.median(column) for column in zip(*times, strict=True))
    yield Row(what, "rvgraph, second process", warm, "s")
    yield Row(what, "rvgraph, first process, empty caches", cold, "s")
