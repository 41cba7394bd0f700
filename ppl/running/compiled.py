"""A model that is compiled: sampled as often as needed, with any seed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree

from graphs.errors import SamplingError
from graphs.surgery.traces import untraced
from ppl.declaring.flat import flat_priors
from ppl.diagnosing.judged import drawn_attributes
from ppl.modelling.bad_constants import explained
from ppl.planning.plans import Plan
from ppl.reporting.progress import ProgressBar
from ppl.reporting.stages import doing
from ppl.running.continuation import ADAPTATION, continued, what_was_learnt
from ppl.running.counts import check_counts, check_options, checked_seed
from ppl.running.drawing_back import Seed
from ppl.running.expansion import DrawExpansion
from ppl.running.losses import Losses
from ppl.running.memory import check_memory_of_run
from ppl.running.results import logger, report, say_losses, to_datatree, versions
from ppl.running.wanted import LOGDENSITY
from ppl.starting.initial import StartingPoints
from ppl.starting.pathfinding import found_paths
from samplers import SweepResult, compile_sweep
from samplers.chain.arguments import RunSettings
from samplers.loop.interrupts import HeldInterrupts
from samplers.loop.memory import bytes_of_chains, bytes_of_draws
from samplers.tuning.learning import MetricChoice

Init = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | DataTree | None


class CompiledModel:
    """A model ready to sample: everything is compiled, and any seed can be run.

    Attributes
    ----------
    plan : Plan
        What is summed out and what is drawn how.
    backend : str
        ``numba``, ``c`` or ``jax``.
    precision : str
        In which NUTS evaluates the log-density.
    compile_seconds : float
        How long planning and compiling took.
    """

    def __init__(self, plan: Plan, backend: str, precision: str = "float64"):
        start = time.perf_counter()
        self.plan = plan
        self.backend = backend
        self.precision = precision
        doing("Compiling what samples")
        known = plan.compiled if (backend, precision) == ("numba", "float64") else None
        self._sweep: Any = known or compile_sweep(plan.sweep, backend, precision)
        self._starting_points = StartingPoints(plan, getattr(self._sweep, "new_logdensity", None))
        doing("Compiling what is kept of every draw")
        self._expansion = DrawExpansion.of(plan, backend)
        self._chosen_expansion: tuple[Any, DrawExpansion] | None = None
        self._lazy_seconds = getattr(self._sweep, "compile_seconds", 0.0)
        self.compile_seconds = time.perf_counter() - start

    def __reduce__(self) -> tuple[Any, ...]:
        # Machine code belongs to a process: the other reads it from disk, or compiles it again.
        return CompiledModel, (self.plan, self.backend, self.precision)

    def __repr__(self) -> str:
        return f"CompiledModel({self.plan.model!r}, backend={self.backend!r})"

    def dprint(self, file: Any = None) -> None:
        """Print the plan and its graphs.

        Parameters
        ----------
        file : text stream, optional
            Where to print; standard output by default.
        """
        self.plan.dprint(file=file)

    @explained
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
        var_names: Sequence[str] | None = None,
        metric: str = "auto",
        adapt: str = "chain",
    ) -> DataTree:
        """Draw from the posterior; what each argument means is said at `ppl.sample`.

        Parameters
        ----------
        draws, tune, chains : int
            Draws kept of each chain, iterations before them, number of chains.
        cores, seed : int, optional
            Threads; the seed of everything that is random.
        init : str, mapping, sequence of mappings, or DataTree, optional
            Where chains start, or a trace that they go on from.
        progress : bool, default True
            Show a bar, or lines.
        target_accept, max_tree_depth, metric, adapt
            Of NUTS: what step sizes are tuned to, how long trajectories may be, the metric, and who learns it.
        thin, keep_tuning, var_names
            Keep one draw out of so many; the warm-up, too; these variables only.

        Returns
        -------
        xarray.DataTree
            Arrays of shape ``(chains, draws // thin, *shape)``, in ArviZ's groups.

        Raises
        ------
        SamplingError
            If an argument is impossible, the log-density is not finite at the start, or memory would not suffice.

        Examples
        --------
        >>> import ppl
        >>> model = ppl.Model({ppl.Poisson("n", ppl.Gamma("rate", 2, 1)): [3, 1, 4]})
        >>> sampler = ppl.compile(model, progress=False)
        >>> sampler.sample(draws=50, chains=2, seed=1, progress=False).posterior["rate"].shape
        (2, 50)
        """
        check_counts(draws=draws, tune=tune, chains=chains, cores=cores, thin=thin, max_tree_depth=max_tree_depth)
        check_options(target_accept, adapt)
        seed = checked_seed(seed)
        settings = RunSettings(
            tune,
            draws,
            seed,
            cores,
            float(target_accept),
            max_tree_depth,
            thin,
            keep_tuning,
            metric=cast(MetricChoice, metric),
            is_pooled=adapt == "pooled",
        )
        num_threads = cores or os.cpu_count() or 1
        chosen = self._expansion if var_names is None else self._expansion_of(var_names)
        expansion = replace(chosen, num_threads=num_threads)
        rows = draws + tune * keep_tuning
        kept = bytes_of_draws(self.plan.sweep, expansion.layout.size, rows, chains)
        learning = bytes_of_chains(self.plan.sweep, chains, settings)
        check_memory_of_run(rows, chains, learning, kept, expansion.new_bytes)
        try:
            with untraced():
                start, learnt = self._start(init, chains, seed, tune)
        except SamplingError as error:
            raise self._starting_points.explained(error) from error
        with HeldInterrupts() as interrupts:
            with ProgressBar(chains, tune, draws, progress) as bar:
                keep = expansion.layout.names
                settings = replace(settings, keep=keep, callback=bar, learnt=learnt)
                result = self._run(start, settings, interrupts)
            losses = Losses(interrupts)
            trace = self._to_datatree(result, seed, max_tree_depth, expansion, losses)
            losses.attempt("report", lambda: report(result, trace, num_threads), None, is_long=True)
            say_losses(trace, losses)
        return trace

    def _run(self, start: NDArray[np.float64], settings: RunSettings, interrupts: HeldInterrupts) -> SweepResult:
        """Run the sweeps; those of the Numba and C backends let interrupts through themselves."""
        try:
            with interrupts.allowed() if self.backend == "jax" else nullcontext():
                return self._sweep.run(start, settings)
        except MemoryError as error:
            raise SamplingError(f"There is no memory for the run ({error}): ask for fewer draws or chains.") from error
        except SamplingError as error:
            if error.op is not None:
                raise self._starting_points.explained(error) from error
            if error.chain_without_gradient is None:
                raise
            term = self._starting_points.without_gradient(start[error.chain_without_gradient])
            raise SamplingError(f"{error} It is the term {term}." if term else str(error)) from None

    def _start(self, init: Init, chains: int, seed: int, tune: int) -> tuple[NDArray[np.float64], Any]:
        """Return where the chains start, and what they know."""
        if isinstance(init, DataTree):
            shapes = {a.name: a.shape for a in self.plan.declared if a.method not in ("marginalize", "integrate")}
            found = continued(init, self.plan.sweep, shapes, chains)
            if isinstance(found, tuple):
                return found
            if tune == 0 and any(a.builder and a.builder.needs_tuning for a in self.plan.assignments):
                logger.warning(
                    "The trace given as init was sampled in another way: the chains go on from its last values, but "
                    "step sizes and scales are not known, and not learnt with tune=0. Give tune=..., or the sampler "
                    "that the trace is from."
                )
            init = found
        if isinstance(init, str) and init == "pathfinder":
            return found_paths(self._sweep, self._starting_points("jitter", chains, seed), seed), None
        return self._starting_points(init, chains, seed), None

    def _to_datatree(
        self, result: SweepResult, seed: int, max_tree_depth: int, expansion: DrawExpansion, losses: Losses
    ) -> DataTree:
        # JAX compiles at the first run, when the number of chains is known.
        lazy = getattr(self._sweep, "compile_seconds", 0.0)
        self.compile_seconds += lazy - self._lazy_seconds
        self._lazy_seconds = lazy
        groups = _named(expansion, result.draws, result.stats, losses, (seed, 0))
        if result.tuning_draws is not None and result.tuning_draws.size:
            warmup = _named(expansion, result.tuning_draws, result.tuning_stats or {}, losses, (seed, 1))
            groups |= {f"warmup_{group}": values for group, values in warmup.items()}
        attributes = self._attributes(result, seed, max_tree_depth, losses)
        none: dict[str, Dataset] = {}
        learnt = losses.attempt(ADAPTATION, lambda: {ADAPTATION: what_was_learnt(result, self.plan.sweep)}, none)
        return to_datatree(self.plan.model, groups, attributes, extra_groups=learnt, losses=losses)

    def _attributes(self, result: SweepResult, seed: int, max_tree_depth: int, losses: Losses) -> dict[str, Any]:
        """Return what is worth knowing about the run."""
        none: dict[str, str] = {}
        no_names: list[str] = []
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
            "plan": losses.attempt("plan", lambda: str(self.plan), ""),
            **losses.attempt("drawn", lambda: drawn_attributes(self.plan.declared), none),
            "versions": losses.attempt("versions", versions, none),
        }
        flat = losses.attempt("flat_priors", lambda: flat_priors(self.plan.model), no_names)
        if flat:
            attributes["flat_priors"] = ", ".join(flat)
        count = int(result.num_without_gradient.sum())
        if count:
            state = result.without_gradient[np.argmax(result.num_without_gradient > 0)]
            term = losses.attempt("term_without_gradient", lambda: self._starting_points.without_gradient(state), "")
            attributes |= {"num_without_gradient": count, "term_without_gradient": term}
        return attributes

    def _expansion_of(self, var_names: Sequence[str]) -> DrawExpansion:
        """Return what a run has to keep; compiled once for runs that keep the same."""
        key = var_names if isinstance(var_names, str) else tuple(var_names)
        if self._chosen_expansion is None or self._chosen_expansion[0] != key:
            self._chosen_expansion = key, DrawExpansion.of(self.plan, self.backend, var_names)
        return self._chosen_expansion[1]

    def expand(self, draws: NDArray[np.float64]) -> dict[str, NDArray]:
        """Return the named values in natural space, and the deterministics, of flat draws.

        Parameters
        ----------
        draws : float64 array, shape (chains, draws, size)
            As a sweep moves them, continuous variables on the real line.

        Returns
        -------
        dict of str to array
            Each of shape ``(chains, draws, *shape)``.
        """
        return self._expansion(draws)


def _named(
    expansion: DrawExpansion, draws: NDArray[np.float64], stats: Mapping[str, NDArray], losses: Losses, seed: Seed
) -> dict[str, Mapping[str, NDArray]]:
    """Return named values and statistics; the log-density, where that of a block is not that of the draws."""
    values = losses.attempt("posterior", lambda: expansion(draws, in_place=True, losses=losses, seed=seed), None)
    if values is None:
        values = expansion.recorded(draws, losses)
    unconstrained, losses.unconstrained = losses.unconstrained, {}
    others = {n: array for n, array in stats.items() if n != "lp" or expansion.is_logdensity_given}
    lp = {"lp": values.pop(LOGDENSITY)} if LOGDENSITY in values else {}
    return {"posterior": values, "sample_stats": {**lp, **others}, "unconstrained_posterior": unconstrained}
