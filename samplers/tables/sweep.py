"""Chains of independent proposals from a table, accepted or rejected; NUTS where a density has no table."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.blas import one_blas_thread
from graphs.optional import optional
from samplers.chain.arguments import RunSettings, checked_starts, spawn_seeds
from samplers.chain.metric import Learnt, Metric
from samplers.chain.result import STATUS_DONE, STATUS_INTERRUPTED, SweepResult
from samplers.loop.interrupts import HeldInterrupts
from samplers.loop.run import CompiledSweep
from samplers.tables.making import made_table
from samplers.tables.many import ManyEvaluated
from samplers.tables.orbits import NUM_IMAGES, accepted, images
from samplers.tables.table import MadeOf, Table
from samplers.tables.tiling import Matrix, log_total

BURN_IN = 16
"""Proposals before the first draw: at an acceptance rate of 0.9 nothing is left of where a chain began."""
MOST_CELLS = 2000
"""So many cells a table may have: half as many as an ordinary run has draws, each of which takes an evaluation, too."""
LEAST_ACCEPTANCE, MOST_WEIGHT = 0.7, 30.0
"""Of proposals on average; and the largest weight of one over the average: a table that is worse is not used."""
NUM_JUDGED = 1024
"""By so many proposals of each chain: whether a table is good does not depend on how many draws are asked for."""
NUM_EXPLORING = 30
"""Trajectories, one after the other, that look for what a table lacks."""
_CHUNK_SECONDS, _FIRST_CHUNK = 0.2, 16
_BLOCK = 1024
_NO_STEP = float("nan")


class TabulatedSweep(CompiledSweep):
    """A sweep of one `TabulatedBlock` that is ready to run; as `CompiledSweep`."""

    def __reduce__(self) -> tuple[Any, ...]:
        # As of any sweep: machine code belongs to a process.
        return TabulatedSweep, (self.sweep, self.backend)

    def run(self, init: NDArray[np.float64], settings: RunSettings) -> SweepResult:
        """Draw; see `CompiledSweep.run`.

        The draws of a chain are those of an independent Metropolis-Hastings sampler (Tierney 1994, Annals of
        Statistics 22), whose proposals are from a table, fifteen of sixteen being images of the one before them: they
        leave the density unchanged, whatever the table, and where it is good they balance each other
        (`samplers.tables.orbits`).
        """
        init = checked_starts(init, self.layout.size)
        num_threads = settings.cores or os.cpu_count() or 1
        evaluate = ManyEvaluated(self.bind, num_threads if self.backend == "numba" else 1)
        found = self._tabulated(init, settings, evaluate)
        if found is not None:
            return found
        found = super().run(init, replace(settings, learnt=settings.learnt if _is_learnt(settings) else None))
        return replace(found, num_gradients=found.num_gradients + evaluate.number)

    @optional("a table of a density", otherwise=lambda *_: None)
    def _tabulated(self, init: Matrix, settings: RunSettings, evaluate: ManyEvaluated) -> SweepResult | None:
        """Return draws by a table; None where there is none that is good."""
        start = perf_counter()
        if not np.isfinite(evaluate(init)[0]).all():
            return None  # NUTS says what is wrong
        with HeldInterrupts() as interrupts, one_blas_thread():
            try:
                with interrupts.allowed():
                    table = made_table(evaluate, init, MOST_CELLS, self._explored)
            except KeyboardInterrupt:
                nothing = _Proposals.none(*init.shape)
                return self._result(nothing, settings, evaluate.number, (start, perf_counter(), perf_counter()), True)
            if table is None:
                return None
            tuned = perf_counter()
            proposed = _Proposals.of(table, settings, len(init))
            interrupted = _evaluated(proposed, NUM_JUDGED, evaluate, settings, interrupts)
            if not interrupted and not proposed.are_good():
                return None
            interrupted = interrupted or _evaluated(proposed, None, evaluate, settings, interrupts)
        return self._result(proposed, settings, evaluate.number, (start, tuned, perf_counter()), interrupted)

    def _explored(self, starts: Matrix, axes: Matrix, step_size: float) -> Matrix:
        """Return where NUTS gets to."""
        learnt = [[Learnt(step_size, Metric.dense(axes))]] * len(starts)
        settings = RunSettings(0, NUM_EXPLORING, seed=0, learnt=learnt)
        result = super().run(starts, settings)
        if result.interrupted:
            raise KeyboardInterrupt
        found: Matrix = result.draws.reshape(-1, self.layout.size)
        return found[np.isfinite(found).all(axis=1)]

    def _result(
        self,
        proposed: _Proposals,
        settings: RunSettings,
        num_gradients: int,
        times: tuple[float, float, float],
        interrupted: bool,
    ) -> SweepResult:
        """Return what the chains have drawn."""
        chains, size = len(proposed.positions), self.layout.size
        tune = settings.tune if settings.keep_tuning else 0
        chosen, rates = proposed.chains()
        draws = np.take_along_axis(proposed.positions, chosen[:, :, None], axis=1)
        values = np.take_along_axis(proposed.values, chosen, axis=1)
        kept = self.layout.elements(settings.keep)

        def part(where: slice) -> tuple[NDArray[np.float64], dict[str, NDArray]]:
            return draws[:, where, kept], {"lp": values[:, where], "acceptance_rate": rates[:, where]}

        stop = BURN_IN + tune + settings.draws
        after, stats = part(slice(BURN_IN + tune, stop))
        before, tuning_stats = part(slice(BURN_IN, BURN_IN + tune))
        is_whole = not interrupted
        return SweepResult(
            draws=after,
            stats=stats,
            step_size=np.full(chains, np.nan),
            inverse_mass_matrix=np.zeros((chains, 0)),
            num_gradients=num_gradients,
            tuning_seconds=times[1] - times[0],
            sampling_seconds=times[2] - times[1],
            tuning_draws=before if settings.keep_tuning else None,
            tuning_stats=tuning_stats if settings.keep_tuning else None,
            interrupted=interrupted,
            num_draws=np.full(chains, after.shape[1]),
            num_tuned=np.full(chains, settings.tune),
            status=np.full(chains, STATUS_DONE if is_whole else STATUS_INTERRUPTED),
            reasons=("",) * chains,
            state=draws[:, :stop][:, -1] if draws.shape[1] else np.full((chains, size), np.nan),
            learnt=((),) * chains,
            num_without_gradient=np.zeros(chains, np.int64),
            without_gradient=np.full((chains, size), np.nan),
        )


@dataclass(eq=False)
class _Proposals:
    """Proposals of all chains.

    Parameters
    ----------
    positions : array, shape (chains, n, d), float64
    logs : array, shape (chains, n), float64
        Logarithm of the probability with which each was proposed.
    values : array, shape (chains, n), float64
        The log-density.
    uniform : array, shape (chains, n), float64
        What decides whether one is accepted.
    """

    positions: NDArray[np.float64]
    logs: Matrix
    values: Matrix
    uniform: Matrix
    num_done: int = 0

    @classmethod
    def of(cls, table: Table, settings: RunSettings, chains: int) -> _Proposals:
        """Return what all chains propose; those of a chain do not depend on how many chains or draws there are."""
        number = _in_sets(BURN_IN + settings.draws + settings.tune * settings.keep_tuning)
        num_axes = table.origin.size
        made_of, uniform = [], []
        for seed in spawn_seeds(settings.seed, chains):
            rng = np.random.default_rng(seed)
            for start in range(0, number, _BLOCK):
                used = min(_BLOCK, number - start)
                made_of.append([part[:used] for part in images(MadeOf.drawn(rng, _BLOCK // NUM_IMAGES, num_axes))])
                uniform.append(rng.random(_BLOCK)[:used])
        positions, logs = table.placed(MadeOf(*map(np.concatenate, zip(*made_of, strict=True))))
        shape = chains, number
        return cls(
            positions.reshape(*shape, num_axes),
            logs.reshape(shape),
            np.full(shape, np.nan),
            np.concatenate(uniform).reshape(shape),
        )

    @classmethod
    def none(cls, chains: int, size: int) -> _Proposals:
        """Return no proposals."""
        empty = np.zeros((chains, 0))
        return cls(np.zeros((chains, 0, size)), empty, empty, empty)

    def until(self, number: int) -> None:
        """Forget what was not evaluated."""
        self.positions, self.logs, self.values, self.uniform = (
            array[:, :number] for array in (self.positions, self.logs, self.values, self.uniform)
        )

    @property
    def log_weights(self) -> Matrix:
        """Logarithms of densities over those of proposals."""
        found: Matrix = np.where(np.isnan(self.values), -np.inf, self.values) - self.logs
        return found

    def are_good(self) -> bool:
        """Whether the table is close enough to the density, as far as that has been evaluated."""
        seen = replace(self)
        seen.until(self.num_done)
        logs = seen.log_weights
        mean = log_total(logs) - np.log(max(logs.size, 1))
        _, rates = seen.chains()
        return not logs.size or bool(logs.max() - mean < np.log(MOST_WEIGHT) and rates.mean() > LEAST_ACCEPTANCE)

    def chains(self) -> tuple[NDArray[np.int64], Matrix]:
        """Return which proposal each chain is at after each, (chains, n), and how probably each was accepted."""
        logs = self.log_weights
        chosen, rates = zip(*(accepted(own, np.log(u)) for own, u in zip(logs, self.uniform, strict=True)), strict=True)
        return np.stack(chosen), np.stack(rates)


def _in_sets(number: int) -> int:
    """Return the number rounded up."""
    return -(-number // NUM_IMAGES) * NUM_IMAGES


def _evaluated(
    proposed: _Proposals,
    most: int | None,
    evaluate: ManyEvaluated,
    settings: RunSettings,
    interrupts: HeldInterrupts,
) -> bool:
    """Evaluate the log-density of so many proposals; whether somebody interrupted that, which leaves those before."""
    chains, number, size = proposed.positions.shape
    number = number if most is None else min(number, most)
    done, chunk = proposed.num_done, _FIRST_CHUNK
    try:
        with interrupts.allowed():
            while done < number:
                start = perf_counter()
                part = proposed.positions[:, done : min(done + chunk, number)]
                values = evaluate(part.reshape(-1, size))[0].reshape(chains, -1)
                proposed.values[:, done : done + values.shape[1]] = values
                done = proposed.num_done = done + values.shape[1]
                fitting = chunk * _CHUNK_SECONDS / max(perf_counter() - start, 1e-9)
                chunk = _in_sets(int(np.clip(fitting, 1, 16 * chunk)))
                _report(proposed, done, evaluate.number, settings)
    except KeyboardInterrupt:
        proposed.until(done)
        return True
    return False


def _report(proposed: _Proposals, done: int, num_gradients: int, settings: RunSettings) -> None:
    if settings.callback is None:
        return
    drawn = done - BURN_IN
    tune = settings.tune * settings.keep_tuning
    is_tuning = drawn < tune
    state: dict[str, Any] = {
        "draw": max(drawn if is_tuning else drawn - tune, 0),
        "tuning": is_tuning,
        "divergences": 0,
        "step_size": _NO_STEP,
        "num_gradients": num_gradients // len(proposed.positions),
    }
    settings.callback([{"chain": chain, **state} for chain in range(len(proposed.positions))])


def _is_learnt(settings: RunSettings) -> bool:
    return settings.learnt is not None and all(len(chain) for chain in settings.learnt)
