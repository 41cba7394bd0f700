"""Labels of columns, and their numbers, are made when they are asked for.

Answers: a loop over coordinates; ArviZ's numbers.
"""

from __future__ import annotations

import itertools

import arviz as az
import numpy as np
import pytest
import xarray as xr

import ppl
from graphs.errors import ModelError
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


def test_what_a_first_look_clears_is_known_when_it_is_asked_for():
    draws = np.random.default_rng(1).normal(size=(4, 1000, 400))
    draws[1, 20:, 7] = np.nan
    draws[:, :, 9] = 1.0
    in_memory = az.from_dict({"posterior": {"x": draws, "y": draws[:, :, 3] ** 3}})
    for trace in (in_memory, in_memory.chunk()):  # the second is read when it is asked for
        diagnosis = ppl.diagnose(trace)
        assert diagnosis.left_out > 200
        for ours, theirs in (
            (diagnosis.r_hat, az.rhat),
            (diagnosis.ess_bulk, az.ess),
            (diagnosis.ess_tail, lambda x: az.ess(x, method="tail", prob=(0.05, 0.95))),
        ):
            assert {*ours} == {"y", *(f"x[{i}]" for i in range(400) if i != 7)}
            assert len([*ours]) == len(ours) == 400
            # An element of few draws is no number; one that does not vary has none.
            assert np.isnan(ours["x[9]"])
            for label in ("y", "x[3]", "x[399]"):
                values = draws[:, :, int(label.strip("x[]"))] if "x" in label else draws[:, :, 3] ** 3
                assert ours[label] == pytest.approx(float(theirs(values)), rel=1e-12)
        assert max(value for value in diagnosis.r_hat.values() if np.isfinite(value)) < 1.02
        for wrong, said in (
            ("x", r"is called 'x'; there are x\[0\], "),
            ("x[400]", r"called 'x\[400\]'; there are x\["),
        ):
            with pytest.raises(ModelError, match=said) as raised:
                diagnosis.r_hat[wrong]
            assert isinstance(raised.value, KeyError)
            assert diagnosis.r_hat.get(wrong) is None
