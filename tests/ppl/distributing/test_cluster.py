"""Chains on the workers of a cluster draw what they draw here, also where workers die.

Answers: the same run in this process.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppl
from ppl.distributing import groups as cluster_groups
from ppl.distributing import pieces
from ppl.distributing import run as cluster_run
from ppl.distributing.futures import WorkersFailed
from ppl.distributing.pieces import Done, PieceOfWork
from ppl.keeping import keeper, objects
from samplers.loop import chain_run, workers
from tests.ppl.keeping import whole_objects
from tests.ppl.keeping.stored_models import CASES, Case, Prepared, assert_same, check_beginning, regression

dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")


class OfTests(distributed.WorkerPlugin):
    """What each worker knows, also one that takes the place of one that died."""

    def setup(self, worker: Any) -> None:
        """Pieces end when they are to, not after a callback that the fastest chains do not live to see."""
        chain_run.CHUNK_SECONDS, workers.CALLBACK_SECONDS = 1e-4, 1e-3
        objects.StoreObjects.chunk_bytes = 2**14
        whole_objects.register()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers, each a process of one thread."""
    with (
        # A busy machine takes longer than fifteen seconds to start one in the place of one that died.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        found.register_plugin(OfTests())
        yield found


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(CASES["nuts"], chains=5)


@pytest.fixture(scope="module")
def long() -> Prepared:
    """A run of some seconds."""
    return Prepared(Case(regression, sampler="nuts"), draws=20_000, tune=300, chains=6)


def short_pieces(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.1) -> None:
    monkeypatch.setattr(cluster_groups, "FIRST_SECONDS", seconds)
    monkeypatch.setattr(cluster_run, "SECONDS", seconds)
    monkeypatch.setattr(cluster_run, "COST_SHARE", 1e9)


def kill_who_has(client: Any, future: Any, seconds: float) -> int:
    """Kill the worker that was given a piece, so long after it has it; return its process."""
    end = time.monotonic() + 60
    while future.status == "pending" and time.monotonic() < end:
        for address, tasks in client.processing().items():
            if future.key in tasks:
                [process] = client.run(os.getpid, workers=[address]).values()
                time.sleep(seconds)
                os.kill(process, signal.SIGKILL)
                return process
    raise AssertionError("Nobody has it.")


def assert_drawn_there(prepared: Prepared, client: Any) -> None:
    assert_same(prepared.compiled.sample(**prepared.options, client=client), prepared.expected)


def num_compiled() -> int:
    return pieces._compiled.cache_info().misses


def test_draws_are_those_of_a_run_here(client: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker compiles once, however many pieces it runs."""
    short_pieces(monkeypatch)
    before, done = client.run(num_compiled), spied(monkeypatch)
    assert_drawn_there(prepared, client)
    assert len(done) >= 4
    assert all(number <= before[worker] + 1 for worker, number in client.run(num_compiled).items())


def test_what_a_worker_lacks_is_said(client: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking(PieceOfWork):
        def __reduce__(self) -> Any:
            return importlib.import_module, ("a_package_of_the_user",)

    monkeypatch.setattr(cluster_run, "PieceOfWork", Lacking)
    with pytest.raises(WorkersFailed, match=r"while it ran chains .* Install the module a_package_of_the_user there"):
        prepared.compiled.sample(**prepared.options, client=client)


@pytest.mark.parametrize(
    "name",
    [
        "pooled",
        "table",
        pytest.param("drawn back", marks=pytest.mark.slow),
        pytest.param("gibbs", marks=pytest.mark.slow),
        pytest.param("centred, pooled", marks=pytest.mark.slow),
        pytest.param("centred", marks=pytest.mark.slow),
        pytest.param("slice", marks=pytest.mark.slow),
        pytest.param("exact", marks=pytest.mark.slow),
        pytest.param("C", marks=pytest.mark.slow),
    ],
)
def test_draws_of_every_kind_are_those_of_a_run_here(client: Any, name: str, monkeypatch: Any) -> None:
    """Chains that learn or decide together meet; those that make one table stay together."""
    short_pieces(monkeypatch)
    assert_drawn_there(Prepared(CASES[name], chains=3), client)


def test_other_versions_on_workers_are_said(
    client: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = {**cluster_run.versions_here(), "numba": "0.1"}
    monkeypatch.setattr(cluster_run, "versions_here", lambda: found)
    prepared.compiled.sample(**{**prepared.options, "draws": 2}, client=client)
    assert caplog.text.count("Workers have other versions than this process (numba ") == 1


def test_a_worker_that_dies_costs_no_draw(client: Any, long: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    short_pieces(monkeypatch)
    before = client.run(os.getpid)
    killed = []

    def killing(self: Any, *arguments: Any) -> Any:
        found = taken(self, *arguments)
        busy = [address for address, tasks in client.processing().items() if tasks]
        if not killed and self.num_kept.any() and busy:
            killed.append(busy[0])
            os.kill(before[busy[0]], signal.SIGKILL)
        return found

    taken = cluster_run.ClusterRun._taken
    monkeypatch.setattr(cluster_run.ClusterRun, "_taken", killing)
    found = long.compiled.sample(**long.options, client=client)
    assert killed
    assert not found.attrs["interrupted"]
    assert_same(found, long.expected)
    end = time.monotonic() + 60
    while killed[0] in client.nthreads():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_until_draws_are_enough_ends_where_it_does_here(client: Any, prepared: Prepared, tmp_path: Path) -> None:
    options = {**prepared.options, "draws": None, "until": ppl.Until(ess=300), "tune": "auto", "adapt": "pooled"}
    store, expected = tmp_path / "run.zarr", prepared.compiled.sample(**options)
    assert_same(prepared.compiled.sample(**options, store=store, client=client), expected)
    assert_same(ppl.resume(store, prepared.compiled, progress=False), expected)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[Done]:
    """Return what comes back from workers, as it comes."""
    found: list[Done] = []
    taken = cluster_run.ClusterRun._taken

    def taking(self: Any, group: Any, done: Done) -> Any:
        found.append(done)
        return taken(self, group, done)

    monkeypatch.setattr(cluster_run.ClusterRun, "_taken", taking)
    return found


def test_workers_write_a_store_that_they_see(
    client: Any, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun there or here, a run goes on here or there."""
    short_pieces(monkeypatch)
    half = {**prepared.options, "draws": 30}
    there, here = tmp_path / "there.zarr", tmp_path / "here.zarr"
    prepared.compiled.sample(**half, store=there, client=client)
    assert_same(ppl.resume(there, prepared.compiled, draws=60, progress=False), prepared.expected)
    prepared.compiled.sample(**half, store=here)
    done = spied(monkeypatch)
    found = ppl.resume(here, prepared.compiled, draws=60, progress=False, client=client)
    assert_same(found, prepared.expected)
    assert all(each.written is not None and not each.rows for each in done)


def test_what_workers_do_not_see_is_written_here(
    client: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of a process is nobody else's."""
    short_pieces(monkeypatch)
    done = spied(monkeypatch)
    prepared.compiled.sample(**{**prepared.options, "draws": 30}, store="memory://cluster", client=client)
    found = ppl.resume("memory://cluster", prepared.compiled, draws=60, progress=False, client=client)
    assert_same(found, prepared.expected)
    assert all(each.written is None for each in done)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nuts", "drawn back"])
@pytest.mark.parametrize("protocol", ["file", "whole"])
def test_workers_that_die_leave_a_store_whole(
    client: Any, name: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of objects, too, which are put as a whole; each while it draws or writes, and who comes in its place, too."""
    whole_objects.register()
    prepared = Prepared(CASES[name], draws=15_000, chains=5)
    short_pieces(monkeypatch, seconds=0.005)
    for each in ("FIRST_SECONDS", "SECONDS"):
        monkeypatch.setattr(keeper, each, 0.3)
    monkeypatch.setattr(objects.StoreObjects, "chunk_bytes", 2**14)
    done, killed, rng, next_one = spied(monkeypatch), list[int](), np.random.default_rng(5), 2
    sending = cluster_run.ClusterRun._sent

    def killing(self: Any, *arguments: Any) -> Any:
        """Kill who has the piece that is sent, a moment after it begins."""
        nonlocal next_one
        found = sending(self, *arguments)
        if len(done) >= next_one and len(killed) < 3:
            next_one += 3
            killed.append(kill_who_has(client, found, rng.uniform(0.0, 0.02)))
        return found

    monkeypatch.setattr(cluster_run.ClusterRun, "_sent", killing)
    store = f"{protocol}://{tmp_path}/run.zarr"
    found = prepared.compiled.sample(**prepared.options, store=store, client=client)
    assert len(killed) == 3
    assert not found.attrs["interrupted"]
    assert_same(found, prepared.expected)
    assert any(each.written is not None for each in done)
    assert_same(ppl.resume(store, prepared.compiled, progress=False), prepared.expected)


@pytest.mark.slow
def test_a_run_that_is_stopped_keeps_what_was_drawn(
    client: Any, long: Prepared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short_pieces(monkeypatch)
    run = ppl.start(long.compiled, **{**long.options, "draws": 300_000, "var_names": ["level"]}, client=client)
    end = time.monotonic() + 60
    while sum(state["draw"] > 100 and not state["tuning"] for state in run._control.states) < 6:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert run.trace().posterior.sizes["chain"] == 6
    run.stop()
    found = run.wait()
    assert found.attrs["interrupted"]
    number = min(found.posterior.sizes["draw"], 20_000)
    assert number > 0
    check_beginning(found.isel(draw=slice(number), missing_dims="ignore"), long.expected)


def test_a_failure_of_workers_keeps_what_was_drawn(
    client: Any, long: Prepared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short_pieces(monkeypatch)

    def spoiled(*arguments: Any) -> PieceOfWork:
        """Of a worker that lacks something."""
        sent = PieceOfWork(*arguments)
        return sent if sent.state is None or not np.sum(sent.state["num_kept"]) else None  # type: ignore[return-value]

    monkeypatch.setattr(cluster_run, "PieceOfWork", spoiled)
    found = long.compiled.sample(**{**long.options, "draws": 10**6}, client=client)
    assert found.attrs["interrupted"]
    assert "What has been drawn is kept" in caplog.text
    assert "versions of rvgraph" in caplog.text
    monkeypatch.setattr(cluster_run, "PieceOfWork", lambda *_: None)
    with pytest.raises(WorkersFailed, match=r"A worker failed while it ran chains \d to"):
        long.compiled.sample(**long.options, client=client)
