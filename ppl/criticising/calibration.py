"""Whether sampling is right about a model: simulation-based calibration."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError, PPLError
from graphs.joint.logprob import Marginalize
from ppl.chunks.rows_of_model import refuse_chunks
from ppl.modelling.interventions import observe
from ppl.modelling.model import Model, require_model
from ppl.planning.plans import Sampler
from ppl.predicting.predictive import prior_predictive
from ppl.reporting.progress_lines import log_stream, say
from ppl.running.results import to_datatree, versions
from ppl.running.sampling import sample
from ppl.stopping.asked import Tune
from ppl.stopping.counts import check_counts, checked_seed
from ppl.stopping.options import SampleOptions

logger = logging.getLogger("rvgraph")


def sbc(
    model: Model,
    simulations: int = 100,
    *,
    draws: int = 500,
    chains: int = 2,
    seed: int | None = None,
    progress: bool = True,
    tune: Tune = 1000,
    backend: BackendName = "numba",
    sampler: Sampler = None,
    marginalize: Marginalize = "auto",
    **options: Unpack[SampleOptions],
) -> DataTree:
    """Check by simulation whether sampling gets the posteriors of a model right.

    Parameters are drawn from the prior and data given these; the posterior given these data is sampled. Over all
    simulations the place of what was drawn among the draws of its posterior is uniform, if sampling is right, whatever
    the model. What is systematic shows in the shape: a bias, too narrow or too wide posteriors.

    Parameters
    ----------
    model : Model
        The model; its data are ignored. Its priors have to be proper.
    simulations : int, default 100
        Data sets, each sampled once.
    draws, chains : int
        Of each posterior. Draws are thinned to as many as are independent.
    seed : int, optional
        Of everything that is random.
    progress : bool, default True
        Say how many are done, every tenth.
    tune, backend, sampler, marginalize, **options
        As of `ppl.sample`: what is calibrated; ``var_names`` are the variables that are looked at, all by default.

    Returns
    -------
    DataTree
        Group ``prior_sbc``: for each variable places between 0 and 1, ``(chain=1, draw=simulations, ...)``, as
        ``az.plot_ecdf_pit`` draws them. Group ``uniformity``: of each number the p-value of a Kolmogorov-Smirnov test;
        attribute ``least_p_value``: the least, times the number of numbers, at most 1.

    Raises
    ------
    ModelError
        If a prior is improper, the model has no data or has a potential, or an argument is impossible.
    SamplingError
        If a posterior cannot be sampled.

    References
    ----------
    .. [1] Talts, Betancourt, Simpson, Vehtari and Gelman (2018). Validating Bayesian inference algorithms with
       simulation-based calibration. arXiv:1804.06788.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> rate = ppl.Gamma("rate", 2, 1)
    >>> found = ppl.sbc(ppl.Model({ppl.Poisson("n", rate, size=4): np.zeros(4, int)}), 20, seed=1, progress=False)
    >>> found.prior_sbc["rate"].shape, bool(found.attrs["least_p_value"] > 0.01)
    ((1, 20), True)
    """
    require_model(model)
    check_counts(draws=draws, tune=None, chains=chains, cores=None)
    _check(model, simulations)
    seed = checked_seed(seed)
    simulated = prior_predictive(model, int(simulations), seed=seed)
    prior = {str(n): a.to_numpy()[0] for n, a in simulated["prior"].data_vars.items()}
    data = {name: simulated["prior_predictive"][name].to_numpy()[0] for name in model.observed}
    how: dict[str, Any] = {"draws": draws, "chains": chains, "tune": tune, "backend": backend, "sampler": sampler}
    how |= {"marginalize": marginalize, **options}
    rng = np.random.default_rng([seed, 1])
    places: dict[str, list[NDArray]] = {}
    said: list[str] = []
    for i in range(simulations):
        with _heard(said):
            trace = _sampled(model, {n: a[i] for n, a in data.items()}, seed + 1 + i, how)
        for name in (n for n in prior if n in trace["posterior"]):
            found = place(prior[name][i], trace["posterior"][name].to_numpy(), rng)
            places.setdefault(name, []).append(found)
        if progress and (i + 1) % max(simulations // 10, 1) == 0:
            say(f"{i + 1} of {simulations} simulations", log_stream(progress))
    if said:
        logger.warning("There was something to say of %d of %d runs, such as: %s", len(said), simulations, said[-1])
    attributes = {"inference_library": "rvgraph", "seed": seed, "simulations": int(simulations), "versions": versions()}
    return _as_tree(model, {name: np.stack(found)[None] for name, found in places.items()}, attributes)


def _check(model: Model, simulations: int) -> None:
    if isinstance(simulations, bool) or not isinstance(simulations, int | np.integer) or simulations < 2:
        raise ModelError(f"simulations is a whole number, at least 2; it was {simulations!r}.")
    if not model.observed:
        raise ModelError("The model has no data: there is nothing to simulate and to learn from.")
    refuse_chunks(model.in_chunks, "Calibration")
    if model.potentials:
        name = next(iter(model.potentials))
        raise ModelError(
            f"The potential {name} is part of the density, but nothing is drawn from it: parameters and data cannot be "
            "simulated. Write it as a distribution.",
            name,
        )


def _as_tree(model: Model, arrays: dict[str, NDArray], attributes: dict[str, Any]) -> DataTree:
    """Return places (1, simulations, ...) with how uniform those of each number are."""
    p_values = {name: np.apply_along_axis(_p_value, 1, array)[0] for name, array in arrays.items()}
    every = np.concatenate([np.ravel(p) for p in p_values.values()])
    attributes["least_p_value"] = float(min(every.min() * every.size, 1.0))
    tree = to_datatree(model, {"prior_sbc": arrays}, attributes)
    shapes = tree["prior_sbc"].to_dataset().isel(chain=0, draw=0, drop=True)
    tree["uniformity"] = DataTree(shapes.copy(data={name: p_values[str(name)] for name in shapes.data_vars}))
    return tree


@contextmanager
def _heard(said: list[str]) -> Iterator[None]:
    """Keep the last thing that is said of a run, in the place of saying it: there are hundreds."""
    heard: list[str] = []

    def hear(record: logging.LogRecord) -> bool:
        heard.append(record.getMessage())
        return False

    logger.addFilter(hear)
    try:
        yield
    finally:
        logger.removeFilter(hear)
        said.extend(heard[-1:])


def place(value: NDArray, draws: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return where values are among draws (chains, draws, ...), uniform between 0 and 1 if they are one of them.

    Draws are thinned to what is independent, element by element; equal ones are put in an order at random.
    """
    chains, length = draws.shape[:2]
    columns = draws.reshape(chains, length, -1).astype(np.float64)
    # Imported where it is used: it imports JAX, which takes half a second.
    from arviz_stats.base import array_stats

    sizes = np.atleast_1d(array_stats.ess(columns, chain_axis=0, draw_axis=1))
    found = np.empty(columns.shape[2])
    for column, size in enumerate(sizes):
        size = chains * length if not np.isfinite(size) else size
        step = max(1, ceil(chains * length / max(size, 1.0)))
        kept = columns[:, ::step, column].ravel()
        at = np.ravel(value)[column]
        below, equal = np.count_nonzero(kept < at), np.count_nonzero(kept == at)
        # Uniform among the places that there are: between draws, and in those that are equal.
        found[column] = (below + rng.integers(equal + 1) + rng.uniform()) / (len(kept) + 1)
    return found.reshape(np.shape(value))


def _sampled(model: Model, data: Mapping[str, NDArray], seed: int, how: Mapping[str, Any]) -> DataTree:
    try:
        return sample(observe(model, data), seed=seed, progress=False, **how)
    except PPLError as error:
        error.add_note(f"That was with data that the model simulated itself, by the seed {seed}.")
        raise


def _p_value(places: NDArray) -> float:
    from scipy.stats import kstest  # imported where it is used: it takes a third of a second

    return float(kstest(places, "uniform").pvalue)
