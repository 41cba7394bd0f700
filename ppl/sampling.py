"""Compile a model once, and sample it as often as needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.backends import get_backend
from graphs.backends.c import blas_notice
from graphs.errors import ModelError, SamplingError
from graphs.lifting import MOST_STATES
from graphs.rebuilding import substitute
from ppl.initial import StartingPoints
from ppl.model import Model
from ppl.planning import plan
from ppl.plans import Plan
from ppl.progress import ProgressBar
from ppl.results import logger, report, to_datatree, versions
from samplers import SweepResult, compile_sweep

# Among the outputs of a draw; no variable can have this name.
LOGDENSITY = ""
Init = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class CompiledModel:
    """A model ready to sample: everything is compiled, and any seed can be run.

    Attributes
    ----------
    plan : Plan
        What is summed out and what is drawn how.
    backend : str
        ``numba``, ``c`` or ``jax``.
    compile_seconds : float
        How long planning and compiling took.
    """

    def __init__(self, plan: Plan, backend: str):
        start = time.perf_counter()
        self.plan = plan
        self.backend = backend
        self._sweep = compile_sweep(plan.sweep, backend=backend)
        self._starting_points = StartingPoints(plan)
        self._expansion = _compile_expansion(plan, backend)
        self._lazy_seconds = getattr(self._sweep, "compile_seconds", 0.0)
        self.compile_seconds = time.perf_counter() - start

    def __repr__(self) -> str:
        return f"CompiledModel({self.plan.model!r}, backend={self.backend!r})"

    def dprint(self, file: Any = None) -> None:
        """Print the plan and its graphs."""
        self.plan.dprint(file=file)

    def sample(
        self,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        seed: int | None = None,
        *,
        init: Init = None,
        progress: bool = True,
        target_accept: float = 0.8,
        max_tree_depth: int = 10,
        thin: int = 1,
        keep_tuning: bool = False,
    ) -> DataTree:
        """Sample; the arguments are those of `ppl.sample`."""
        _check_counts(draws=draws, tune=tune, chains=chains, cores=cores, thin=thin, max_tree_depth=max_tree_depth)
        if not isinstance(target_accept, int | float | np.floating) or not 0 < target_accept < 1:
            raise SamplingError(f"target_accept is a probability between 0 and 1, not {target_accept!r}.")
        seed = _checked_seed(seed)
        start = self._starting_points(init, chains, seed)
        with ProgressBar(chains, tune, draws, progress) as bar:
            result = self._sweep.run(
                start,
                tune=tune,
                draws=draws,
                seed=seed,
                cores=cores,
                target_accept=target_accept,
                max_tree_depth=max_tree_depth,
                thin=thin,
                keep_tuning=keep_tuning,
                callback=bar,
            )
        trace = self._to_datatree(result, seed, max_tree_depth)
        report(result, self.plan.model, trace)
        return trace

    def _to_datatree(self, result: SweepResult, seed: int, max_tree_depth: int) -> DataTree:
        # JAX compiles at the first run, when the number of chains is known.
        lazy = getattr(self._sweep, "compile_seconds", 0.0)
        self.compile_seconds += lazy - self._lazy_seconds
        self._lazy_seconds = lazy
        posterior, statistics = self._expanded(result.draws, result.stats)
        groups: dict[str, Mapping[str, NDArray]] = {"posterior": posterior, "sample_stats": statistics}
        if result.tuning_draws is not None and result.tuning_draws.size:
            warmup = self._expanded(result.tuning_draws, result.tuning_stats or {})
            groups["warmup_posterior"], groups["warmup_sample_stats"] = warmup
        attributes = {
            "inference_library": "rvgraph",
            "backend": self.backend,
            "seed": seed,
            "max_tree_depth": max_tree_depth,
            "sampling_seconds": result.sampling_seconds,
            "tuning_seconds": result.tuning_seconds,
            "compile_seconds": self.compile_seconds,
            "num_gradients": int(result.num_gradients),
            "interrupted": result.interrupted,
            "plan": str(self.plan),
            "versions": versions(),
        }
        return to_datatree(self.plan.model, groups, attributes)

    def _expanded(
        self, draws: NDArray[np.float64], stats: Mapping[str, NDArray]
    ) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Return named values and statistics; the log-density, where no block of the sweep gave it."""
        values = self.expand(draws)
        if LOGDENSITY not in values:
            return values, dict(stats)
        return values, {"lp": values.pop(LOGDENSITY), **stats}

    def expand(self, draws: NDArray[np.float64]) -> dict[str, NDArray]:
        """Return the named values in natural space, and the deterministics, of flat draws (chains, draws, size)."""
        layout = self.plan.sweep.layout
        rows = draws.reshape(-1, layout.size)
        # Where a chain stopped, there is no number in the whole row; integers could not say so.
        missing = np.isnan(rows[:, 0])
        if missing.any():
            rows = np.where(missing[:, None], 1.0 if missing.all() else rows[~missing][0], rows)
        flat = layout.unpack(rows, copy=False)
        arrays = self._expansion.function(*(flat[name] for name in layout.names))
        computed = dict(zip(self._expansion.computed, arrays, strict=True))
        values = {name: flat[drawn] if drawn else computed[name] for name, drawn in self._expansion.names.items()}
        if missing.any():
            values = {name: _without(np.asarray(array), missing) for name, array in values.items()}
        return {n: np.asarray(array).reshape(draws.shape[:2] + np.shape(array)[1:]) for n, array in values.items()}


