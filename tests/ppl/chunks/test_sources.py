"""What rows are read from, and what is said of rows that cannot be read.

Answers: the arrays that were written, read by NumPy.
"""

from __future__ import annotations

import pickle
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr

import ppl
from graphs.errors import DerivationError, ModelError
from ppl.chunks import source
from ppl.chunks.arrays import as_source
from ppl.chunks.passing import parts_to_read
from ppl.chunks.rows_of_model import refuse_chunks
from ppl.chunks.source import SomeRows, rows_from_everywhere, source_of

RNG = np.random.default_rng(4)
MATRIX = RNG.normal(size=(1000, 3))
WHOLE = RNG.integers(0, 9, 1000)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ppl.chunks.parquet.ParquetTable:
    folder = tmp_path_factory.mktemp("rows")
    for number, rows in enumerate([slice(0, 300), slice(300, 301), slice(301, 1000)]):
        frame = pd.DataFrame({"whole": WHOLE[rows], "a": MATRIX[rows, 0], "b": MATRIX[rows, 1].astype("float32")})
        frame.assign(word="x", gap=np.where(frame.a > 1, np.nan, frame.a)).to_parquet(
            folder / f"{number}.parquet", row_group_size=200
        )
    return ppl.parquet(folder)


def memory_map(folder: Any) -> Any:
    mapped = np.memmap(folder / "rows", "float64", "w+", shape=MATRIX.shape)
    mapped[:] = MATRIX
    mapped.flush()
    return np.memmap(folder / "rows", "float64", "r", shape=MATRIX.shape)


def zarr_array(folder: Any) -> Any:
    array = zarr.create_array(str(folder / "rows.zarr"), shape=MATRIX.shape, chunks=(128, 3), dtype="float64")
    array[:] = MATRIX
    return array


KINDS = {"dask": lambda folder: da.from_array(MATRIX, chunks=(170, 2)), "memory map": memory_map, "zarr": zarr_array}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_array(kind, tmp_path):
    source = as_source(KINDS[kind](tmp_path), "x")
    for found in (source, pickle.loads(pickle.dumps(source))):
        assert (found.shape, found.dtype) == ((1000, 3), "float64")
        np.testing.assert_array_equal(found.read(150, 400), MATRIX[150:400])
        rows = np.array([999, 0, 170, 169, 170])
        np.testing.assert_array_equal(found.take(rows), MATRIX[rows])
    assert source.boundaries[0] == 0
    assert source.boundaries[-1] == 1000


def test_columns_are_those_of_the_files(table):
    assert (len(table), table.columns) == (1000, ("whole", "a", "b", "word", "gap"))
    assert table["a"].boundaries == [0, 200, 300, 301, 501, 701, 901, 1000]
    np.testing.assert_array_equal(table["whole"].read(0, 1000), WHOLE)
    both = pickle.loads(pickle.dumps(table[["a", "b"]])).read(250, 720)
    np.testing.assert_array_equal(both[:, 0], MATRIX[250:720, 0])
    np.testing.assert_array_equal(both[:, 1], MATRIX[250:720, 1].astype("float32"))
    np.testing.assert_array_equal(np.isnan(table["gap"].read(0, 1000)), MATRIX[:, 0] > 1)


def test_parts_are_whole_chunks():
    assert parts_to_read([as_source(da.zeros(10**6, chunks=1000), "x")]) == [(0, 525_000), (525_000, 10**6)]
    coarse, fine = da.zeros(10**6, chunks=600_000), da.zeros(10**6, chunks=7)
    assert parts_to_read([as_source(a, "x") for a in (coarse, fine)]) == [(0, 600_000), (600_000, 10**6)]


def test_what_is_declared_is_an_input_of_the_shape_of_all_rows():
    x = ppl.Data("x", da.from_array(MATRIX, chunks=100), dims=("row", "column"))
    assert (x.type.shape, x.type.dtype) == ((1000, 3), "float64")
    assert source_of(x).num_rows == 1000
    assert source_of(ppl.Data("x", MATRIX)) is None


def model_of(y: Any, x: Any = None, kind: Any = ppl.Normal) -> ppl.Model:
    m = ppl.Normal("m", 0, 1)
    mean = m if x is None else m * ppl.Data("x", x)
    return ppl.Model({kind("y", mean, 1.0) if kind is ppl.Normal else kind("y", np.e**m): y})


