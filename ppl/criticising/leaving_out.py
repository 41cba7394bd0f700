"""How well a model predicts what it has not seen: each row left out in turn."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError, PPLError
from graphs.surgery.traces import untraced
from ppl.criticising.unconstrained import UnconstrainedDraws
from ppl.modelling.model import Model, require_model
from ppl.predicting.likelihood import likelihood_graphs, log_likelihood
from ppl.predicting.posterior import posterior_of
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
    # Imported where it is used: it imports JAX, which takes half a second.
    import arviz_stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of poor weights: they are mended, or said below
        found = arviz_stats.loo(tree, var_name=name, pointwise=True)
        if moment_match and _poor(found).any():
            found = _matched(model, tree, posterior, name, found, backend)
        if refit and _poor(found).any():
            from ppl.criticising.refitted import Refitted

            wrapper = Refitted(model, tree, name, checked_seed(seed), backend)
            found = arviz_stats.reloo(wrapper, loo_orig=found, var_name=name, pointwise=True)
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
    import arviz_stats

    try:
        with untraced():
            values, graphs = likelihood_graphs(model)
            draws = UnconstrainedDraws(model, posterior, graphs[name], values, backend)
        return arviz_stats.loo_moment_match(
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
