"""Running a sweep in JAX: chains side by side, draws in compiled chunks."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from graphs.backends.jax.callback import reraising
from graphs.errors import BackendError
from graphs.layout import Layout
from samplers.blocks import Block, Sweep
from samplers.chain.arguments import RunSettings, checked_starts
from samplers.chain.result import (
    STATUS_DONE,
    STATUS_INTERRUPTED,
    STATUS_STRIDE,
    SweepResult,
    explain_status,
    statistic_names,
)
from samplers.tuning.learning import variances_of
from samplers.tuning.pathfinder import Evaluate

try:
    import jax

    from samplers.loop.jax.block import JaxOptions
    from samplers.loop.jax.chunks import ChunkLoop, ChunkPrograms, chain_keys, compile_chunks
    from samplers.loop.jax.learning import JaxLearning
    from samplers.loop.jax.record import DrawRecord
    from samplers.tuning.jax_adaptation import Phase, drawing_phases, tuning_phases
except ModuleNotFoundError as error:
    raise BackendError(
        f"The jax backend needs {error.name}: pip install 'rvgraph[jax]', or use backend=\"numba\".", "jax"
    ) from error


class JaxSweep:
    """A sweep compiled by JAX.

    All chains run side by side in one program (``vmap``), so a draw takes as long as the longest trajectory among
    them; ``cores`` has no influence: XLA distributes the work. Where JAX has several devices, each runs some of the
    chains: as many devices are used as divide their number.

    Parameters
    ----------
    sweep : Sweep
        The blocks and the joint state.
    precision : {"float64", "float32"}
        In which NUTS evaluates the log-density and its gradient.

    Attributes
    ----------
    compile_seconds : float
        Time spent in compiling so far; a second run with as many chains and the same tree depth adds none.
    """

    def __init__(self, sweep: Sweep, precision: str = "float64"):
        self.sweep = sweep
        self.precision = precision
        self.layout: Layout = sweep.layout
        self.compile_seconds = 0.0
        self._statistics = [name for names in statistic_names(sweep) for name in names]
        self._programs: dict[tuple[int, int, bool], ChunkPrograms] = {}

    def run(self, init: NDArray[np.float64], settings: RunSettings) -> SweepResult:
        """Draw from every chain; see ``samplers.loop.run.CompiledSweep.run``."""
        init = checked_starts(init, self.layout.size)
        tune, learnt = settings.tune, settings.learnt
        is_known = learnt is not None and any(k.metric.kind != "diag" for known in learnt for k in known)
        learning = JaxLearning(self.sweep, len(init), settings)
        has_factor = bool(learning.learners) or is_known
        programs = self._compile(len(init), settings.max_tree_depth, has_factor=has_factor)
        started = perf_counter()
        with reraising():
            chains = programs.start(chain_keys(settings.seed, len(init)), init)
            loop = ChunkLoop(programs, chains, settings.target_accept, settings.callback)
        if learnt is not None:
            loop.chains = learning.resume(loop.chains, learnt)
        kept = self.layout.elements(settings.keep)
        tuned, drawn = (DrawRecord(len(init), kept, self._statistics) for _ in range(2))
        tuning_seconds, is_interrupted = None, False
        try:
            with reraising():
                _tune(loop, learning, tune, [tuned] if settings.keep_tuning else [], is_resumed=learnt is not None)
                tuning_seconds = perf_counter() - started
                phases = drawing_phases(settings.draws, is_start=tune == 0 and learnt is None)
                loop.run(phases, settings.thin, [drawn])
        except KeyboardInterrupt:
            is_interrupted = True
        total_seconds = perf_counter() - started
        if tuning_seconds is None:
            tuning_seconds = total_seconds
        seconds = (tuning_seconds, total_seconds - tuning_seconds)
        return self._result(loop, learning, tuned if settings.keep_tuning else None, drawn, seconds, is_interrupted)

    def evaluators(self, state: NDArray[np.float64]) -> list[tuple[slice, Evaluate]]:
        """As ``samplers.loop.run.CompiledSweep.evaluators``."""
        return [self._evaluator(block, state) for block in self.sweep.blocks if block.has_metric]

    def _evaluator(self, block: Block, state: NDArray[np.float64]) -> tuple[slice, Evaluate]:
        logdensity = block.jax(self.layout, JaxOptions(precision=self.precision)).logdensity
        assert logdensity is not None
        evaluate = jax.jit(jax.value_and_grad(logdensity))
        slices = [self.layout.slice_of(str(v.name)) for v in block.variables]

        def call(position: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, gradient = evaluate(position, state)
            return float(value), np.array(gradient, np.float64)

        return slice(min(s.start for s in slices), max(s.stop for s in slices)), call

    def _compile(self, num_chains: int, max_tree_depth: int, *, has_factor: bool) -> ChunkPrograms:
        key = (num_chains, max_tree_depth, has_factor)
        if key not in self._programs:
            started = perf_counter()
            self._programs[key] = compile_chunks(
                self.sweep, num_chains, max_tree_depth, self.precision, has_factor=has_factor
            )
            self.compile_seconds += perf_counter() - started
        return self._programs[key]

    def _result(
        self,
        loop: ChunkLoop,
        learning: JaxLearning,
        tuned: DrawRecord | None,
        drawn: DrawRecord,
        seconds: tuple[float, float],
        is_interrupted: bool,
    ) -> SweepResult:
        reasons = tuple(explain_status(int(status), self.sweep) for status in np.asarray(loop.chains.status))
        status = np.asarray(loop.chains.status) % STATUS_STRIDE
        if is_interrupted:
            status[status == STATUS_DONE] = STATUS_INTERRUPTED
        learnt = learning.learnt(loop.chains)
        has_stopped = np.asarray(loop.chains.status) != STATUS_DONE
        return SweepResult(
            draws=drawn.draws(),
            stats=drawn.stats(),
            step_size=loop.step_sizes(),
            inverse_mass_matrix=variances_of(learnt),
            state=np.where(has_stopped[:, None], np.nan, np.asarray(loop.chains.x)),
            learnt=learnt,
            num_gradients=int(np.sum(loop.chains.num_gradients)),
            tuning_seconds=seconds[0],
            sampling_seconds=seconds[1],
            tuning_draws=None if tuned is None else tuned.draws(),
            tuning_stats=None if tuned is None else tuned.stats(),
            interrupted=is_interrupted,
            num_draws=drawn.num_draws(),
            status=status,
            reasons=reasons,
            num_without_gradient=loop.num_without_gradient(),
            without_gradient=loop.without_gradient(),
        )


def _tune(loop: ChunkLoop, learning: JaxLearning, tune: int, records: list[DrawRecord], *, is_resumed: bool) -> None:
    """Make the tuning sweeps, and learn metrics in between."""
    phases = tuning_phases(tune)
    phases.is_searching[:1] &= not is_resumed
    times = learning.learners[0].times if learning.learners else []
    done = 0
    for stop in [*times, tune]:
        kept: list[DrawRecord | JaxLearning] = [*records, *([learning] if learning.learners else [])]
        loop.run(Phase(*(field[done:stop] for field in phases)), 1, kept)
        done = stop
        if stop in times:
            loop.chains, is_new = learning.update(loop.chains, stop)
            phases.is_searching[stop : stop + 1] |= is_new


def compile_sweep_jax(sweep: Sweep, precision: str = "float64") -> JaxSweep:
    """Prepare a sweep for JAX; it is compiled when it first runs, for the number of chains that it then has.

    Parameters
    ----------
    sweep : Sweep
        The blocks and the joint state.
    precision : {"float64", "float32"}
        In which NUTS evaluates the log-density and its gradient.

    Returns
    -------
    JaxSweep
        Its ``run`` draws.
    """
    return JaxSweep(sweep, precision)
