"""What is computed of a trace that is on disk, part by part: at once or when it is used, and whatever is asked of it.

Answers: the same of the trace in memory; ArviZ, which reads a trace as a whole.
"""

from __future__ import annotations

from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray
from xarray import DataTree

import ppl
from ppl.diagnosing import columns
from ppl.predicting import missing_draws

SHAPE = (3, 70)
ROWS = 16


def clusters() -> ppl.Model:
    """Centres that are drawn, and components of the data that are summed out."""
    centres = ppl.Normal("centres", [0.0, 5.0], 1, dims="component")
    weights = ppl.Dirichlet("weights", np.ones(2), dims="component")
    k = ppl.Categorical("k", weights, shape=4)
    count = ppl.Data("count", np.array([1.0, 2, 3, 4]))
    y = ppl.Normal("y", centres[k] * count, 1)
    n = ppl.Poisson("n", np.exp(centres[0]))
    return ppl.Model({y: np.array([0.1, 9.8, 0.2, 20.1]), n: 2}, coords={"component": ["low", "high"]})


@pytest.fixture(scope="module")
def model() -> ppl.Model:
    return clusters()


def trace_of(missing: bool) -> DataTree:
    rng = np.random.default_rng(2)
    centres, weights = rng.normal([0.0, 5.0], 0.5, (*SHAPE, 2)), rng.dirichlet([3, 4], SHAPE)
    if missing:
        centres[1, 30:], weights[1, 30:] = np.nan, np.nan
    dims = ("chain", "draw", "component")
    arrays = {"centres": (dims, centres), "weights": (dims, weights)}
    tree = DataTree()
    posterior = xarray.Dataset(arrays, {"chain": range(3), "draw": range(70), "component": ["low", "high"]})
    tree.children = {"posterior": DataTree(posterior)}
    return tree


def on_disk(trace: DataTree, folder: Path) -> DataTree:
    trace.to_zarr(folder / "trace.zarr", zarr_format=2)
    return xarray.open_datatree(folder / "trace.zarr", engine="zarr", cache=False)


