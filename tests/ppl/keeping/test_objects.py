"""Stores of objects, which are put as a whole: they hold what folders do, and go on as these.

Answers: the same run in memory, never interrupted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray

import ppl
from graphs.errors import SamplingError
from ppl.keeping import keeper, leasing
from ppl.keeping.objects import StoreObjects
from ppl.keeping.places import place_of
from tests.ppl.keeping.stored_models import CASES, Prepared, assert_same, check_beginning, commit_often

STORE = "memory://runs/run.zarr"


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(CASES["nuts"])


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    yield
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def test_objects_hold_what_memory_would(prepared: Prepared) -> None:
    found = prepared.compiled.sample(**prepared.options, store=STORE)
    assert_same(found, prepared.expected)
    assert_same(xarray.open_datatree(STORE, engine="zarr"), prepared.expected)
    with pytest.raises(SamplingError, match=r"holds 60 of 60 draws"):
        prepared.compiled.sample(**prepared.options, store=STORE)
    prepared.compiled.sample(**prepared.options, store=STORE, overwrite=True)
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/other/thesis.txt", b"all of it")
    with pytest.raises(SamplingError, match="There is something else"):
        prepared.compiled.sample(**prepared.options, store="memory://other", overwrite=True)


def test_a_run_goes_on_wherever_putting_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each object is there as a whole or not; what counts before the failure is whole, and can be read."""
    prepared = Prepared(CASES["gibbs"], draws=600)
    commit_often(monkeypatch)
    monkeypatch.setattr(StoreObjects, "chunk_bytes", 320)
    plain, ends = StoreObjects._put, []

    def put(self: StoreObjects, contents: dict[str, bytes]) -> None:
        nonlocal left
        for name, content in contents.items():
            left -= failing in name
            if not left:
                raise PermissionError("the key has run out")
            plain(self, {name: content})

    monkeypatch.setattr(StoreObjects, "_put", put)
    go_on: Any = prepared.begin
    for failing, left in (("start", 1), ("/c/", 40), ("checkpoint", 2), ("committed", 1), ("adaptation", 1)):  # noqa: B007
        with pytest.raises(SamplingError, match=r"cannot be written \(the key has run out\).*ppl\.resume"):
            go_on(STORE)
        go_on = prepared.go_on if place_of(STORE).has(".run/run.json") else prepared.begin
        if place_of(STORE).has("zarr.json"):
            found = xarray.open_datatree(STORE, engine="zarr")
            check_beginning(found, prepared.expected)
            ends.append(found.posterior.sizes["draw"])
    left = -1
    assert_same(go_on(STORE), prepared.expected)
    assert max(ends) > 0
    longer = ppl.resume(STORE, prepared.compiled, draws=900, progress=False)
    some = next(name for name in place_of(STORE).sizes() if name.startswith("posterior/rates/c/1/"))
    assert_same(longer, prepared.compiled.sample(**{**prepared.options, "draws": 900}))
    place_of(STORE).remove(some)
    with pytest.raises(SamplingError, match=f"damaged: {some}, .* is missing"):
        prepared.go_on(STORE)  # type: ignore[arg-type]  # it is declared for folders, and passes on what it gets


def test_chains_write_large_pieces_while_others_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    commit_often(monkeypatch)
    monkeypatch.setattr(StoreObjects, "chunk_bytes", 2**10)
    prepared = Prepared(CASES["drawn back"])
    assert_same(prepared.begin(STORE), prepared.expected)  # type: ignore[arg-type]
    exact = Prepared(CASES["exact"])
    assert_same(exact.begin("memory://exact"), exact.expected)  # type: ignore[arg-type]


def test_a_place_is_known_by_its_address(tmp_path: Any, prepared: Prepared) -> None:
    assert place_of(f"file://{tmp_path}/run.zarr").address == str(tmp_path / "run.zarr")
    prepared.begin(f"file://{tmp_path}/run.zarr")  # type: ignore[arg-type]
    assert_same(xarray.open_datatree(tmp_path / "run.zarr", engine="zarr"), prepared.expected)
    with pytest.raises(SamplingError, match="There is no store at 'memory://nowhere'"):
        ppl.resume("memory://nowhere", prepared.compiled)


def test_a_place_that_takes_nothing_is_refused_before_anything_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(self: StoreObjects, contents: dict[str, bytes]) -> None:
        raise PermissionError("no such key")

    monkeypatch.setattr(StoreObjects, "_put", put)
    monkeypatch.setattr("ppl.running.sampling.compile", None)
    with pytest.raises(SamplingError, match=r"cannot be made \(PermissionError: no such key\)"):
        ppl.sample(CASES["nuts"].model(), store=STORE, progress=False)


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(leasing, "RENEWAL_SECONDS", 0.05)


def test_one_process_writes_objects(quick_leases: None) -> None:
    place = place_of(STORE)
    right = place.right()
    with pytest.raises(SamplingError, match=r"is being written by process \d+ on"):
        place_of(STORE).right()
    right.release()
    place_of(STORE).right().release()
    assert not place.has(".run/lock")


def test_who_lives_renews_and_who_is_dead_is_waited_for(
    quick_leases: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on another machine: this one could see whether the process is there."""
    monkeypatch.setattr(leasing.socket, "gethostname", lambda: "elsewhere")
    alive = place_of(STORE).right()
    monkeypatch.setattr(leasing.socket, "gethostname", lambda: "here")
    monkeypatch.setattr(leasing, "_HELD", set())
    with pytest.raises(SamplingError, match="on elsewhere"):
        place_of(STORE).right()
    # These are attributes of a lease alone, not of every right to write.
    alive._ended.set()  # type: ignore[attr-defined]
    alive._renewing.join()  # type: ignore[attr-defined]
    start = time.monotonic()
    other = place_of(STORE)
    right = other.right()
    assert time.monotonic() - start >= 0.4
    assert "does not stir for 0.4 seconds" in caplog.text
    other.check()
    right.release()


def test_an_owner_that_is_thought_dead_stops(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine slept; meanwhile another process went on with the run: before the third commit, or the last."""
    commit_often(monkeypatch)
    plain, end, number = keeper.StoreKeeper.commit, keeper.StoreKeeper.finish, 0

    def lose(place: Any) -> None:
        lock = {"holder": "process 1 on elsewhere", "token": "another"}
        place.write(".run/lock", json.dumps(lock).encode())

    def commit(self: Any, *arguments: Any) -> None:
        nonlocal number
        number += 1
        if number == 3:
            lose(self.place)
        plain(self, *arguments)

    def finish(self: Any, *arguments: Any) -> None:
        lose(self.place)
        end(self, *arguments)

    monkeypatch.setattr(keeper.StoreKeeper, "commit", commit)
    monkeypatch.setattr(keeper.StoreKeeper, "finish", finish)
    with pytest.raises(SamplingError, match="was taken over by process 1 on elsewhere"):
        prepared.begin(STORE)  # type: ignore[arg-type]
    assert json.loads(place_of(STORE).read(".run/lock"))["token"] == "another"
    if number >= 3:
        assert np.isfinite(xarray.open_datatree(STORE, engine="zarr").posterior["level"]).all()
