"""How well a model predicts what it has not seen: each row left out in turn."""

from __future__ import annotations

import logging
import warnings
from typing import Any, cast

import arviz as az
import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError, PPLError
from graphs.surgery.traces import untraced
from ppl.criticising.unconstrained import UnconstrainedDraws
from ppl.modelling.interventions import observe
from ppl.modelling.model import Model, require_model
from ppl.predicting.likelihood import likelihood_graphs, log_likelihood
from ppl.predicting.posterior import posterior_of
from ppl.running.sampling import sample
from ppl.stopping.counts import checked_seed

logger = logging.getLogger("rvgraph")


def loo(
    model: Model,
    trace: DataTree,
    var_name: str | None = None,
    *,
    moment_match: bool = True,
    refit: bool = False,
    seed: int | None = None,
    backend: BackendName = "numba",
) -> Any:
    """Estimate how well each row is predicted from all others, by ArviZ's ``loo``, mended where weights are poor.

    Rows that the posterior leans on have weights of infinite variance (Pareto k above 0.7, for few draws less). For
    these draws are first moved to the moments of the posterior without the row, on the real line; then, if asked for,
    the model is sampled without it. ArviZ does both, and takes densities and runs from here.

    Parameters
    ----------
    model : Model
        The model.
    trace : DataTree
        As `ppl.sample` returned it, with a log-likelihood or without.
    var_name : str, optional
        Of the log-likelihood; needed where several variables are observed.
    moment_match : bool, default True
        Match moments for rows whose weights are poor.
    refit : bool, default False
        Sample once for each row whose weights are poor still, with as many chains and draws as the trace has.
    seed : int, optional
        Of these runs.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    arviz ELPDData
        ``elpd``, ``se``, ``p``, and of each row ``elpd_i`` and ``pareto_k`` (0 where it was left out for good). What
        ``az.compare`` takes.

    Raises
    ------
    ModelError
        If the trace is not of this model, or there are several log-likelihoods and none is named.

    References
    ----------
    .. [1] Vehtari, Gelman and Gabry (2017). Practical Bayesian model evaluation using leave-one-out cross-validation
       and WAIC. Statistics and Computing 27.
    .. [2] Paananen, Piironen, Buerkner and Vehtari (2021). Implicitly adaptive importance sampling. Statistics and
       Computing 31.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu, sigma = ppl.Normal("mu", 0, 10), ppl.HalfNormal("sigma", 5)
    >>> model = ppl.Model({ppl.Normal("y", mu, sigma): np.array([0.1, -0.3, 0.4, 0.2, -0.6, 0.3, 6.0])})
    >>> found = ppl.loo(model, ppl.sample(model, seed=1, progress=False))
    >>> found.elpd_i.sizes["y_dim_0"]
    7
    """
    require_model(model)
    posterior = posterior_of(trace)
    tree = trace if "log_likelihood" in trace.children else log_likelihood(model, trace, backend=backend)
    name = _named(tree, var_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of poor weights: they are mended, or said below
        found = az.loo(tree, var_name=name, pointwise=True)
        if moment_match and _poor(found).any():
            found = _matched(model, tree, posterior, name, found, backend)
        if refit and _poor(found).any():
            wrapper = _Refitted(model, tree, name, checked_seed(seed), backend)
            found = az.reloo(wrapper, loo_orig=found, var_name=name, pointwise=True)
    if still := int(_poor(found).sum()):
        remedy = "refit=True samples without each of them" if not refit else "their runs failed"
        logger.warning(
            "%d rows of %s have poor weights still (Pareto k above %.2f): %s.", still, name, found.good_k, remedy
        )
    return found


def _named(tree: DataTree, var_name: str | None) -> str:
    known = [str(name) for name in tree["log_likelihood"].data_vars]
    if var_name is None and len(known) == 1:
        return known[0]
    if var_name not in known:
        asked = "there are several" if var_name is None else f"there is none of {var_name!r}"
        raise ModelError(f"var_name says which log-likelihood: {asked}; choose from {', '.join(known)}.", var_name)
    return var_name


def _poor(found: Any) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = np.asarray(found.pareto_k) > found.good_k
    return values


def _matched(model: Model, tree: DataTree, posterior: Any, name: str, found: Any, backend: str) -> Any:
    """Return the result with moments matched; as it was where that cannot be done."""
    try:
        with untraced():
            values, graphs = likelihood_graphs(model)
            draws = UnconstrainedDraws(model, posterior, graphs[name], values, backend)
        return az.loo_moment_match(
            tree,
            found,
            log_prob_upars_fn=draws.log_density,
            log_lik_i_upars_fn=draws.log_likelihood_of_row,
            upars=draws.array(),
            var_name=name,
            pointwise=True,
        )
    except (PPLError, ValueError, np.linalg.LinAlgError) as why:
        logger.warning("Moments were not matched for rows whose weights are poor: %s", why)
        return found


class _Refitted(az.SamplingWrapper):
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
