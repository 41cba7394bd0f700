"""Distributions fitted to a posterior, in the place of chains."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from xarray import DataTree

from graphs.backends import BackendName
from graphs.backends.blas import one_blas_thread
from graphs.errors import ModelError
from graphs.joint.logprob import Marginalize
from ppl.approximating.density import ModelDensity
from ppl.approximating.methods import METHODS, Method, Request, approximated
from ppl.approximating.minibatches import batch_target, with_rows
from ppl.diagnosing.faults import BAD_K, why_weigh
from ppl.diagnosing.judged import drawn_attributes
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model, require_model
from ppl.running.results import to_datatree, versions
from ppl.stopping.counts import check_counts, checked_seed

logger = logging.getLogger("rvgraph")
FIT = "fit"
_PATHS, _STARTS = 20, 4


@explained
def approximate(
    model: Model,
    method: Method = "fullrank",
    draws: int = 1000,
    chains: int = 4,
    *,
    marginalize: Marginalize = "auto",
    starts: int | None = None,
    init: Any = None,
    tolerance: float = 0.01,
    max_steps: int = 100_000,
    directions: int = 5,
    base_draws: int = 32,
    minibatch: int | Mapping[str, int] | None = None,
    seed: int | None = None,
    backend: BackendName = "numba",
) -> DataTree:
    """Approximate the posterior by a distribution that is fitted to it on the real line.

    All methods maximise the evidence lower bound, the expected log-density plus the entropy, and end in independent
    draws with weights whose Pareto k says how far the distribution is from the posterior. Discrete variables are summed
    out, likelihoods compressed, as for chains.

    Parameters
    ----------
    model : Model
        The model.
    method : {"fullrank", "meanfield", "lowrank", "pathfinder", "dadvi"}
        A normal distribution of any covariance, of independent variables, or whose covariance is a diagonal and a few
        directions, each fitted by stochastic gradients in a compiled loop until the bound gains nothing that can be
        seen; the mixture of normal distributions along paths to modes, whose draws are resampled by their weights; or
        independent variables fitted on fixed draws by Newton's method, with the linear-response covariance [3]_.
    draws, chains : int
        Independent draws: so many of each "chain", which are only their arrangement.
    marginalize
        As of `ppl.plan`; continuous variables that are named are integrated out, and drawn back.
    starts : int, optional
        Paths of Pathfinder, from different points: 20 for that method; for the others 4, the best of which is where
        they begin.
    init
        Where paths begin: as of `ppl.sample`, but no trace.
    tolerance : float
        Of the bound: what a round of steps gains less than ends the fit.
    max_steps : int
        Steps at most.
    directions : int
        Of ``"lowrank"``.
    base_draws : int
        Fixed draws of ``"dadvi"``.
    minibatch : int or mapping of str to int, optional
        Rows of the data that a step looks at, drawn anew for each: of all observed variables that have more, or of
        those named. A step takes time for these alone, however many rows there are. For ``"fullrank"``,
        ``"meanfield"`` and ``"lowrank"``. Data in chunks are read into memory. Where fits begin, and at some draws, all
        rows are looked at; ``lp`` and ``log_weight`` are NaN at the others.
    seed : int, optional
        Of everything that is drawn.
    backend : {"numba", "c", "jax"}
        What compiles the density; the loop is compiled with Numba's alone.

    Returns
    -------
    DataTree
        As of `ppl.sample`. ``sample_stats`` has ``lp``, the log-density on the real line, and ``log_weight``, its
        excess over that of the approximation (zero after resampling); ``fit`` has ``elbo``, the bound along the steps,
        or of each path. Attributes: ``pareto_k`` (above 0.7 weights do not mend what is wrong with the approximation,
        which is logged, and what `ppl.diagnose` says), ``weights_ess``, how many draws of equal weight the weighted
        ones are worth, ``weights_share``, what share of all that is (below two thirds is said), ``weights_shift`` with
        ``weights_shift_error``, by how many standard deviations weights move the mean of ``weights_shift_of``, on the
        real line, which is the most, ``elbo`` with ``elbo_error``, ``gain``, by how much that is more than where steps
        began, ``converged``, ``num_steps``, ``num_gradients``, ``log_evidence_by_weights`` with ``log_evidence_error``;
        of ``"dadvi"`` ``mean_error``, the largest error of a mean that the fixed draws leave, in standard deviations.
        ``ppl.sample(model, init=trace)`` starts chains at different draws.

    Raises
    ------
    ModelError
        If a variable is discrete and not summed out, or has no gradient; names it.
    DerivationError
        If a term of a minibatch does not factor over its rows; names it, and why.
    SamplingError
        If the density is not finite where fits begin, or data in chunks do not fit into memory.

    References
    ----------
    .. [1] Kucukelbir et al. (2017). Automatic differentiation variational inference. JMLR 18.
    .. [2] Zhang, Carpenter, Gelman and Vehtari (2022). Pathfinder: parallel quasi-Newton variational inference.
       JMLR 23.
    .. [3] Giordano, Ingram and Broderick (2023). Black box variational inference with a deterministic objective:
       faster, more accurate, and even more black box. arXiv:2304.05527.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1): [1.0, 2.0]})
    >>> found = ppl.approximate(model, seed=1)
    >>> round(float(found.attrs["elbo"]), 2)  # of a normal posterior it is the log evidence
    -4.75
    """
    seed = _check(method, draws, chains, starts, tolerance, max_steps, directions, base_draws, seed)
    begin = time.perf_counter()
    require_model(model)
    given = model if minibatch is None else with_rows(model)
    density = ModelDensity(given, "an approximation", marginalize, backend)
    num_starts = starts or (_PATHS if method == "pathfinder" else _STARTS if minibatch is None else 1)
    request = Request(
        method, chains * draws, int(num_starts), init, seed, tolerance, max_steps, int(directions), int(base_draws)
    )
    if minibatch is not None:
        request = replace(request, fitted=batch_target(density, method, minibatch, seed))
    with one_blas_thread(), np.errstate(all="ignore"):
        found = approximated(density, request)
    attributes = {
        "inference_library": "rvgraph",
        "method": method,
        "backend": backend,
        "space": "unconstrained",
        "seed": seed,
        **found.attributes,
        "seconds": time.perf_counter() - begin,
        "plan": str(density.plan),
        **drawn_attributes(density.plan.declared),
        "versions": versions(),
    }
    for sentence in [*found.concerns, *_poor(method, found.attributes)]:
        logger.warning("%s", sentence)
    shape = (chains, draws)
    groups = {
        "posterior": density.named(found.positions.reshape(*shape, -1), seed),
        "sample_stats": {"lp": found.values.reshape(shape), "log_weight": found.weights.reshape(shape)},
    }
    return to_datatree(model, groups, attributes, extra_groups={FIT: found.fit})


def _poor(method: str, attributes: Mapping[str, Any]) -> list[str]:
    k = attributes["pareto_k"]
    if np.isnan(k):
        return ["There are too few draws to tell how far the approximation is from the posterior: ask for 1000."]
    if k <= BAD_K:
        needed = why_weigh(attributes)
        return [] if needed is None else [f"{needed}: weigh them by log_weight."]
    return [
        f"The posterior may be far from its approximation by {method!r} (Pareto k {k:.2f}, more than {BAD_K}): use "
        "ppl.sample(model, init=trace), which starts at its draws."
    ]


def _check(
    method: str,
    draws: int,
    chains: int,
    starts: int | None,
    tolerance: float,
    max_steps: int,
    directions: int,
    base_draws: int,
    seed: int | None,
) -> int:
    """Refuse what cannot be asked for; return the seed."""
    if method not in METHODS:
        raise ModelError(f"method is {method!r}; choose one of {', '.join(METHODS)}.")
    check_counts(draws=draws, tune=0, chains=chains, cores=None)
    check_counts(starts=starts, max_steps=max_steps, directions=directions, base_draws=base_draws)
    is_number = isinstance(tolerance, int | float | np.number) and not isinstance(tolerance, bool)
    if not is_number or not 0 < tolerance < np.inf:
        raise ModelError(f"tolerance is {tolerance!r}; it is a positive number, in units of the bound.")
    return checked_seed(seed)