COLUMN = da.from_array(MATRIX[:, 0].copy(), chunks=100)
UNKNOWN = COLUMN[COLUMN > 0]
HOLES = np.where(np.arange(1000) == 17, np.nan, MATRIX[:, 0])
BAD = {
    "unknown sizes": (lambda: model_of(UNKNOWN), r"unknown sizes.*compute_chunk_sizes"),
    "unknown sizes of data": (lambda: ppl.Data("x", UNKNOWN), r"chunks of x have unknown sizes"),
    "words": (lambda: ppl.Data("x", da.from_array(np.array(["a", "b"]))), r"numbers are needed"),
    "no rows": (lambda: ppl.Data("x", da.zeros((0, 3))), r"no rows"),
    "floats for counts": (lambda: model_of(COLUMN, kind=ppl.Poisson), r"y is discrete but its data are floats"),
    "other lengths": (lambda: model_of(COLUMN, COLUMN[:900]), r"900"),
    "holes in a covariate": (lambda: model_of(COLUMN, da.from_array(HOLES, chunks=10)).graph, r"x\[17\] is nan"),
    "outside of a support": (
        lambda: model_of(da.from_array(WHOLE - 1, chunks=100), kind=ppl.Poisson).graph,
        r"outside its support",
    ),
    "a row for each": (
        lambda: ppl.Model({ppl.Normal("y", ppl.Normal("u", 0, ppl.Data("x", COLUMN**2 + 1)), 1): COLUMN}),
        r"u reads x, which is in chunks",
    ),
    "an expression for each": (
        lambda: ppl.Model({ppl.Normal("y", ppl.Deterministic("d", 2 * ppl.Data("x", COLUMN)), 1): COLUMN}),
        r"d reads x.*leave out ppl.Deterministic",
    ),
    "a table": (lambda: refuse_chunks(["y"], "Predictions"), r"Predictions would have numbers for each row of y"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_said(name):
    make, message = BAD[name]
    with pytest.raises(ModelError, match=message):
        make()


def test_likelihoods_without_statistics_offer_batches():
    y = ppl.StudentT("y", 4, mu=ppl.Normal("m", 0, 1) * ppl.Data("x", COLUMN), sigma=1)
    model = ppl.Model({y: COLUMN})
    with pytest.raises(DerivationError, match=r"y is of 1,000 rows in chunks.*minibatch=1000") as error:
        ppl.plan(model, progress=False)
    assert error.value.variable == "y"


def test_what_has_numbers_for_each_row_is_refused():
    model = model_of(COLUMN)
    with pytest.raises(ModelError, match=r"each row of y.*table\['x'\]\.read\(0, 10_000\)"):
        ppl.prior_predictive(model)


def test_columns_that_are_not_there_are_named(table):
    with pytest.raises(ModelError, match=r"no column \['z'\]"):
        table["z"]
    with pytest.raises(ModelError, match=r"'word' holds no numbers"):
        table["word"]
    with pytest.raises(ModelError, match=r"no Parquet file"):
        ppl.parquet("nothing/*.parquet")


def test_checks_look_at_some_rows_of_all():
    """Two columns of ones, which can also change places; rows without an outcome are left out."""
    rng = np.random.default_rng(5)
    y = rng.normal(size=40_000)
    y[:300] = np.nan
    slope = ppl.Normal("slope", 0, 1, size=2)
    design = np.ones((40_000, 2))
    rows, data = (da.from_array(array, chunks=(7_000, *array.shape[1:])) for array in (design, y))
    model = ppl.Model({ppl.Normal("y", ppl.Normal("a", 0, 1) + ppl.Data("X", rows) @ slope, 1): data})
    assert [concern.code for concern in ppl.check(model)] == ["constant-column", "exchangeable"]
    assert model.in_chunks == ("y",)


def test_rows_come_from_everywhere():
    sources = [as_source(da.from_array(np.arange(10_000.0), chunks=999), "x")]
    rows = rows_from_everywhere(sources, 160)
    assert len(rows) == 160
    assert (np.diff(rows) > 0).all()
    assert rows[0] == 0
    assert rows[-1] == 9_999
    np.testing.assert_array_equal(SomeRows(sources[0], rows).read(0, 160), rows)
    np.testing.assert_array_equal(rows_from_everywhere(sources, 10**6), np.arange(10_000))


def test_variables_are_looked_at_once_for_chunks(monkeypatch):
    """Of a chain of n variables, each above the next, some multiple of n are looked at, not n squared."""
    looked = []

    def counted(variable):
        looked.append(variable)
        return source_of(variable)

    monkeypatch.setattr(source, "source_of", counted)
    counts = []
    for length in (20, 40, 80):
        looked.clear()
        state, data = ppl.Normal("x0", 0, 1), {}
        for step in range(length):
            state = ppl.Normal(f"x{step + 1}", state, 1)
            data[ppl.Normal(f"y{step}", state, 1)] = 0.5
        ppl.Model(data)
        counts.append(len(looked))
    assert counts[2] < 2.2 * counts[1] < 4.84 * counts[0]
