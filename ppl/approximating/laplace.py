"""The normal distribution at the mode of a posterior."""

from __future__ import annotations

import logging
import time
from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError, SamplingError
from graphs.joint.logprob import Marginalize
from ppl.approximating.density import ModelDensity, Vector
from ppl.approximating.optimising import MOST_DENSE, modes_from
from ppl.approximating.weights import said_by
from ppl.diagnosing.faults import BAD_K, why_weigh
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model
from ppl.running.results import to_datatree, versions
from ppl.stopping.counts import check_counts, checked_seed

type Matrix = NDArray[np.float64]

logger = logging.getLogger("rvgraph")


@explained
def laplace(
    model: Model,
    draws: int = 1000,
    chains: int = 4,
    *,
    marginalize: Marginalize = "auto",
    starts: int = 4,
    init: Any = None,
    seed: int | None = None,
    backend: BackendName = "numba",
) -> DataTree:
    """Approximate the posterior by a normal distribution at its mode, on the real line.

    Parameters
    ----------
    model : Model
        The model.
    draws, chains : int
        Independent draws: so many of each "chain", which are only their arrangement.
    marginalize
        As of `ppl.plan`; continuous variables that are named are integrated out, and drawn back.
    starts, init, seed, backend
        As of `ppl.find_map`.

    Returns
    -------
    DataTree
        As of `ppl.sample`. ``sample_stats`` has ``lp``, the log-density on the real line, and ``log_weight``, its
        excess over that of the normal distribution; attributes: ``pareto_k`` of these weights (above 0.7 the
        approximation is poor), ``weights_ess``, how many draws of equal weight they are worth, ``weights_share``, what
        share of all that is, ``weights_shift``, by how many standard deviations they move the mean of
        ``weights_shift_of`` on the real line, which is the most, ``log_evidence`` (Laplace's estimate) and
        ``log_evidence_by_weights`` with ``log_evidence_error``, the logarithm of their mean and its standard error.

    Raises
    ------
    ModelError
        If a variable is discrete and not summed out, or has no gradient; if there are more than a thousand numbers.
    SamplingError
        If there is no mode, or the density is flat in some direction there; names the variables.

    References
    ----------
    .. [1] Tierney and Kadane (1986). Accurate approximations for posterior moments. JASA 81.
    .. [2] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling. JMLR 25.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> found = ppl.laplace(ppl.Model({ppl.Normal("y", mu, 1): [1.0, 2.0]}), seed=1)
    >>> round(float(found.attrs["log_evidence"]), 3)  # of a normal distribution of two dimensions: exact
    -4.751
    """
    check_counts(draws=draws, tune=0, chains=chains, cores=None)
    seed = checked_seed(seed)
    begin = time.perf_counter()
    density = ModelDensity(model, "a normal approximation", marginalize, backend)
    size = density.layout.size
    if size > MOST_DENSE:
        raise ModelError(
            f"The normal distribution at the mode would have a matrix of {size} x {size} numbers: more than "
            f"{MOST_DENSE} rows are too many. Integrate variables out (marginalize=[...]), or use ppl.sample."
        )
    centre, factor, at_mode = _normal_at_mode(density, density.starts(init, starts, seed))
    positions, values, weights = _weighted(density, centre, factor, chains * draws, seed)
    said = said_by(weights, positions, density.names_of)
    shape = (chains, draws)
    attributes = {
        "inference_library": "rvgraph",
        "method": "laplace",
        "backend": backend,
        "space": "unconstrained",
        "seed": seed,
        "log_evidence": at_mode,
        **said,
        "seconds": time.perf_counter() - begin,
        "plan": str(density.plan),
        "versions": versions(),
    }
    if said["pareto_k"] > BAD_K:
        logger.warning(
            "The posterior is far from the normal distribution at its mode (Pareto k %.2f, more than %.1f): use "
            "ppl.sample.",
            said["pareto_k"],
            BAD_K,
        )
    elif (needed := why_weigh(said)) is not None:
        logger.warning("%s: weigh them by log_weight.", needed)
    groups = {
        "posterior": density.named(positions.reshape(*shape, size), seed),
        "sample_stats": {"lp": values.reshape(shape), "log_weight": weights.reshape(shape)},
    }
    return to_datatree(model, groups, attributes)


def _normal_at_mode(density: ModelDensity, starts: Matrix) -> tuple[Vector, Matrix, float]:
    """Return the mode, the factor of the curvature there, and the logarithm of the integral of the normal peak."""
    best = modes_from(density, starts)[0]
    if best.flat or best.at_bound or best.curvature is None:
        names = ", ".join(dict.fromkeys([*best.flat, *best.at_bound]))
        raise SamplingError(
            f"The density has no peak along {names}: it is flat there, or rises without end, where the search for its "
            "mode stopped. Under a scale of effects it does so whatever the prior: integrate the effects out "
            "(marginalize=[...]), or use ppl.sample; a flat prior needs a proper one."
        )
    try:
        factor = cholesky(best.curvature, lower=True)
    except (np.linalg.LinAlgError, ValueError) as fault:
        raise SamplingError(
            "The density is not concave where the search for its mode ended: give more starts, or use ppl.sample."
        ) from fault
    integral = best.value + 0.5 * len(factor) * log(2.0 * pi) - float(np.log(np.diag(factor)).sum())
    return best.position, factor, integral


def _weighted(
    density: ModelDensity, centre: Vector, factor: Matrix, number: int, seed: int
) -> tuple[Matrix, Vector, Vector]:
    """Return draws of the normal distribution, the log-density there, and by how much that is more than its own."""
    normal = np.random.default_rng(seed).normal(size=(number, len(centre)))
    positions = centre + solve_triangular(factor, normal.T, lower=True, trans="T").T
    with np.errstate(all="ignore"):
        values = np.array([density(position)[0] for position in positions])
    values = np.where(np.isnan(values), -np.inf, values)
    constant = 0.5 * len(centre) * log(2.0 * pi) - float(np.log(np.diag(factor)).sum())
    return positions, values, values + 0.5 * (normal**2).sum(axis=1) + constant
