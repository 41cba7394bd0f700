"""Processes killed at any moment, also while they write: the run goes on, and the store can be read in between.

Answers: the same run in memory, never interrupted.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import ppl
from graphs.errors import SamplingError
from tests.ppl.keeping.stored_models import CASES, Prepared, assert_same, check_beginning, commit_often

# JAX cannot be forked.
UNTIL = ppl.Until(ess=1200, r_hat=1.05, most_draws=5000)
KINDS: dict[str, dict[str, Any]] = {
    "nuts": {"draws": 4000},
    "pooled": {"draws": 4000},
    "gibbs": {"draws": 4000},
    "table": {"draws": 30_000},
    "drawn back": {"draws": 12_000},
    "exact": {"draws": 60_000},
    "C": {"draws": 300},
    "until nuts": {"draws": None, "until": UNTIL, "tune": "auto", "keep_tuning": False},
    "until gibbs": {"draws": None, "until": UNTIL},
}


def in_child(function: Callable[[], object]) -> int:
    """Run a function in a process of its own, and return that."""
    with warnings.catch_warnings():
        # No thread of this process holds anything that the child needs.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except BaseException as error:
            os.write(2, "".join(traceback.format_exception(error)).encode())
            os._exit(1)
    return child


def killed(function: Callable[[], object], seconds: float) -> bool:
    """Kill a process that runs a function after some time; return whether it had ended before."""
    child, start = in_child(function), time.perf_counter()
    while time.perf_counter() - start < seconds:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return True
        time.sleep(1e-3)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status == 0


def kill_and_go_on(kind: str, store: Path, num_kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = Prepared(CASES[kind.removeprefix("until ")], **KINDS[kind])
    commit_often(monkeypatch)
    rng, kills, seconds = np.random.default_rng(11), 0, 0.3

    def go_on() -> object:
        if (store / ".run" / "run.json").exists():
            return ppl.resume(store, prepared.compiled, progress=False)
        return prepared.compiled.sample(**prepared.options, store=store, overwrite=True)

    while kills < num_kills:
        # Early and late alike: how long a run takes is found out.
        if killed(go_on, rng.uniform(0.0, seconds)):
            store = store.with_name(f"run_{kills}.zarr")
            seconds *= 0.7
            continue
        kills += 1
        if (store / "zarr.json").exists():
            check_beginning(xarray.open_datatree(store, engine="zarr"), prepared.expected)
    go_on()
    assert_same(ppl.resume(store, prepared.compiled, progress=False), prepared.expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("kind", ["pooled", "drawn back", "until nuts"])
def test_a_killed_run_goes_on(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_and_go_on(kind, tmp_path / "run.zarr", 1, monkeypatch)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("kind", KINDS)
def test_runs_go_on_after_a_hundred_kills(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_and_go_on(kind, tmp_path / "run.zarr", 100, monkeypatch)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_one_process_writes_a_store(tmp_path: Path) -> None:
    """The second is refused as long as the first lives, and no longer."""
    store = tmp_path / "run.zarr"
    prepared = Prepared(CASES["exact"])
    child = in_child(lambda: prepared.compiled.sample(**{**prepared.options, "draws": 10**9}, store=store))
    while not (store / "zarr.json").exists():
        time.sleep(0.01)
    try:
        with pytest.raises(SamplingError, match=f"is being written by process {child} on"):
            ppl.resume(store, prepared.compiled, 10**9, progress=False)
        with pytest.raises(SamplingError, match="is being written"):
            prepared.compiled.sample(**prepared.options, store=store, overwrite=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert_same(prepared.compiled.sample(**prepared.options, store=store, overwrite=True), prepared.expected)
