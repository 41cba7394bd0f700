"""Runs in stores: what is on disk is what memory would hold, whatever ended the run, and how often.

Answers: the same run in memory, never interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import ppl
from graphs.errors import SamplingError
from ppl.keeping import keeper
from tests.ppl.keeping.stored_models import CASES, Prepared, assert_same, check_beginning, commit_often


@pytest.fixture(scope="module", params=CASES)
def prepared(request: pytest.FixtureRequest) -> Prepared:
    if request.param == "JAX":
        pytest.importorskip("jax")
    return Prepared(CASES[request.param])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains return, and stores commit, as often as they can."""
    commit_often(monkeypatch)


class Crash(BaseException):
    """The process is gone."""


def test_a_store_holds_what_memory_would(prepared: Prepared, tmp_path: Path) -> None:
    store = tmp_path / "run.zarr"
    found = prepared.compiled.sample(**prepared.options, store=store)
    assert_same(found, prepared.expected)
    assert_same(xarray.open_datatree(store, engine="zarr"), prepared.expected)


@pytest.mark.usefixtures("often")
def test_a_run_goes_on_wherever_it_ended(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends at a random commit, before or after it, again and again; what is on disk is whole at any time."""
    store, rng = tmp_path / "run.zarr", np.random.default_rng(3)
    plain, left = keeper.StoreKeeper.commit, 0

    def commit(self: Any, *arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0 and rng.random() < 0.5:
            raise Crash
        plain(self, *arguments)
        if left <= 0:
            raise Crash

    monkeypatch.setattr(keeper.StoreKeeper, "commit", commit)
    found, attempts = None, 0
    while found is None:
        attempts += 1
        left = int(rng.integers(1, 3)) if attempts < 6 else 10**9
        try:
            if attempts == 1:
                found = prepared.compiled.sample(**prepared.options, store=store)
            else:
                found = ppl.resume(store, prepared.compiled, progress=False)
        except Crash:
            if (store / "zarr.json").exists():
                check_beginning(xarray.open_datatree(store, engine="zarr"), prepared.expected)
    assert attempts > 1
    assert_same(found, prepared.expected)


def test_more_draws_extend_a_run(prepared: Prepared, tmp_path: Path) -> None:
    store = tmp_path / "run.zarr"
    draws = prepared.options["draws"]
    prepared.compiled.sample(**{**prepared.options, "draws": draws // 3}, store=store)
    assert_same(ppl.resume(store, prepared.compiled, draws, progress=False), prepared.expected)
    again = ppl.resume(store, prepared.compiled, progress=False)
    assert_same(again, prepared.expected)
    with pytest.raises(SamplingError, match="cannot have fewer"):
        ppl.resume(store, prepared.compiled, 2)
