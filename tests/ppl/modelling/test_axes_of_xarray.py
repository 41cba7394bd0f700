"""Axes of data in xarray are told by their names.

Answers: the arrays of NumPy that xarray holds.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import ppl
from graphs.errors import ModelError


class TestAxesOfXarray:
    """Their names say which axis is which, whatever their order; labels in another order are no data of the model."""

    SITES, YEARS = ("a", "b"), (2001, 2002)
    DATA = xr.DataArray(
        [[1.0, 2.0], [3.0, 4.0]], dims=("site", "year"), coords={"site": list(SITES), "year": list(YEARS)}
    )

    def model(self, data, *, is_declared=False):
        mu = ppl.Normal("mu", 0, 1, dims={"site": self.SITES})
        axes = {"dims": {"site": self.SITES, "year": self.YEARS}} if is_declared else {"size": (2, 2)}
        y = ppl.Normal("y", mu[:, None], 1, **axes)
        return ppl.Model({y: data}, dims={} if is_declared else {"y": ("site", "year")}, coords={"year": self.YEARS})

    @pytest.mark.parametrize("is_declared", [False, True])
    def test_outcomes(self, is_declared):
        for data in (self.DATA, self.DATA.T, self.DATA.to_numpy()):
            np.testing.assert_array_equal(self.model(data, is_declared=is_declared).observed_data["y"], self.DATA)

    def test_labels_and_names_at_other_places(self):
        for data in (self.DATA[::-1], self.DATA.T[:, ::-1], self.DATA.assign_coords(year=[2002, 2003])):
            with pytest.raises(
                ModelError, match=r"data of y have other labels along '(site|year)'.*data.sel\((site|year)="
            ):
                self.model(data)
        with pytest.raises(ModelError, match=r"have the axes \('year', 'plot'\).*'year' is another axis"):
            self.model(self.DATA.T.rename(site="plot"))
        # Numbers in the place of names, and axes of other names, tell nothing.
        for data in (self.DATA.assign_coords(site=[0, 1]), self.DATA.rename(site="plot", year="time")):
            np.testing.assert_array_equal(self.model(data).observed_data["y"], self.DATA)

    def test_covariates_and_their_new_values(self):
        x = ppl.Data("x", self.DATA.T, dims=("site", "year"))
        model = ppl.Model({ppl.Normal("y", x * ppl.Normal("b", 0, 1), 1e-9): np.zeros((2, 2))})
        np.testing.assert_array_equal(model.constant_data["x"], self.DATA)
        trace = xr.DataTree.from_dict({"posterior": xr.Dataset({"b": (("chain", "draw"), np.ones((1, 2)))})})
        found = ppl.posterior_predictive(model, trace, data={"x": self.DATA.T + 10}, seed=1).posterior_predictive["y"]
        np.testing.assert_allclose(found[0, 0], np.add(self.DATA, 10), atol=1e-6)
        with pytest.raises(ModelError, match="elements of x have other labels along 'site'"):
            ppl.Data("x", self.DATA[::-1], dims={"site": self.SITES, "year": self.YEARS})
