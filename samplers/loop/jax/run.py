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
from samplers.chain.going import Keeper, SweepRun
from samplers.chain.result import SweepResult
from samplers.tuning.pathfinder import Evaluate

try:
    import jax

    from samplers.loop.jax.block import JaxOptions
    from samplers.loop.jax.chunks import ChunkLoop, ChunkPrograms, chain_keys, compile_chunks
    from samplers.loop.jax.going import JaxRun
    from samplers.loop.jax.learning import JaxLearning
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
        self._programs: dict[tuple[int, int, bool], ChunkPrograms] = {}

    def __reduce__(self) -> tuple[type[JaxSweep], tuple[Sweep, str]]:
        # Machine code belongs to a process.
        return JaxSweep, (self.sweep, self.precision)

    def run(self, init: NDArray[np.float64], settings: RunSettings) -> SweepResult:
        """Draw from every chain; see ``samplers.loop.run.CompiledSweep.run``."""
        run = self.begin(init, settings)
        run.advance()
        return run.result()

    def begin(self, init: NDArray[np.float64], settings: RunSettings, keeper: Keeper | None = None) -> SweepRun:
        """Return a run that has not drawn yet; see ``samplers.loop.run.CompiledSweep.begin``."""
        init = checked_starts(init, self.layout.size)
        learnt = settings.learnt
        is_known = learnt is not None and any(k.metric.kind != "diag" for known in learnt for k in known)
        learning = JaxLearning(self.sweep, len(init), settings)
        has_factor = bool(learning.learners) or is_known
        programs = self._compile(len(init), settings.max_tree_depth, has_factor=has_factor)
        with reraising():
            chains = programs.start(chain_keys(settings.seed, len(init)), init)
            loop = ChunkLoop(programs, chains, settings.target_accept, settings.callback)
        if learnt is not None:
            loop.chains = learning.resume(loop.chains, learnt)
        return JaxRun(self.sweep, settings, loop, learning, keeper)

    def has_separate_chains(self, settings: RunSettings) -> bool:
        """Whether each chain draws the same without the others: no, XLA rounds otherwise for another number of them.

        Of 16 chains of a Poisson regression with two coefficients, 7 draw something else in a program for one chain
        than in one for 16; in programs for 2, 4 and 8 they happen to draw the same.
        """
        return False

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
