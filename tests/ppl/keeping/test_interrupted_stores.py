"""Ctrl-C while a store is written, and values that cannot be computed: what counts is whole, or missing.

Answers: the same run in memory, never interrupted.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppl
from ppl.keeping import keeper
from ppl.storing import naming, stored
from tests.ppl.keeping.stored_models import CASES, Prepared, assert_same, commit_often


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(CASES["nuts"])


def test_ctrl_c_leaves_a_store_that_goes_on(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, options = tmp_path / "run.zarr", {**prepared.options, "draws": 20_000}
    expected = prepared.compiled.sample(**options)

    def interrupt(self: Any, states: list[dict]) -> None:
        if states[0]["draw"] > 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        commit_often(patched)
        patched.setattr("ppl.reporting.progress.ProgressBar.__call__", interrupt)
        found = prepared.compiled.sample(**options, store=store)
    assert found.attrs["interrupted"]
    assert found.posterior.sizes["draw"] < 20_000
    assert_same(ppl.resume(store, prepared.compiled, progress=False), expected)


@pytest.mark.parametrize("name", ["nuts", "table", "drawn back"])
def test_ctrl_c_at_the_very_beginning_leaves_nothing_out(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Nor does it go unheard; whoever pressed it again while rows are written waits for these."""
    prepared, store = Prepared(CASES[name]), tmp_path / "run.zarr"
    prepared.compiled.sample(**{**prepared.options, "draws": 20}, store=store)
    drawing, taking, pressed = stored.StoredRun._drawn, keeper.StoreKeeper.take, list[int]()

    def drawn(self: Any, *arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return drawing(self, *arguments)

    def take(self: Any, rows: Any) -> None:
        if threading.current_thread() is threading.main_thread() and not pressed:
            pressed.append(1)
            signal.raise_signal(signal.SIGINT)
        taking(self, rows)

    draws = prepared.options["draws"]
    with monkeypatch.context() as patched:
        patched.setattr(stored.StoredRun, "_drawn", drawn)
        patched.setattr(keeper.StoreKeeper, "take", take)
        found = ppl.resume(store, prepared.compiled, draws, progress=False)
    assert found.attrs["interrupted"]
    assert "left_out" not in found.attrs
    assert_same(ppl.resume(store, prepared.compiled, progress=False), prepared.expected)


def test_values_that_cannot_be_computed_are_missing(prepared: Prepared, tmp_path: Path, monkeypatch: Any) -> None:
    """Those of other draws stay."""
    plain = naming.named_groups

    def named_groups(*arguments: Any) -> Any:
        found = plain(*arguments)
        if arguments[-1][0] == 1:
            del found["posterior"]["rate"]
        return found

    monkeypatch.setattr(naming, "named_groups", named_groups)
    found = prepared.compiled.sample(**prepared.options, store=tmp_path / "run.zarr").posterior
    assert np.isnan(found["rate"][1]).all()
    np.testing.assert_array_equal(found["rate"][0], prepared.expected.posterior["rate"][0])
    np.testing.assert_array_equal(found["slopes"], prepared.expected.posterior["slopes"])
    monkeypatch.undo()
    assert np.isnan(ppl.resume(tmp_path / "run.zarr", prepared.compiled, progress=False).posterior["rate"][1]).all()