@pytest.fixture(params=[False, True], ids=["whole", "a chain has stopped"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[DataTree, DataTree]:
    """In memory and on disk, in parts of few rows, none of which is computed at once."""
    monkeypatch.setattr(missing_draws, "MOST_ROWS", ROWS)
    monkeypatch.setattr(missing_draws, "AT_ONCE_BYTES", 0)
    trace = trace_of(request.param)
    return trace, on_disk(trace, tmp_path)


FUNCTIONS = {
    "recover": (lambda model, trace: ppl.recover(model, trace, seed=3), "posterior"),
    "log_likelihood": (ppl.log_likelihood, "log_likelihood"),
    "posterior_predictive": (
        lambda model, trace: ppl.posterior_predictive(model, trace, seed=3),
        "posterior_predictive",
    ),
    "of new data": (
        lambda model, trace: ppl.posterior_predictive(model, trace, data={"count": np.ones(4)}, seed=3),
        "posterior_predictive",
    ),
}


@pytest.mark.parametrize("which", FUNCTIONS)
def test_parts_of_a_trace_on_disk_are_those_in_memory(
    which: str, model: ppl.Model, pair: tuple[DataTree, DataTree]
) -> None:
    function, group = FUNCTIONS[which]
    expected, found = (function(model, trace)[group].to_dataset() for trace in pair)
    assert list(found.data_vars) == list(expected.data_vars)
    for name, array in expected.data_vars.items():
        assert found[name].dtype == array.dtype
        assert not found[name].variable._in_memory
        # Whatever is asked for, in whatever order.
        for cut in (
            {"chain": 2, "draw": slice(60, 70)},
            {"draw": [69, 3, 20]},
            {"chain": slice(None, None, -1), "draw": 15},
            dict.fromkeys(array.dims[2:], 0),
            {},
        ):
            np.testing.assert_array_equal(found[name].isel(cut), array.isel(cut))
    xarray.testing.assert_equal(found.chunk(draw=7).compute(), expected)


def test_a_short_trace_draws_as_with_one_generator(model: ppl.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows do not depend on how many there are, and rows of other parts are drawn otherwise."""
    trace = trace_of(missing=False)
    whole = ppl.posterior_predictive(model, trace, seed=3)["posterior_predictive"]["n"].to_numpy()
    monkeypatch.setattr(missing_draws, "MOST_ROWS", ROWS)
    parts = ppl.posterior_predictive(model, trace, seed=3)["posterior_predictive"]["n"].to_numpy()
    np.testing.assert_array_equal(whole[0, :ROWS], parts[0, :ROWS])
    assert (whole != parts).any()


def test_another_process_computes_the_same(model: ppl.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    monkeypatch.setattr(missing_draws, "AT_ONCE_BYTES", 0)
    found = ppl.posterior_predictive(model, on_disk(trace_of(missing=False), tmp_path), seed=3)["posterior_predictive"]
    again = cloudpickle.loads(cloudpickle.dumps(found.to_dataset()))
    np.testing.assert_array_equal(again["y"], found["y"])


def test_all_draws_missing_is_said(model: ppl.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_draws, "AT_ONCE_BYTES", 0)
    trace = trace_of(missing=False)
    trace["posterior"] = DataTree(trace["posterior"].to_dataset() * np.nan)
    with pytest.raises(ppl.ModelError, match="Every draw of the trace is missing"):
        ppl.log_likelihood(model, on_disk(trace, tmp_path))


def wide() -> DataTree:
    rng, tree = np.random.default_rng(4), DataTree()
    # Chains that do not agree on one number, which has to be found.
    apart = rng.normal(size=(4, 200, 3, 4))
    apart[1, :, 2, 1] += 3
    variables = {
        "one": (("chain", "draw"), rng.normal(size=(4, 200))),
        "many": (("chain", "draw", "row", "column"), apart),
        "none": (("chain", "draw", "nothing"), np.zeros((4, 200, 0))),
        "count": (("chain", "draw"), rng.poisson(3, (4, 200))),
    }
    tree.children = {"posterior": DataTree(xarray.Dataset(variables, {"column": list("abcd")}))}
    return tree


@pytest.mark.parametrize("read", [1, 8 * 800 * 5, 2**27])
def test_numbers_are_judged_and_summarised_some_at_a_time(
    read: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = wide()
    expected = az.summary(trace, var_names=["one", "many", "count"])
    monkeypatch.setattr(columns, "READ_BYTES", read)
    stored = on_disk(trace, tmp_path)
    table = ppl.summary(stored, ["one", "many", "count"])
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(expected))
    assert repr(table) == repr(expected)
    for values in (2**19, 1):  # closely, and by a screen first
        monkeypatch.setattr("ppl.diagnosing.evidence.MOST_VALUES", values)
        monkeypatch.setattr("ppl.diagnosing.columns.KEPT_VALUES", values)
        assert ppl.diagnose(stored).verdict == ppl.diagnose(trace).verdict
    assert "many[2,b]" in ppl.diagnose(stored).verdict.replace(" ", "")


def test_a_table_of_nothing_is_refused() -> None:
    with pytest.raises(ppl.ModelError, match="no draws of 'nobody'; there are of one, many"):
        ppl.summary(wide(), ["nobody"])
    with pytest.raises(ppl.ModelError, match="is a list of names"):
        ppl.summary(wide(), "one")
    with pytest.raises(ppl.ModelError, match="leave fmt out"):
        ppl.summary(wide(), fmt="long")
    with pytest.raises(ppl.ModelError, match="names no variable"):
        ppl.summary(wide(), [])
    with pytest.raises(ppl.ModelError, match="is needed, not dict"):
        ppl.summary({"posterior": 1})  # type: ignore[arg-type]