def _without(array: NDArray, missing: NDArray[np.bool_]) -> NDArray:
    """Return the array, of floats, without the rows that are missing."""
    return np.where(missing.reshape(-1, *[1] * (array.ndim - 1)), np.nan, array)


@dataclass(frozen=True)
class _Expansion:
    """How draws become named values.

    Parameters
    ----------
    names : mapping of str to str
        Every value by name, in order, with the variable of the sweep that it is, or "" where it has to be computed.
    computed : sequence of str
        What the function returns.
    function : callable
        Of the variables of the sweep, over a leading axis.
    """

    names: Mapping[str, str]
    computed: Sequence[str]
    function: Callable[..., list[NDArray]]


def _compile_expansion(plan: Plan, backend: str) -> _Expansion:
    outputs: dict[str, TensorVariable] = dict(plan.mixed.natural)
    stand_ins = {plan.model.latent[n]: v for n, v in plan.mixed.natural.items()}
    stand_ins |= dict(plan.model.graph.observed.values())
    known = {n: d for n, d in plan.model.deterministics.items() if n not in plan.later}
    outputs |= dict(zip(known, substitute(list(known.values()), stand_ins), strict=True))
    if not any(a.method == "nuts" for a in plan.assignments):
        outputs[LOGDENSITY] = plan.mixed.total
    order = [n for n in (*plan.model.latent, *plan.model.deterministics, LOGDENSITY) if n in outputs]
    variables = list(plan.sweep.variables)
    names = {n: str(outputs[n].name) if outputs[n] in variables else "" for n in order}
    computed = [n for n in order if not names[n]]
    graphs = [pt.as_tensor(outputs[n]) for n in computed]
    function = get_backend(backend).map(variables, graphs) if computed else lambda *arrays: []
    return _Expansion(names, computed, function)


def _check_counts(**counts: int | None) -> None:
    least = {"tune": 0}
    for name, count in counts.items():
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < least.get(name, 1):
            raise SamplingError(f"{name} is a whole number, at least {least.get(name, 1)}; it was {count!r}.")


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return int(np.random.SeedSequence().entropy) % 2**63  # type: ignore[arg-type]
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SamplingError(f"seed is a whole number, at least 0; it was {seed!r}.")
    return int(seed)


@cache
def _say_once(notice: str | None) -> None:
    if notice:
        logger.warning(notice)


