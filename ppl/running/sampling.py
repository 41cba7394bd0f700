"""Compile a model, and draw from its posterior."""

from __future__ import annotations

import time
from functools import cache
from math import isnan
from typing import Unpack

from xarray import DataTree

from graphs.backends import BackendName, get_backend
from graphs.backends.c import blas_notice
from graphs.deriving import deriving
from graphs.errors import BackendError, ModelError, SamplingError
from graphs.joint.logprob import Marginalize
from graphs.marginal.lifting import MOST_STATES
from ppl.distributing.clients import check_client
from ppl.keeping.manifest import check_free
from ppl.keeping.nodes import as_json
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model, require_model
from ppl.planning.centring.asked import AS_DECLARED_IN_JAX, Centring, checked_centring
from ppl.planning.planning import plan
from ppl.planning.plans import Sampler
from ppl.reporting.progress_lines import log_stream, say
from ppl.reporting.stages import stages
from ppl.running.compiled import CompiledModel
from ppl.running.exact import ExactModel
from ppl.running.results import logger
from ppl.stopping.asked import Tune
from ppl.stopping.counts import check_counts
from ppl.stopping.foreign_options import remedy_of
from ppl.stopping.options import OPTIONS, Init, Precision, SampleOptions
from ppl.stopping.until import Until
from ppl.storing.stored import written_sampler


@cache
def _say_once(notice: str | None) -> None:
    if notice:
        logger.warning(notice)


@explained
def compile(
    model: Model,
    *,
    backend: BackendName = "numba",
    sampler: Sampler = None,
    marginalize: Marginalize = "auto",
    max_states: int = MOST_STATES,
    compress: bool = True,
    centring: Centring = "auto",
    precision: Precision = "float64",
    progress: bool = True,
) -> CompiledModel | ExactModel:
    """Plan a model and compile what samples it, without running it.

    Parameters
    ----------
    model : Model
        The model.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    sampler, marginalize, max_states, compress, centring
        As in `ppl.plan`; in JAX variables stay as they are declared.
    precision : {"float64", "float32"}
        In which NUTS evaluates the log-density and its gradient. Single precision is for JAX on accelerators: it has
        seven digits, too few for log-densities of many observations.
    progress : bool, default True
        Say what is done, where it takes more than a second.

    Returns
    -------
    CompiledModel or ExactModel
        ``.sample(draws, tune, chains, seed=...)`` runs it, any number of times; exact draws where nothing is left to
        sample.

    Raises
    ------
    ModelError, DerivationError
        If the model cannot be sampled as asked.
    BackendError
        If the backend is unknown, not installed, or lacks an operation.

    Examples
    --------
    >>> import ppl
    >>> sampler = ppl.compile(ppl.Model({ppl.Poisson("n", ppl.Gamma("rate", 2, 1)): [3, 1, 4]}), progress=False)
    >>> [float(sampler.sample(draws=2, chains=1, seed=seed).posterior["rate"][0, 0]) > 0 for seed in (1, 2)]
    [True, True]
    """
    require_model(model)
    get_backend(backend)
    if backend == "c":
        _say_once(blas_notice())
    choice = checked_centring(centring, list(model.latent))
    if backend == "jax":
        if choice.named or (choice.share not in (1.0,) and not isnan(choice.share)):
            raise BackendError(
                "In JAX variables are moved as they are declared: leave centring out, or use backend='numba'.", backend
            )
        choice = AS_DECLARED_IN_JAX
    start = time.perf_counter()
    with deriving(), stages(progress):
        planned = plan(
            model,
            marginalize=marginalize,
            sampler=sampler,
            max_states=max_states,
            compress=compress,
            centring=choice,
        )
        if not model.latent:
            raise ModelError("There is nothing to sample: none of the variables is latent.")
        seconds = time.perf_counter() - start
        compiled = ExactModel(planned, backend) if planned.is_exact else CompiledModel(planned, backend, precision)
    compiled.compile_seconds += seconds
    compiled.compile_options = {
        "backend": backend,
        "sampler": written_sampler(sampler),
        "marginalize": marginalize if isinstance(marginalize, str | bool) else sorted(marginalize),
        "max_states": int(max_states),
        "compress": bool(compress),
        "precision": precision,
        "centring": as_json({"": centring})[""],
    }
    return compiled


