"""Runs into stores until draws are enough: they stop where runs in memory do, whatever ended them in between.

Answers: the same runs in memory, never interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import ppl
from graphs.errors import SamplingError
from tests.ppl.keeping.stored_models import CASES, Prepared, assert_same, gone_on_after_crashes

UNTIL = ppl.Until(ess=300, r_hat=1.05, most_draws=3000)
KINDS: dict[str, dict[str, Any]] = {
    "nuts": {"tune": "auto", "keep_tuning": False},
    "gibbs": {"tune": 20},
    "drawn back": {"tune": "auto"},
    "exact": {},
}


@pytest.fixture(scope="module", params=KINDS)
def prepared(request: pytest.FixtureRequest) -> Prepared:
    return Prepared(CASES[request.param], draws=None, until=UNTIL, **KINDS[request.param])


def test_a_run_stops_where_it_would_have_stopped(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at commits and in looks; then it goes on."""
    found = gone_on_after_crashes(prepared, tmp_path / "run.zarr", monkeypatch, seed=5, num_crashes=4, most_commits=7)
    assert found.attrs["until_met"] == 1
    assert_same(found, prepared.expected)


def test_a_run_that_was_enough_is_gone_on_with(prepared: Prepared, tmp_path: Path) -> None:
    store = tmp_path / "run.zarr"
    assert_same(prepared.begin(store), prepared.expected)
    assert_same(prepared.go_on(store), prepared.expected)
    assert_same(xarray.open_datatree(store, engine="zarr"), prepared.expected)
    number = prepared.expected.posterior.sizes["draw"]
    with pytest.raises(SamplingError, match=rf"holds {number:,} draws of each of 2 chains"):
        prepared.begin(store)
    with pytest.raises(SamplingError, match=f"has {number} draws; it cannot have fewer"):
        ppl.resume(store, prepared.compiled, number - 1, progress=False)
    longer = ppl.resume(store, prepared.compiled, number + 50, progress=False)
    assert longer.posterior.sizes["draw"] == number + 50
    for name, array in prepared.expected.posterior.data_vars.items():
        np.testing.assert_array_equal(longer.posterior[name][:, :number], array)
    # From then on it is a run of so many draws.
    again = ppl.resume(store, prepared.compiled, progress=False)
    assert again.posterior.sizes["draw"] == number + 50
    assert "until_met" not in again.attrs


def test_a_clock_counts_the_seconds_of_all_its_processes(tmp_path: Path) -> None:
    """A run whose time is over goes on for none, and keeps what was drawn; a number of draws extends it."""
    store = tmp_path / "run.zarr"
    options = {"tune": 20, "chains": 2, "seed": 1, "progress": False}
    compiled = ppl.compile(CASES["gibbs"].model(), sampler="gibbs", marginalize=False, progress=False)
    until = ppl.Until(ess=1e7, seconds=0.4, most_draws=10**8)
    found = compiled.sample(until=until, store=store, **options)
    number = found.posterior.sizes["draw"]
    assert number > 0
    assert found.attrs["stopped_because"].startswith("0.4 seconds were over")
    assert not found.attrs["interrupted"]
    longer = ppl.resume(store, compiled, number + 2000, progress=False)
    expected = compiled.sample(number + 2000, **options)
    np.testing.assert_array_equal(longer.posterior["rates"], expected.posterior["rates"])


def test_wishes_that_no_run_can_meet_are_refused_before_there_is_a_store(tmp_path: Path) -> None:
    store = tmp_path / "run.zarr"
    with pytest.raises(SamplingError, match="Both draws=10 and until"):
        ppl.sample(CASES["exact"].model(), draws=10, until=ppl.Until(), store=store, progress=False)
    constant = ppl.Model({ppl.Normal("y", ppl.Uniform("c", 1, 1 + 1e-9) * 0 + ppl.Normal("m", 0, 1), 1): 0.5})
    with pytest.raises(ppl.ModelError, match="'nobody', of which this run keeps no draws"):
        ppl.sample(constant, until=ppl.Until(var_names=["nobody"]), store=store, progress=False)
    assert not store.exists()