def compile(
    model: Model,
    *,
    backend: str = "numba",
    sampler: str | Mapping[str, str] | None = None,
    marginalize: str | bool | Iterable[str] = "auto",
    max_states: int = MOST_STATES,
) -> CompiledModel:
    """Plan a model and compile what samples it, without running it.

    Parameters
    ----------
    model : Model
        The model.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    sampler, marginalize, max_states
        As in `ppl.plan`.

    Returns
    -------
    CompiledModel
        ``.sample(draws, tune, chains, seed=...)`` runs it, any number of times.

    Raises
    ------
    ModelError, DerivationError
        If the model cannot be sampled as asked.
    BackendError
        If the backend is unknown, not installed, or lacks an operation.
    """
    if not isinstance(model, Model):
        raise ModelError(f"A ppl.Model is needed, not {type(model).__name__}; see ppl.Model and ppl.from_pymc.")
    get_backend(backend)
    if backend == "c":
        _say_once(blas_notice())
    start = time.perf_counter()
    planned = plan(model, marginalize=marginalize, sampler=sampler, max_states=max_states)
    if not planned.sweep.variables:
        why = (
            "every latent variable is summed out; use marginalize=False to draw them"
            if model.latent
            else "none is latent"
        )
        raise ModelError(f"There is nothing to sample: {why}.")
    seconds = time.perf_counter() - start
    compiled = CompiledModel(planned, backend)
    compiled.compile_seconds += seconds
    return compiled


def sample(
    model: Model,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    backend: str = "numba",
    sampler: str | Mapping[str, str] | None = None,
    marginalize: str | bool | Iterable[str] = "auto",
    max_states: int = MOST_STATES,
    init: Init = None,
    progress: bool = True,
    **options: Any,
) -> DataTree:
    """Draw from the posterior of a model.

    Parameters
    ----------
    model : Model
        The model.
    draws, tune : int, default 1000
        Draws kept of each chain, and iterations before them in which step sizes and scales adapt.
    chains : int, default 4
        Number of chains.
    cores : int, optional
        Threads; as many as there are chains and processors by default. The draws do not depend on it.
    seed : int, optional
        With the same seed and backend the draws are identical. Random if not given, and recorded.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    sampler, marginalize, max_states
        As in `ppl.plan`.
    init : None, str, mapping, or sequence of mappings
        Values in natural space by name, for all chains or one mapping per chain; ``"jitter"`` (default) displaces
        central points at random where NUTS moves them or they lie on the real line, ``"support_point"`` does not,
        ``"prior"`` starts at draws from the prior.
    progress : bool, default True
        Show a progress bar.
    **options
        ``target_accept`` (0.8), ``max_tree_depth`` (10), ``thin`` (1), ``keep_tuning`` (False).

    Returns
    -------
    xarray.DataTree
        ArviZ groups ``posterior`` (natural space), ``sample_stats``, ``observed_data``, ``constant_data``, and
        ``warmup_*`` with ``keep_tuning=True``; run times, number of gradients, seed and versions in ``attrs``.

    Raises
    ------
    ModelError, DerivationError, BackendError, SamplingError
        As `ppl.compile`; SamplingError also for an initial point without a finite log-density.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> y = ppl.Normal("y", mu, 1)
    >>> trace = ppl.sample(ppl.Model({y: np.ones(5)}), draws=200, tune=200, chains=2, seed=1, progress=False)
    >>> trace.posterior["mu"].shape
    (2, 200)
    """
    _check_counts(draws=draws, tune=tune, chains=chains, cores=cores)
    unknown = set(options) - {"target_accept", "max_tree_depth", "thin", "keep_tuning"}
    if unknown:
        raise SamplingError(
            f"Unknown option {sorted(unknown)[0]!r}; there are target_accept, max_tree_depth, thin, keep_tuning."
        )
    compiled = compile(model, backend=backend, sampler=sampler, marginalize=marginalize, max_states=max_states)
    return compiled.sample(draws, tune, chains, cores, seed, init=init, progress=progress, **options)
