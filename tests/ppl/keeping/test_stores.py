"""Runs in stores: what is on disk is what memory would hold, whatever ended the run, and how often.

Answers: the same run in memory, never interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from xarray import DataTree

import ppl
from graphs.errors import SamplingError
from ppl.keeping import keeper
from samplers.loop import chain_run, workers
from tests.ppl.keeping.stored_models import CASES, Case, assert_same

COMPILE = ("backend", "sampler", "marginalize")


class Prepared:
    """A case compiled once, and its trace in memory."""

    def __init__(self, case: Case):
        given = {key: value for key, value in case.options.items() if key in COMPILE}
        self.options = {key: value for key, value in case.options.items() if key not in COMPILE}
        self.compiled = ppl.compile(case.model(), progress=False, **given)
        self.expected: DataTree = self.compiled.sample(**self.options)


@pytest.fixture(scope="module", params=CASES)
def prepared(request: pytest.FixtureRequest) -> Prepared:
    if request.param == "JAX":
        pytest.importorskip("jax")
    return Prepared(CASES[request.param])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chains return, and stores commit, as often as they can."""
    monkeypatch.setattr(chain_run, "CHUNK_SECONDS", 1e-4)
    monkeypatch.setattr(workers, "CALLBACK_SECONDS", 1e-3)
    for name in ("FIRST_SECONDS", "SECONDS"):
        monkeypatch.setattr(keeper, name, 0.0)
    monkeypatch.setattr(keeper, "COST_SHARE", 1e9)
    return


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


def check_beginning(found: DataTree, expected: DataTree) -> None:
    """Compare what a store holds while its run goes on with the first draws of that run."""
    for group, node in found.children.items():
        for name, variable in node.to_dataset().data_vars.items():
            if "draw" in variable.dims:
                first = expected[group][name].isel(draw=slice(variable.sizes["draw"])).values
                np.testing.assert_array_equal(variable.values, first)


def test_more_draws_extend_a_run(prepared: Prepared, tmp_path: Path) -> None:
    store = tmp_path / "run.zarr"
    draws = prepared.options["draws"]
    prepared.compiled.sample(**{**prepared.options, "draws": draws // 3}, store=store)
    assert_same(ppl.resume(store, prepared.compiled, draws, progress=False), prepared.expected)
    again = ppl.resume(store, prepared.compiled, progress=False)
    assert_same(again, prepared.expected)
    with pytest.raises(SamplingError, match="cannot have fewer"):
        ppl.resume(store, prepared.compiled, 2)
