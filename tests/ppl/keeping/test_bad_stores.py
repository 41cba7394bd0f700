"""Stores that cannot be: each is refused in words, before sampling where that is possible, and nothing drawn is lost.

Answers: what the errors are to name, and the same run in memory.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import ppl
from graphs.errors import SamplingError
from ppl.keeping import folder
from tests.ppl.keeping.stored_models import CASES, COUNTS, Prepared, X, assert_same, commit_often


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(CASES["nuts"])


@pytest.fixture
def store(prepared: Prepared, tmp_path: Path) -> Path:
    path = tmp_path / "run.zarr"
    prepared.compiled.sample(**prepared.options, store=path)
    return path


def test_a_store_that_exists_says_what_it_holds(prepared: Prepared, store: Path) -> None:
    with pytest.raises(SamplingError, match=r"holds 60 of 60 draws of each of 2 chains .*slopes.*ppl\.resume\("):
        prepared.compiled.sample(**prepared.options, store=store)
    found = prepared.compiled.sample(**{**prepared.options, "seed": 8}, store=store, overwrite=True)
    assert found.attrs["seed"] == 8


def test_something_else_is_not_overwritten(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    for overwrite in (False, True):
        with pytest.raises(SamplingError, match="There is something else"):
            prepared.compiled.sample(**prepared.options, store=tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(SamplingError, match="no store of a run"):
            ppl.resume(place, prepared.compiled)
    with pytest.raises(SamplingError, match="no store at"):
        ppl.resume(tmp_path / "nowhere", prepared.compiled)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    bad = (
        ("nosuch://bucket/run.zarr", "cannot be reached: .*nosuch"),
        (3, "store is a path"),
        ("", "empty"),
        ("a\0b", "character of number zero"),
        ("x" * 300, r"cannot be reached \(File name too long\)"),
        ("~nosuch-user/run.zarr", "cannot be reached: .*[Hh]ome"),
    )
    for wrong, said in (*bad, (tmp_path / "link", "a link to what is not there")):
        with pytest.raises(SamplingError, match=said):
            prepared.compiled.sample(**prepared.options, store=wrong)
    for wrong, said in bad:
        with pytest.raises(SamplingError, match=said):
            ppl.resume(wrong, prepared.compiled)


@pytest.mark.parametrize("name", ["~/run.zarr", "a#b.zarr", "a?b=1", "a::b", "\u0436 \u00fc.zarr", "a\nb", "%20[a]*"])
def test_a_path_is_taken_as_it_is(name: str, prepared: Prepared, tmp_path: Path, monkeypatch: Any) -> None:
    """Not as the address that some of it could be; the home of who runs it is meant by the sign for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    prepared.compiled.sample(**{**prepared.options, "seed": 8}, store="a")
    assert_same(prepared.compiled.sample(**prepared.options, store=name), prepared.expected)
    assert (tmp_path / name.replace("~", "home") / "zarr.json").exists()
    found = ppl.resume(name, prepared.compiled, progress=False)
    monkeypatch.chdir("/")
    assert_same(found, prepared.expected)


def test_what_would_draw_other_numbers_does_not_go_on(store: Path, prepared: Prepared, monkeypatch: Any) -> None:
    model = CASES["nuts"].model()
    with monkeypatch.context() as patched:
        patched.setattr(prepared.compiled, "backend", "jax")
        with pytest.raises(SamplingError, match=r"begun with backend='numba', .* compiled with 'jax'"):
            ppl.resume(store, prepared.compiled, progress=False)
    with pytest.raises(SamplingError, match="begun with sampler='nuts' and goes on with it: leave sampler out"):
        ppl.resume(store, model, sampler="slice", progress=False)
    assert_same(ppl.resume(store, model, sampler="nuts", progress=False), prepared.expected)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("ppl.running.sampling.compile", None)
    with pytest.raises(SamplingError, match="cannot be made"):
        ppl.sample(CASES["nuts"].model(), store=tmp_path / "run.zarr", progress=False)


def another(data: np.ndarray = COUNTS, scale: float = 1.0, labels: tuple[str, ...] = ("first", "second")) -> ppl.Model:
    level, spread = ppl.Normal("level", 0, 1), ppl.HalfNormal("scale", 1)
    slopes = ppl.Normal("slopes", 0, scale, shape=2, dims="column")
    rate = ppl.Deterministic("rate", np.exp(level * spread + X @ slopes))
    return ppl.Model({ppl.Poisson("y", rate): data}, coords={"column": list(labels)})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": COUNTS + 1}, "the data of y differs"),
        ({"scale": 2.0}, "the variable slopes differs"),
        ({"labels": ("first", "other")}, "the labels of column differs"),
    ],
)
def test_another_model_is_refused(store: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SamplingError, match=f"of another model: {said}"):
        ppl.resume(store, another(**options), progress=False)


def test_the_same_model_made_again_goes_on(store: Path, prepared: Prepared) -> None:
    """And with other names it is another one."""
    assert_same(ppl.resume(store, another(), progress=False), prepared.expected)
    with pytest.raises(SamplingError, match="the variable level is not in the model"):
        ppl.resume(store, CASES["table"].model(), progress=False)


