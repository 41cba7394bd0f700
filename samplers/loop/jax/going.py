"""A run of chains in JAX, which can go on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from graphs.backends.jax.callback import reraising
from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings
from samplers.chain.going import Keeper, Stopwatch, Taken, WholeRun
from samplers.chain.plain_arrays import State, packed, part_of, with_prefix
from samplers.chain.result import (
    STATUS_DONE,
    STATUS_INTERRUPTED,
    STATUS_STRIDE,
    SweepResult,
    explain_status,
    statistic_names,
)
from samplers.loop.block_table import scales_of
from samplers.loop.interrupts import HeldInterrupts
from samplers.loop.jax.chunks import ChunkLoop, chains_of_leaves, leaves_of
from samplers.loop.jax.learning import JaxLearning
from samplers.loop.jax.record import Chunk, DrawRecord
from samplers.tuning.agreement import Knowledge, decided_after, is_settled, next_stage
from samplers.tuning.jax_adaptation import Phase, drawing_phases, tuning_phases
from samplers.tuning.learning import variances_of

_PIECE = 2**16
"""Draws of which phases are made at once."""


class JaxRun(WholeRun):
    """A run of chains in JAX; see `samplers.chain.going.SweepRun`.

    Parameters
    ----------
    sweep : Sweep
        What they run.
    settings : RunSettings
        How.
    loop : ChunkLoop
        The compiled sweep and the chains.
    learning : JaxLearning
        What learns their metrics.
    keeper : Keeper, optional
        Takes what is drawn.
    """

    def __init__(
        self, sweep: Sweep, settings: RunSettings, loop: ChunkLoop, learning: JaxLearning, keeper: Keeper | None
    ):
        self.sweep = sweep
        self.settings = settings
        self._loop = loop
        self._learning = learning
        self._keeper = keeper
        self._watch = Stopwatch()
        self._kept = sweep.layout.elements(settings.keep)
        self._names = tuple(name for names in statistic_names(sweep) for name in names)
        # The log-density is the first statistic of NUTS.
        own = zip(sweep.blocks, statistic_names(sweep), strict=True)
        self._logdensities = [names[0] for block, names in own if block.has_metric]
        self._scales = scales_of(sweep)
        chains = len(loop.chains.num_gradients)
        self._tuned, self._drawn = (DrawRecord(chains, self._kept, self._names) for _ in range(2))
        self._lengths = [settings.tune]
        self._phases = self._planned()
        self._levels: list[NDArray[np.float64]] = []
        self._is_open, self._has_agreed = settings.tunes_until_agreed, False
        self._known_before: list[Knowledge] = []
        self._num_tuned, self._num_drawn, self._num_updates = 0, 0, 0
        self._tuned_at = 0.0
        self._num_wanted = int(settings.draws)
        self._interrupted = False
        self._interrupts = HeldInterrupts()

    @property
    def _length(self) -> int:
        """Number of sweeps of the warm-up, as far as that is known."""
        return self._lengths[-1]

    def _planned(self) -> Phase:
        """Return the phases of the warm-up."""
        phases = tuning_phases(self._lengths, self.settings.num_early)
        phases.is_searching[:1] &= self.settings.learnt is None
        return phases

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws that each chain has kept so far, (chains,)."""
        completed = np.asarray(self._loop.chains.num_completed) - self._length
        return np.clip(completed // self.settings.thin, 0, self._num_drawn)

    def advance(self, draws: int | None = None) -> bool:
        """Go on; see `samplers.chain.going.SweepRun.advance`.

        Raises
        ------
        SamplingError
            If a chain cannot start.
        """
        draws = self._num_wanted = int(self.settings.draws if draws is None else draws)
        self._interrupted = False
        self._watch.start()
        # Between a chunk and its record an interrupt would tear them apart.
        with HeldInterrupts() as self._interrupts, reraising():
            try:
                self._tune()
                self._draw(draws)
            except KeyboardInterrupt:
                self._interrupted = True
        self._watch.stop()
        if self._keeper is not None:
            self._keeper.commit(self.state())
        return not self._interrupted

    def _tune(self) -> None:
        """Make the tuning sweeps that are left; where their number is open, find it on the way."""
        while self._is_open:
            self._tune_until(decided_after(self._length))
            self._decide()
        self._tune_until(self._length)

    def _tune_until(self, end: int) -> None:
        """Make tuning sweeps, and learn metrics in between."""
        times = [time for time in self._times if time <= end]
        for stop in [*times[self._num_updates :], end]:
            phases = Phase(*(field[self._num_tuned : stop] for field in self._phases))
            self._loop.totals = {"tune": self._length, "draws": self._num_wanted}
            self._loop.run(phases, 1, self._num_tuned, self._after_tuning)
            if self._num_updates < len(times):
                self._loop.chains, is_new = self._learning.update(self._loop.chains, stop)
                self._phases.is_searching[stop : stop + 1] |= is_new
                self._num_updates += 1

    @property
    def _times(self) -> list[int]:
        """Numbers of sweeps after which metrics are learnt."""
        return self._learning.learners[0].times if self._learning.learners else []

    def _decide(self) -> None:
        """Decide whether the warm-up is long enough, or how long it is to be."""
        levels = np.concatenate(self._levels)[self._num_tuned // 2 :]
        known = self._learning.knowledge(self._loop.chains, levels, self._scales)
        pooled = self.settings.is_pooled and levels.shape[1] > 1
        self._has_agreed = is_settled(known, self._known_before, self._num_tuned, is_pooled=pooled)
        self._known_before = known
        longer = None if self._has_agreed or not known else next_stage(self._length)
        self._is_open = longer is not None
        if longer is not None:
            self._set_lengths([*self._lengths, longer])

    def _set_lengths(self, lengths: list[int]) -> None:
        """Let the warm-up have been planned so."""
        if lengths == self._lengths:
            return
        before, self._lengths = self._phases.is_searching, lengths
        self._phases = self._planned()
        self._phases.is_searching[: len(before)] = before
        self._learning.set_tune(self._length)
        self._num_updates = sum(time <= self._num_tuned for time in self._times)

    def _after_tuning(self, done: int, chunk: Chunk) -> None:
        """Keep a chunk of tuning sweeps."""
        first, self._num_tuned = self._num_tuned, done
        self._learning.add(chunk)
        if self._is_open:
            levels = np.zeros((*chunk.status.shape, len(self._logdensities)))
            for block, name in enumerate(self._logdensities):
                levels[:, :, block] = chunk.stats[name]
            self._levels.append(levels)
        if done == self._length:
            self._tuned_at = self._watch.seconds
        self._record(chunk, first, is_tuning=True)

    def _draw(self, draws: int) -> None:
        """Make the draws that are left."""
        self._loop.totals = {"tune": self._length, "draws": draws}
        is_start = self._length == 0 and self.settings.learnt is None
        while self._num_drawn < draws:
            count = min(draws - self._num_drawn, _PIECE)
            phases = drawing_phases(count, is_start=is_start and self._num_drawn == 0)
            self._loop.run(phases, self.settings.thin, self._num_drawn, self._after_drawing)

    def _after_drawing(self, done: int, chunk: Chunk) -> None:
        """Keep a chunk of draws."""
        first, self._num_drawn = self._num_drawn, done
        self._record(chunk, first, is_tuning=False)

    def _record(self, chunk: Chunk, first: int, *, is_tuning: bool) -> None:
        if not is_tuning or self.settings.keep_tuning:
            if self._keeper is None:
                (self._tuned if is_tuning else self._drawn).add(chunk)
            else:
                self._hand_over(self._keeper, chunk, first, is_tuning)
        if self._keeper is not None and self._keeper.is_due():
            self._keeper.commit(self.state())
        with self._interrupts.allowed():
            pass

    def _hand_over(self, keeper: Keeper, chunk: Chunk, first: int, is_tuning: bool) -> None:
        """Let the keeper take the rows of each chain that has not failed."""
        columns = [np.asarray(chunk.stats[name], np.float64) for name in self._names]
        nothing = np.zeros((*chunk.status.shape, 0))
        statistics = np.stack(columns, axis=-1) if columns else nothing
        for chain in range(chunk.status.shape[1]):
            count = int((chunk.status[:, chain] == STATUS_DONE).sum())
            if count:
                draws = np.ascontiguousarray(chunk.draws[:count, chain][:, self._kept])
                keeper.take(Taken(chain, is_tuning, first, draws, statistics[:count, chain], self._names))

    def state(self) -> State:
        """Return all that the next sweep needs; see `samplers.chain.going.SweepRun.state`."""
        found = {f"leaf_{i}": leaf for i, leaf in enumerate(leaves_of(self._loop.chains))}
        found |= with_prefix("learning_", self._learning.state())
        completed = np.asarray(self._loop.chains.num_completed)
        return found | {
            "is_searching": self._phases.is_searching.copy(),
            "lengths": np.array(self._lengths),
            **(self._open_state() if self.settings.tunes_until_agreed else {}),
            "num_updates": np.array(self._num_updates),
            "num_sweeps": np.array([self._num_tuned, self._num_drawn]),
            "seconds": np.array(self._watch.seconds),
            "names": packed("\n".join(self._names)),
            "tuned_at": np.array(self._tuned_at),
            "num_tuned": np.minimum(completed, self._num_tuned),
            "num_kept": np.array(self.num_kept),
            "has_stopped": np.asarray(self._loop.chains.status) != STATUS_DONE,
        }

    def _open_state(self) -> State:
        """Return what decides about the length of the warm-up, as arrays."""
        levels = self._levels if self._is_open and self._levels else [np.zeros((0, 0, 0))]
        found: State = {"is_open": np.array([self._is_open, self._has_agreed]), "levels": np.concatenate(levels)}
        for number, known in enumerate(self._known_before if self._is_open else ()):
            found |= with_prefix(f"known_{number}_", known.state())
        return found

    def _restore_open(self, state: Mapping[str, NDArray]) -> None:
        self._is_open, self._has_agreed = (bool(flag) for flag in state["is_open"])
        self._levels = [np.array(state["levels"])] if len(state["levels"]) else []
        known = [part_of(state, f"known_{number}_") for number in range(len(state["num_kept"]))]
        self._known_before = [Knowledge.of_state(each) for each in known if each]

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state; see `samplers.chain.going.SweepRun.restore`."""
        self._set_lengths([int(length) for length in state["lengths"]])
        if self.settings.tunes_until_agreed:
            self._restore_open(state)
        self._loop.chains = chains_of_leaves(self._loop.chains, state)
        self._learning.restore(part_of(state, "learning_"))
        self._phases.is_searching[:] = state["is_searching"]
        self._num_updates = int(state["num_updates"])
        self._num_tuned, self._num_drawn = (int(count) for count in state["num_sweeps"])
        self._tuned_at = float(state["tuned_at"])
        self._watch.stop(float(state["seconds"]))

    def result(self, *, is_partial: bool = False) -> SweepResult:
        """Return what has been drawn; see `samplers.chain.going.SweepRun.result`."""
        loop, tuned = self._loop, self._tuned if self.settings.keep_tuning else None
        raw = np.asarray(loop.chains.status)
        status = raw % STATUS_STRIDE
        if self._interrupted:
            status[status == STATUS_DONE] = STATUS_INTERRUPTED
        learnt = self._learning.learnt(loop.chains)
        is_tuned = self._num_tuned == self._length
        tuning_seconds = self._tuned_at if is_tuned else self._watch.seconds
        return SweepResult(
            draws=self._drawn.draws(),
            stats=self._drawn.stats(),
            step_size=loop.step_sizes(),
            inverse_mass_matrix=variances_of(learnt),
            state=np.where((raw != STATUS_DONE)[:, None], np.nan, np.asarray(loop.chains.x)),
            learnt=learnt,
            num_gradients=int(np.sum(loop.chains.num_gradients)),
            tuning_seconds=tuning_seconds,
            sampling_seconds=self._watch.seconds - tuning_seconds,
            tuning_draws=None if tuned is None else tuned.draws(),
            tuning_stats=None if tuned is None else tuned.stats(),
            interrupted=self._interrupted,
            num_draws=self.num_kept,
            num_tuned=np.minimum(np.asarray(loop.chains.num_completed), self._num_tuned),
            status=status,
            reasons=tuple(explain_status(int(each), self.sweep) for each in raw),
            num_without_gradient=loop.num_without_gradient(),
            without_gradient=loop.without_gradient(),
            tune=self._length,
            has_agreed=self._has_agreed if self.settings.tunes_until_agreed else None,
        )
