"""A model that is compiled: sampled as often as needed, with any seed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree

from graphs.deriving import deriving
from graphs.errors import SamplingError
from ppl.diagnosing.judged import constant_variables
from ppl.distributing.clients import check_client
from ppl.distributing.run import ClusterRun
from ppl.keeping.manifest import check_free
from ppl.modelling.bad_constants import explained
from ppl.planning.plans import Plan
from ppl.reporting.progress import ProgressBar
from ppl.reporting.stages import doing
from ppl.running.continuation import ADAPTATION, continued, what_was_learnt
from ppl.running.drawing import Drawing
from ppl.running.expansion import DrawExpansion
from ppl.running.losses import Losses
from ppl.running.memory import room_of_run
from ppl.running.named import named_groups
from ppl.running.results import attributes_of, logger, report, say_losses, to_datatree
from ppl.starting.initial import StartingPoints
from ppl.starting.modes import chosen_starts
from ppl.starting.pathfinding import found_paths
from ppl.stopping.asked import Asked, Tune
from ppl.stopping.conducting import Ending
from ppl.stopping.options import Adapt, Init, Precision
from ppl.stopping.until import Until
from ppl.storing.stored import StoredRun
from samplers import SweepResult, compile_sweep
from samplers.chain.arguments import RunSettings
from samplers.chain.going import Keeper, SweepRun
from samplers.loop.interrupts import HeldInterrupts
from samplers.tuning.learning import MetricChoice


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
    compile_options : dict
        What `ppl.compile` was asked for, as far as that can be written down.
    """

    def __init__(self, plan: Plan, backend: str, precision: Precision = "float64"):
        start = time.perf_counter()
        self.plan = plan
        self.backend = backend
        self.precision = precision
        self.compile_options: dict[str, Any] = {}
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
        draws: int | None = None,
        tune: Tune = 1000,
        chains: int = 4,
        cores: int | None = None,
        seed: int | None = None,
        *,
        until: Until | None = None,
        init: Init = None,
        progress: bool = True,
        target_accept: float = 0.8,
        max_tree_depth: int = 10,
        thin: int = 1,
        keep_tuning: bool = False,
        var_names: Sequence[str] | None = None,
        metric: MetricChoice = "auto",
        adapt: Adapt = "chain",
        store: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        client: Any = None,
    ) -> DataTree:
        """Draw from the posterior; what each argument means is said at `ppl.sample`.

        Parameters
        ----------
        draws, tune, chains, until
            Draws kept of each chain, iterations before them, number of chains; what draws have to meet instead.
        cores, seed : int, optional
            Threads; the seed of everything that is random.
        init, progress
            Where chains start, or a trace that they go on from; whether a bar or lines are shown.
        target_accept, max_tree_depth, metric, adapt
            Of NUTS: what step sizes are tuned to, how long trajectories may be, the metric, and who learns it.
        thin, keep_tuning, var_names
            Keep one draw out of so many; the warm-up, too; these variables only.
        store, overwrite, client
            Where draws go while chains run, and whether what exists there may be replaced; whose workers run.

        Returns
        -------
        xarray.DataTree
            Arrays of shape ``(chains, draws, *shape)``, in ArviZ's groups.

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
        asked = Asked(
            draws, tune, chains, cores, seed, target_accept, max_tree_depth, thin, keep_tuning, metric, adapt, until
        )
        check_client(client)
        path = None if store is None else check_free(store, overwrite)
        settings, expansion = asked.settings(), self.expansion_for(var_names, cores)
        asked.check(expansion.order, constant_variables(self.plan.declared))
        kept = None if path is not None else expansion.layout.size
        most = room_of_run(self.plan.sweep, chains, settings, kept, expansion.new_bytes, until is not None)
        try:
            with deriving():
                start, learnt = self._start(init, chains, settings.seed, settings.tune)
        except SamplingError as error:
            raise self._starting_points.explained(error) from error
        settings = replace(settings, keep=expansion.layout.names, learnt=learnt)
        if path is not None:
            options = {"var_names": None if var_names is None else list(var_names), "adapt": adapt}
            return StoredRun.begun(self, path, settings, start, expansion, options, client, until).sample(progress)

        def so_far(result: SweepResult) -> DataTree:
            return self._so_far(result, settings, expansion)

        with HeldInterrupts() as interrupts:
            with ProgressBar(chains, settings.tune, settings.draws, progress, asked.planned) as bar:
                result, ending = Drawing(self, asked, settings, most, bar, interrupts, so_far, client)(start)
            losses = Losses(interrupts)
            trace = self._to_datatree(result, settings, expansion, losses, ending)
            losses.attempt("report", lambda: report(result, trace, expansion.num_threads), None, is_long=True)
            say_losses(trace, losses)
        return trace

    def expansion_for(self, var_names: Sequence[str] | None, cores: int | None) -> DrawExpansion:
        """Return what a run has to keep, and by how many threads that is computed."""
        chosen = self._expansion if var_names is None else self._expansion_of(var_names)
        return replace(chosen, num_threads=cores or os.cpu_count() or 1)

    def begin(
        self, start: NDArray[np.float64], settings: RunSettings, keeper: Keeper | None = None, client: Any = None
    ) -> SweepRun:
        """Return a run that has not drawn yet, from joint states (chains, size) on; here, or on workers of a client."""
        if client is not None:
            return ClusterRun(client, self._sweep, start, settings, keeper)
        run: SweepRun = self._sweep.begin(start, settings, keeper)
        return run

    @contextmanager
    def explaining(self, start: NDArray[np.float64]) -> Iterator[None]:
        """Say more of what goes wrong in a run from joint states (chains, size)."""
        try:
            yield
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
        return chosen_starts(self._starting_points, init, chains, seed, self._sweep), None

    def _so_far(self, result: SweepResult, settings: RunSettings, expansion: DrawExpansion) -> DataTree:
        """Return a trace of what has been drawn while chains go on, which it leaves as it is.

        What they have learnt is not in it: they are learning, or between two draws.
        """
        losses, seed = Losses(), cast(int, settings.seed)
        groups = named_groups(expansion, result.draws, result.stats, losses, (seed, 0), in_place=False)
        attributes = self.attributes(result, seed, settings.max_tree_depth, losses)
        return to_datatree(self.plan.model, groups, attributes, losses=losses)

    def _to_datatree(
        self,
        result: SweepResult,
        settings: RunSettings,
        expansion: DrawExpansion,
        losses: Losses,
        ending: Ending | None,
    ) -> DataTree:
        seed = cast(int, settings.seed)
        groups = named_groups(expansion, result.draws, result.stats, losses, (seed, 0))
        if result.tuning_draws is not None and result.tuning_draws.size:
            warmup = named_groups(expansion, result.tuning_draws, result.tuning_stats or {}, losses, (seed, 1))
            groups |= {f"warmup_{group}": values for group, values in warmup.items()}
        attributes = self.attributes(result, seed, settings.max_tree_depth, losses)
        attributes |= {} if ending is None else ending.attributes()
        none: dict[str, Dataset] = {}
        learnt = losses.attempt(ADAPTATION, lambda: {ADAPTATION: what_was_learnt(result, self.plan.sweep)}, none)
        return to_datatree(self.plan.model, groups, attributes, extra_groups=learnt, losses=losses)

    def attributes(self, result: SweepResult, seed: int, max_tree_depth: int, losses: Losses) -> dict[str, Any]:
        """Return what is worth knowing about the run."""
        # JAX compiles at the first run, when the number of chains is known.
        lazy = getattr(self._sweep, "compile_seconds", 0.0)
        self.compile_seconds += lazy - self._lazy_seconds
        self._lazy_seconds = lazy
        about = {
            "inference_library": "rvgraph",
            "backend": self.backend,
            "seed": seed,
            "max_tree_depth": max_tree_depth,
            "sampling_seconds": result.sampling_seconds,
            "tuning_seconds": result.tuning_seconds,
            "compile_seconds": self.compile_seconds,
        }
        return about | attributes_of(result, self.plan, self._starting_points.without_gradient, losses)

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
