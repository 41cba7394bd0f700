"""Runs in stores: what is on disk is what memory would hold, whatever ended the run, and how often.

Answers: the same run in memory, never interrupted.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray

import ppl
from graphs.errors import SamplingError
from tests.ppl.keeping.stored_models import CASES, Prepared, assert_same, check_beginning, gone_on_after_crashes


@pytest.fixture(scope="module", params=CASES)
def prepared(request: pytest.FixtureRequest) -> Prepared:
    if request.param == "JAX":
        pytest.importorskip("jax")
    return Prepared(CASES[request.param])


def test_a_store_holds_what_memory_would(prepared: Prepared, tmp_path: Path) -> None:
    store = tmp_path / "run.zarr"
    found = prepared.compiled.sample(**prepared.options, store=store)
    assert_same(found, prepared.expected)
    assert_same(xarray.open_datatree(store, engine="zarr"), prepared.expected)


def test_a_run_goes_on_wherever_it_ended(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on disk is whole at any time."""
    store = tmp_path / "run.zarr"

    def look() -> None:
        if (store / "zarr.json").exists():
            check_beginning(xarray.open_datatree(store, engine="zarr"), prepared.expected)

    found = gone_on_after_crashes(prepared, store, monkeypatch, seed=3, num_crashes=5, most_commits=2, look=look)
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