@pytest.mark.parametrize("what", ["run.json", "committed.json", "checkpoint_*.npz", "start.npz", "zarr.json"])
def test_a_damaged_store_is_refused(store: Path, prepared: Prepared, what: str) -> None:
    [file] = (store if what == "zarr.json" else store / ".run").glob(what)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SamplingError, match=f"damaged: .*{file.name}"):
        ppl.resume(store, prepared.compiled, progress=False)
    if file.suffix == ".json":
        of_one = json.loads(whole)
        others = [{key: value for key, value in of_one.items() if key != left_out} for left_out in of_one]
        others += [{**of_one, key: None} for key in of_one if key not in ("zarr_format", "node_type", "attributes")]
        for other in ([1, 2], *others) if what != "zarr.json" else ([1, 2], {}, {**of_one, "consolidated_metadata": 3}):
            file.write_text(json.dumps(other))
            with pytest.raises(
                SamplingError, match=rf"damaged: .*{file.name}.*again from where it came|has format None"
            ):
                ppl.resume(store, prepared.compiled, progress=False)
            with pytest.raises(SamplingError, match="overwrite=True"):
                prepared.compiled.sample(**prepared.options, store=store)
    file.write_bytes(whole)
    assert_same(ppl.resume(store, prepared.compiled, progress=False), prepared.expected)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("draws", "x"), ("draws", -3), ("chains", None), ("seed", "x"), ("seed", None), ("thin", 0), ("var_names", 3)],
)
def test_wishes_that_nobody_can_have_written_are_refused(store: Path, prepared: Prepared, key: str, wrong: Any) -> None:
    file = store / ".run/run.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "sample": {**manifest["sample"], key: wrong}}))
    with pytest.raises(SamplingError, match=rf"{key} (is|are) |var_names are|damaged: .run/run.json.*{key}"):
        ppl.resume(store, prepared.compiled, progress=False)


@pytest.mark.parametrize(
    "what",
    [
        "posterior/slopes/c/1/0/0",
        "sample_stats/lp/c/0/0",
        "warmup_posterior/level/c/1/0",
        "posterior/draw/c/0",
        "posterior/column/c/0",
        "observed_data/y/c/0",
    ],
)
def test_draws_that_are_gone_are_missed(store: Path, prepared: Prepared, what: str) -> None:
    """Readers would take them for numbers that are missing, or zero."""
    file = store / what
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    with pytest.raises(SamplingError, match=rf"damaged: {what}, .* has {len(whole) - 8:,} of {len(whole):,} bytes"):
        ppl.resume(store, prepared.compiled, progress=False)
    file.unlink()
    with pytest.raises(SamplingError, match=f"damaged: {what}, .* is missing"):
        ppl.resume(store, prepared.compiled, progress=False)
    file.write_bytes(whole)
    assert_same(ppl.resume(store, prepared.compiled, progress=False), prepared.expected)


def test_other_versions_go_on_with_a_warning(
    store: Path, prepared: Prepared, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = ppl.running.results.versions()
    monkeypatch.setattr("ppl.storing.resuming.versions", lambda: {**now, "numba": "99.0"})
    with caplog.at_level(logging.WARNING, "rvgraph"):
        ppl.resume(store, prepared.compiled, progress=False)
    assert f"numba {now['numba']} -> 99.0" in caplog.text


def test_a_full_disk_leaves_what_was_committed(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write fails from some number on, half of it done; later there is room again."""
    commit_often(monkeypatch)
    store, plain = tmp_path / "run.zarr", os.pwrite
    for room in (3, 20, 20):
        left = room

        def write(file: int, data: Any, offset: int) -> int:
            nonlocal left
            left -= 1
            if left < 0:
                plain(file, data[: len(data) // 2], offset)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return plain(file, data, offset)

        monkeypatch.setattr(folder.os, "pwrite", write)
        go_on = prepared.go_on if store.exists() else prepared.begin
        with pytest.raises(SamplingError, match=r"cannot be written \(No space left.*ppl\.resume"):
            go_on(store)
    monkeypatch.setattr(folder.os, "pwrite", plain)
    assert_same(ppl.resume(store, prepared.compiled, progress=False), prepared.expected)


def test_nothing_of_a_store_is_run(store: Path, prepared: Prepared) -> None:
    """A pickle in the place of arrays is refused, not opened."""
    [file] = (store / ".run").glob("checkpoint_*.npz")
    np.savez(file, state=np.array([print], dtype=object))
    with pytest.raises(SamplingError, match=r"damaged: .*allow_pickle"):
        ppl.resume(store, prepared.compiled, progress=False)


def test_a_chain_that_stops_keeps_its_draws(tmp_path: Path) -> None:
    """Where a chain has stopped numbers are missing, whole ones too."""
    import pytensor.tensor as pt

    x = ppl.Normal("x", 0, 1)
    ppl_k = ppl.Deterministic("k", pt.floor(x).astype("int64"))
    walk = ppl.Potential("wall", pt.switch(pt.abs(x) > 2.2, np.nan, 0.0))
    compiled = ppl.compile(ppl.Model(x, ppl_k, walk), sampler={"x": "slice"}, progress=False)
    options = {"draws": 400, "tune": 0, "chains": 2, "seed": 1, "init": {"x": 0.0}, "progress": False}
    expected = compiled.sample(**options)
    found = compiled.sample(**options, store=tmp_path / "run.zarr")
    np.testing.assert_array_equal(found.posterior["x"], expected.posterior["x"])
    np.testing.assert_array_equal(found.posterior["k"], expected.posterior["k"])
    again = xarray.open_datatree(tmp_path / "run.zarr", engine="zarr")
    np.testing.assert_array_equal(again.posterior["k"], expected.posterior["k"])
