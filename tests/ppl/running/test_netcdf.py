"""Traces are written as netCDF files, and read again.

Answers: the trace that was written.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import ppl


def test_traces_are_written_and_read(tmp_path):
    """With groups of every kind, labels and attributes."""
    a = ppl.Normal("1|g", 0, 1, dims={"g": ["x", "y"]})
    model = ppl.Model({ppl.Normal("y", a, 1.0): np.array([0.3, -0.2])})
    trace = ppl.posterior_predictive(
        model, ppl.sample(model, draws=20, tune=20, chains=2, seed=1, sampler="nuts", progress=False), seed=1
    )
    trace.to_netcdf(tmp_path / "trace.nc")
    found = xr.open_datatree(tmp_path / "trace.nc")
    assert set(found.children) == set(trace.children)
    for group in trace.children:
        xr.testing.assert_equal(found[group].to_dataset(), trace[group].to_dataset())
    assert found.attrs["seed"] == 1
    assert found["posterior"]["g"].to_numpy().tolist() == ["x", "y"]
