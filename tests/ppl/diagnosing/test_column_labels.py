"""Labels of columns are made when they are asked for.

Answers: a loop over coordinates.
"""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr

import ppl
from ppl.diagnosing import column_labels
from ppl.diagnosing.column_labels import ColumnLabels


def test_labels_are_those_of_a_loop_over_coordinates():
    cities, months = ["Rome", "Oslo", "Bath"], np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    grid = xr.DataArray(np.zeros((2, 5, 3, 2)), dims=("chain", "draw", "city", "axis"), coords={"city": cities})
    dates = xr.DataArray(np.zeros((2, 5, 2)), dims=("chain", "draw", "month"), coords={"month": months})
    scalar = xr.DataArray(np.zeros((2, 5)), dims=("chain", "draw"))
    labels = ColumnLabels({"mu": scalar, "grid": grid, "dates": dates, "nu": scalar})
    expected = ["mu", *(f"grid[{c}, {i}]" for c, i in itertools.product(cities, range(2)))]
    expected += [*(f"dates[{m}]" for m in months.tolist()), "nu"]
    assert list(labels) == expected
    assert list(labels.at(np.array([8, 0, 3]))) == [expected[8], expected[0], expected[3]]
    assert list(labels[2:5]) == expected[2:5]
    assert labels[-1] == "nu"


def test_a_diagnosis_makes_labels_of_what_it_speaks_of_alone(monkeypatch):
    made = []
    label = column_labels._Variable.label
    monkeypatch.setattr(column_labels._Variable, "label", lambda *args: made.append(1) or label(*args))
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(4, 300, 2000))
    draws[0, :, 7] += 9.0
    posterior = xr.Dataset({"x": (("chain", "draw", "place"), draws)})
    diagnosis = ppl.diagnose(xr.DataTree.from_dict({"posterior": posterior}))
    assert "x[7]" in str(diagnosis)
    assert len(made) < 100
