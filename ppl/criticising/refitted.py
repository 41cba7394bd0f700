"""What ArviZ asks of a model that it samples again without a row. Imported where it is used: ArviZ imports JAX."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from arviz_stats import SamplingWrapper
from numpy.typing import NDArray
from xarray import DataArray, DataTree

from graphs.errors import ModelError
from ppl.modelling.interventions import observe
from ppl.modelling.model import Model
from ppl.predicting.likelihood import log_likelihood
from ppl.running.sampling import sample


class Refitted(SamplingWrapper):
    """The model, sampled without a row: ArviZ's protocol of functions that refit."""

    def __init__(self, model: Model, tree: DataTree, name: str, seed: int, backend: str):
        super().__init__(model=model, idata_orig=tree)
        if name not in model.observed_data:
            raise ModelError(f"{name} is a joint log-likelihood of several variables: no row can be left out.", name)
        self._tree, self._name, self._seed, self._backend = tree, name, seed, backend

    def sel_observations(self, idx: Any) -> tuple[NDArray, int]:
        """Return the data without a row, which is masked, and the row."""
        [row] = np.atleast_1d(np.asarray(idx, dtype=int).ravel())
        data = np.ma.masked_array(self.model.observed_data[self._name], mask=False, copy=True)
        data.mask = np.arange(data.size).reshape(data.shape) == row
        return data, int(row)

    def sample(self, modified_observed_data: NDArray) -> DataTree:
        """Return a trace of the model without the row."""
        sizes = self._tree["posterior"].sizes
        self._seed += 1
        return sample(
            observe(self.model, {self._name: modified_observed_data}),
            draws=sizes["draw"],
            chains=sizes["chain"],
            seed=self._seed,
            progress=False,
        )

    def get_inference_data(self, fitted_model: DataTree) -> DataTree:
        """Return the trace."""
        return fitted_model

    def log_likelihood__i(self, excluded_obs: int, idata__i: DataTree) -> DataArray:
        """Return the log-likelihood of the row at the draws."""
        whole = log_likelihood(self.model, idata__i)["log_likelihood"][self._name]
        flat = whole.stack(row=[dim for dim in whole.dims if dim not in ("chain", "draw")])
        return cast(DataArray, flat.isel(row=excluded_obs, drop=True))
