"""Sweeps compiled, and run on several chains."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable

from graphs.backends import get_backend
from graphs.errors import BackendError
from samplers.blocks import Sweep
from samplers.centring.members import CentredLearner, members_of
from samplers.chain.arguments import RunSettings, checked_starts, spawn_seeds
from samplers.chain.going import Keeper, Stopwatch, SweepRun
from samplers.chain.result import SweepResult
from samplers.chain.state import FIRST_STATISTIC, OFFSET, SIZE, Settings, new_chain
from samplers.loop import advance as chain
from samplers.loop import block_table as lowering
from samplers.loop.chain_run import ChainRun
from samplers.loop.chains_run import ChainsRun
from samplers.loop.compiled_loop import compiled_advance
from samplers.loop.learners import GroupLearner, Levels, resume_learnt
from samplers.loop.pytensor_programs import compile_functions
from samplers.loop.record import Record
from samplers.tuning.learning import MetricLearner
from samplers.tuning.pathfinder import Evaluate, evaluator


def compile_sweep(sweep: Sweep, backend: str = "numba", precision: str = "float64") -> Any:
    """Compile a sweep.

    Parameters
    ----------
    sweep : Sweep
        Blocks and joint state.
    backend : {"numba", "c", "jax", "interpreter"}
        What compiles the log-densities and draws. Numba also compiles the loop and runs chains in threads; with C the
        same loop runs as ordinary Python. The interpreter evaluates graphs node by node: for short runs.
    precision : {"float64", "float32"}
        In which NUTS evaluates the log-density and its gradient; single precision is for JAX.

    Returns
    -------
    CompiledSweep
        Or, for JAX, an object with the same method ``run``.

    Raises
    ------
    BackendError
        If the backend is unknown, not installed, or lacks an operation.
    ModelError
        If a block moves what is not in the joint state.
    """
    if precision not in ("float64", "float32"):
        raise BackendError(f'precision is "float64" or "float32", not {precision!r}.', backend)
    if backend not in ("numba", "c", "interpreter"):
        # Raises unless it is JAX and installed.
        get_backend(backend)
        from samplers.loop.jax.run import compile_sweep_jax

        return compile_sweep_jax(sweep, precision)
    if precision != "float64":
        raise BackendError(f'The {backend} backend computes in double precision; use backend="jax".', backend)
    alone = sweep.blocks[0].compiled_alone(sweep, backend) if len(sweep.blocks) == 1 else None
    return alone or CompiledSweep(sweep, backend)


class CompiledSweep:
    """A sweep that is ready to run.

    Parameters
    ----------
    sweep : Sweep
        Blocks and joint state.
    backend : {"numba", "c", "interpreter"}
        See ``compile_sweep``.

    Attributes
    ----------
    compile_seconds : float
        Time that compiling took, so far.
    bind : callable
        ``SeedSequence -> Programs``, a chain's own.
    """

    loop_at_once = True
    """Whether chains go through the loop whatever they find: else it is compiled where they do."""

    def __init__(self, sweep: Sweep, backend: str):
        start = perf_counter()
        self.sweep = sweep
        self.backend = backend
        self.layout = sweep.layout
        self._blocks = lowering.block_table(sweep)
        self._nuts_blocks = [i for i, block in enumerate(sweep.blocks) if block.has_metric]
        self.bind = lowering.compile_numba(sweep) if backend == "numba" else compile_functions(sweep, backend)
        self._advance: Callable[..., int] | None = None
        self.compile_seconds = perf_counter() - start
        if self.loop_at_once:
            self.compile_loop()

    def __reduce__(self) -> tuple[Any, ...]:
        # Machine code belongs to a process.
        return CompiledSweep, (self.sweep, self.backend)

    def compile_loop(self) -> None:
        """Compile the loop over sweeps, and the moves that it calls; once."""
        if self._advance is not None:
            return
        start = perf_counter()
        self._advance = compiled_advance(self._blocks[0]) if self.backend == "numba" else chain.advance
        # No sweep is done, but the loop is compiled here rather than by the first thread.
        nothing = Record.empty(self.sweep, 1, 0, 0)
        kept = np.zeros(0, np.int64)
        shortest = RunSettings(0, 0, seed=0, max_tree_depth=1)
        self._start(np.zeros((1, self.layout.size)), shortest, kept, nothing, nothing)[0].run_chunk()
        self.compile_seconds += perf_counter() - start

    def compiled_graphs(self) -> list[list[Variable]]:
        """Return the outputs of the graph that was compiled for each block, by Numba."""
        return [list(bound.program.fgraph.outputs) for bound in self.bind(np.random.SeedSequence(0)).owners]

    def logdensities(self, states: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the log-density and its gradient, where one block of NUTS is the sweep, compiled by Numba.

        Parameters
        ----------
        states : array, shape (n, size), float64
            Joint states.

        Returns
        -------
        values : array, shape (n,), float64
        gradients : array, shape (n, size), float64
        """
        [(_, evaluate)] = self.evaluators(np.zeros(self.layout.size))
        values, gradients = zip(*map(evaluate, states), strict=True)
        return np.array(values), np.array(gradients)

    def run(self, init: NDArray[np.float64], settings: RunSettings) -> SweepResult:
        """Draw.

        Parameters
        ----------
        init : array, shape (chains, size), float64
            Where each chain starts.
        settings : RunSettings
            How many draws, and how they are made.

        Returns
        -------
        SweepResult
            After KeyboardInterrupt, what has been drawn.

        Raises
        ------
        SamplingError
            If the start has another shape or is not finite, or a chain cannot start.
        """
        run = self.begin(init, settings)
        run.advance()
        return run.result()

    def begin(self, init: NDArray[np.float64], settings: RunSettings, keeper: Keeper | None = None) -> SweepRun:
        """Return a run that has not drawn yet, and can go on.

        Parameters
        ----------
        init, settings
            As in `run`.
        keeper : Keeper, optional
            Takes what is drawn; by default the run itself keeps it.

        Raises
        ------
        SamplingError
            If the start has another shape or is not finite.
        """
        init = checked_starts(init, self.layout.size)
        watch = Stopwatch()
        kept = self.layout.elements(settings.keep)
        rows, tuning_rows = int(settings.draws), settings.tune if settings.keep_tuning else 0
        if keeper is not None:
            rows, tuning_rows = keeper.num_rows, min(keeper.num_rows, tuning_rows)
        tuning_record = Record.empty(self.sweep, len(init), tuning_rows, kept.size)
        if settings.tunes_until_agreed and not settings.keep_tuning:
            tuning_record = Record.empty(self.sweep, len(init), settings.most_tune, 0)
        record = Record.empty(self.sweep, len(init), rows, kept.size)
        num_window = settings.num_window(self.sweep.metric_sizes, self.sweep.layout.size * self.sweep.has_coordinates)
        chains = self._start(init, settings, kept, tuning_record, record, num_window)
        for each in chains:
            each.watch, each.keeper = watch, keeper
            each.learns_elsewhere = settings.is_pooled and len(init) < settings.of_chains
            each.levels = self._levels(settings) if settings.tunes_until_agreed else None
        if num_window or self.sweep.has_coordinates:
            self._share_learners(chains, settings)
        if settings.learnt is not None:
            resume_learnt([each.members for each in chains], settings.learnt)
        num_workers = min(len(init), settings.cores or os.cpu_count() or 1) if self.backend == "numba" else 1
        return ChainsRun(self.sweep, settings, chains, record, tuning_record, num_workers, watch, keeper)

    def has_separate_chains(self, settings: RunSettings) -> bool:
        """Whether each chain draws the same with others beside it and without them, if these meet where they have to.

        Parameters
        ----------
        settings : RunSettings
            Of the run.
        """
        return True

    def evaluators(self, state: NDArray[np.float64]) -> list[tuple[slice, Evaluate]]:
        """Return, for each NUTS block, its elements and a function ``position -> (log-density, gradient)``.

        Parameters
        ----------
        state : array, shape (size,), float64
            The joint state; what a block does not move is held.
        """
        programs = self.bind(np.random.SeedSequence(0))
        table, found = self._blocks[0], []
        for b in self._nuts_blocks:
            where = slice(int(table[b, OFFSET]), int(table[b, OFFSET] + table[b, SIZE]))
            found.append((where, evaluator(programs, b, state)))
        return found

    @property
    def new_logdensity(self) -> Callable[[], Callable[[NDArray[np.float64]], float]] | None:
        """What makes functions ``state -> log-density``, each for one thread; None unless NUTS moves everything."""
        moved = [int(self._blocks[0][block, SIZE]) for block in self._nuts_blocks]
        return self._logdensity if self.backend == "numba" and moved == [self.layout.size] else None

    def _logdensity(self) -> Callable[[NDArray[np.float64]], float]:
        [(_, evaluate)] = self.evaluators(np.zeros(self.layout.size))
        return lambda state: evaluate(state)[0]

    def _start(
        self,
        init: NDArray[np.float64],
        settings: RunSettings,
        kept: NDArray[np.int64],
        tuning_record: Record,
        record: Record,
        num_window: int = 0,
    ) -> list[ChainRun]:
        """Set up the chains."""
        self.compile_loop()
        assert self._advance is not None
        first = settings.first_chain
        seeds = spawn_seeds(settings.seed, first + len(init))[first:]
        num_statistics = record.statistics.shape[-1]
        in_loop = Settings(
            int(settings.tune), float(settings.target_accept), int(settings.max_tree_depth), settings.num_early
        )
        num_blocks, depth = len(self.sweep.blocks), settings.max_tree_depth
        found = []
        for i, position in enumerate(init):
            memory = new_chain(position, seeds[i], num_blocks, num_statistics, depth, kept, num_window)
            programs = self.bind(seeds[i])
            run = ChainRun(
                self._advance,
                memory,
                in_loop,
                programs,
                self._blocks,
                int(settings.draws),
                int(settings.thin),
                tuning_record.of_chain(i, is_tuning=True, first_chain=first),
                record.of_chain(i, is_tuning=False, first_chain=first),
                members_of(memory, programs, self._blocks[0], self._nuts_blocks),
            )
            found.append(run)
        return found

    def _levels(self, settings: RunSettings) -> Levels:
        """Return what says how far a chain is."""
        table, longest = self._blocks[0], replace(settings, tune=settings.most_tune)
        most_rows = longest.num_window(self.sweep.metric_sizes, self.sweep.layout.size * self.sweep.has_coordinates)
        # The log-density is the first statistic of NUTS.
        logdensities = [int(table[b, FIRST_STATISTIC]) for b in self._nuts_blocks]
        return Levels(logdensities, lowering.scales_of(self.sweep), most_rows)

    def _share_learners(self, runs: Sequence[ChainRun], settings: RunSettings) -> None:
        """Give each chain what learns its metric, or all of them one."""
        groups = [range(len(runs))] if settings.is_pooled else [[number] for number in range(len(runs))]
        for group in groups:
            learner = MetricLearner(settings.metric, self.sweep.metric_sizes, settings.tune)
            make = CentredLearner if self.sweep.has_coordinates else GroupLearner
            shared = make(learner, [runs[number].members for number in group])
            if settings.learnt is None and isinstance(shared, CentredLearner):
                shared.start()
            for number in group:
                runs[number].learner = shared