def sample(
    model: Model,
    draws: int | None = None,
    tune: Tune = 1000,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    backend: BackendName = "numba",
    sampler: Sampler = None,
    marginalize: Marginalize = "auto",
    max_states: int = MOST_STATES,
    compress: bool = True,
    centring: Centring = "auto",
    precision: Precision = "float64",
    init: Init = None,
    progress: bool = True,
    until: Until | None = None,
    **options: Unpack[SampleOptions],
) -> DataTree:
    """Draw from the posterior of a model.

    Parameters
    ----------
    model : Model
        The model.
    draws : int, default 1000
        Draws kept of each chain.
    tune : int or "auto", default 1000
        Iterations before them in which step sizes and scales adapt. "auto": until chains agree about step sizes,
        metrics, scales of proposals and the level of the log-density, looked at after 100, 150, 225, ... iterations,
        2000 at most; where nothing is learnt 100. The same seed gives the same number. One chain alone has to agree
        with what it was before.
    chains : int, default 4
        Number of chains.
    cores : int, optional
        Threads; as many as there are chains and processors by default. The draws do not depend on it.
    seed : int, optional
        With the same seed and backend the draws are identical. Random if not given, and recorded.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    sampler, marginalize, max_states, compress, centring
        As in `ppl.compile`.
    precision : {"float64", "float32"}
        In which NUTS evaluates the log-density and its gradient. Single precision is for JAX on accelerators: it has
        seven digits, too few for log-densities of many observations.
    init : None, str, mapping, sequence of mappings, or DataTree
        Values in natural space by name, for all chains or one mapping per chain; ``"jitter"`` displaces
        central points at random where NUTS moves them or they lie on the real line, or zero where the log-density is
        hopelessly low (below -1e10) at 20 of these; so does the default (None), which leaves starts that lead to modes
        with less than a hundredth of the best one's evidence, by Laplace's approximation, and says so (where NUTS moves
        everything, at most 500 numbers, by Numba); ``"support_point"`` does not displace,
        ``"prior"`` starts at draws from the prior, ``"pathfinder"`` at draws from normal approximations found on the
        way to a mode (Zhang et al. 2022), where NUTS moves. With a trace the chains go on from its last draws with what
        they had learnt; with ``tune=0`` nothing more is learnt. With one of `ppl.approximate` or `ppl.laplace` they
        start at draws of it, each at another.
    progress : bool, default True
        Show what planning and compiling are at where they take more than a second, and a bar of the draws; lines where
        the output is no terminal.
    until : Until, optional
        In the place of ``draws``: sample until the draws meet it, such as ``ppl.Until(ess=400, r_hat=1.01)``. What is
        drawn is what a run of as many draws would have drawn.
    **options
        ``target_accept`` (0.8; up to 0.95 where trajectories diverge late in the warm-up), ``max_tree_depth`` (10),
        ``thin`` (1), ``keep_tuning`` (False); ``var_names``: the variables and deterministics to keep, all by default.
        What is not kept takes neither memory nor time; ``lp``,
        which needs all where NUTS does not move everything, is left out then. ``metric``: the inverse mass matrix that
        NUTS learns: "diag", "dense", "low_rank" (a diagonal and few directions), or "auto" (default), dense where
        correlations are strong enough to pay for it. ``adapt``: "chain" (default), or "pooled": all chains learn one
        metric from the draws of all, and can be tuned for fewer iterations. ``store``: a folder, or an address
        that fsspec knows ("s3://bucket/run.zarr"), to which draws are written while chains run, in Zarr, with all that
        `ppl.resume` needs to go on after whatever ended the run.
        Memory does not grow with the number of draws then, and the trace is read from there when it is used.
        ``overwrite``: whether a store that exists may be replaced. ``client``: a ``dask.distributed.Client``, on whose
        workers the chains run; the draws are the same as here, whatever the workers, and chains of workers that die
        go on elsewhere.

    Returns
    -------
    xarray.DataTree
        ArviZ groups ``posterior`` (natural space), ``sample_stats``, ``observed_data``, ``constant_data``, and
        ``warmup_*`` with ``keep_tuning=True``; run times, number of gradients, seed and versions in ``attrs``, with
        ``tune``, how many iterations the warm-up had, and with ``tune="auto"`` ``chains_agreed``, whether it ended
        for that; with ``until`` the attributes ``until``, ``until_met`` and ``stopped_because``.
        ``sample_stats.lp`` is, whatever the sampler, the log-density of the unconstrained space at the draw, that is
        with log-Jacobians, constants included: PyMC's ``model.logp()``. What was integrated out is in it at the
        values that were drawn back; discrete variables that are summed out are summed out in it, those that are drawn
        have their values.

    Raises
    ------
    ModelError, DerivationError, BackendError, SamplingError
        As `ppl.compile`; SamplingError also for an initial point without a finite log-density, and where ``until`` can
        never be met.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> y = ppl.Normal("y", mu, 1)
    >>> trace = ppl.sample(ppl.Model({y: np.ones(5)}), draws=200, tune=200, chains=2, seed=1, progress=False)
    >>> trace.posterior["mu"].shape
    (2, 200)
    """
    check_counts(draws=draws, tune=None if tune == "auto" else tune, chains=chains, cores=cores)
    unknown = set(options) - set(OPTIONS)
    if unknown:
        option = sorted(unknown)[0]
        raise SamplingError(f"Unknown option {option!r}; {remedy_of(option, tuple(OPTIONS))}.")
    check_client(options.get("client"))
    store = options.get("store")
    if store is not None:
        check_free(store, bool(options.get("overwrite")))
    say(f"Planning, compiling and sampling {model!r}.", log_stream(progress))
    compiled = compile(
        model,
        backend=backend,
        sampler=sampler,
        marginalize=marginalize,
        max_states=max_states,
        compress=compress,
        centring=centring,
        precision=precision,
        progress=progress,
    )
    return compiled.sample(draws, tune, chains, cores, seed, until=until, init=init, progress=progress, **options)
