"""One chain of a run, swept in pieces of a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.going import Keeper, Stopwatch
from samplers.chain.plain_arrays import (
    State,
    fill,
    generator_words,
    packed,
    part_of,
    set_generator,
    unpacked,
    with_prefix,
)
from samplers.chain.programs import Programs
from samplers.chain.result import STATUS_DONE, STATUS_FAILED
from samplers.chain.state import NUM_DIVERGENT, NUM_GRADIENTS, NUM_ITERATIONS, Chain, Settings
from samplers.loop.learners import GroupLearner, Levels, Member
from samplers.loop.record import Gathered
from samplers.tuning.adaptation import LOG_STEP_SIZE
from samplers.tuning.agreement import Knowledge, decided_after

CHUNK_SECONDS = 0.2
_CHUNK_GROWTH = 8
_REMEMBERED = (
    "state",
    "rng",
    "logdensity",
    "gradient",
    "inverse_mass_matrix",
    "tuning",
    "moments",
    "statistics",
    "counters",
    "without_gradient",
)
"""The fields of a chain that its next sweep needs; the others are memory to work in."""
_NOTHING = -1


@dataclass(eq=False)
class ChainRun:
    """One chain, and how far it is.

    Parameters
    ----------
    advance : callable
        ``samplers.loop.advance.advance``, compiled or not.
    chain, settings, programs
        What it runs on.
    blocks : tuple of array
        Table of blocks and targets.
    num_draws, thin : int
        Draws to be kept after tuning, one out of ``thin`` sweeps.
    tuning_rows, rows : Gathered
        Draws and statistics to be filled.
    members : sequence of Member
        The NUTS blocks.
    watch : Stopwatch, optional
        Of the run.
    keeper : Keeper, optional
        Takes the rows.
    learner : GroupLearner, optional
        What learns the metric between calls of the loop; chains that share one learn together.
    levels : Levels, optional
        Of a warm-up whose end is found while it lasts.
    learns_elsewhere : bool
        Whether it rests when the metric has to be learnt, as chains that are not here share it.
    """

    advance: Callable[..., int]
    chain: Chain
    settings: Settings
    programs: Programs
    blocks: tuple[NDArray[np.int64], NDArray[np.int64]]
    num_draws: int
    thin: int
    tuning_rows: Gathered
    rows: Gathered
    members: Sequence[Member]
    watch: Stopwatch = field(default_factory=Stopwatch)
    keeper: Keeper | None = None
    learner: GroupLearner | None = None
    levels: Levels | None = None
    learns_elsewhere: bool = False
    num_updates: int = 0
    status: int = STATUS_DONE
    failure: SamplingError | None = None
    tuned_at: float = np.nan
    chunk: int = 1

    @property
    def num_done(self) -> int:
        """Number of sweeps done."""
        return int(self.chain.counters[NUM_ITERATIONS])

    @property
    def num_kept(self) -> int:
        """Number of draws kept so far."""
        return max(self.num_done - self.settings.tune, 0) // self.thin

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.status != STATUS_DONE or self.num_done >= self.settings.tune + self.num_draws * self.thin

    @property
    def pause(self) -> int | None:
        """Number of sweeps after which it is decided how long the warm-up is, if it is not yet."""
        return decided_after(self.settings.tune) if self.levels is not None and self.levels.is_open else None

    @property
    def is_resting(self) -> bool:
        """Whether it has nothing to do before somebody lets it go on."""
        return self.is_finished or self.num_done == self.pause or (self.learns_elsewhere and self.is_waiting)

    @property
    def next_update(self) -> int | None:
        """Number of sweeps after which the metric is learnt next."""
        times = [] if self.learner is None else self.learner.times
        return times[self.num_updates] if self.num_updates < len(times) else None

    @property
    def is_waiting(self) -> bool:
        """Whether the metric has to be learnt before the next sweep."""
        return not self.is_finished and self.num_done == self.next_update

    def run_chunk(self) -> None:
        """Sweep for about ``CHUNK_SECONDS``, or until there is no memory for the next row."""
        tune = self.settings.tune
        is_tuning = self.num_done < tune
        end = (self.next_update or tune) if is_tuning else tune + self.num_draws * self.thin
        rows, before, thin = (self.tuning_rows, 0, 1) if is_tuning else (self.rows, tune, self.thin)
        if rows.end is not None:
            end = min(end, before + thin * rows.end)
        if self.pause is not None:
            end = min(end, self.pause)
        # Of a warm-up that is not kept, what says how far it is may be.
        memory = self.chain._replace(kept=self.chain.kept[: rows.draws.shape[1]])
        start = perf_counter()
        done = self.num_done
        count = min(self.chunk, end - done)
        try:
            self.status = self.advance(
                memory,
                self.settings,
                *self.blocks,
                self.programs.callables,
                done + count,
                before + thin * rows.first,
                thin,
                rows.draws,
                rows.statistics,
            )
        except SamplingError as error:
            self.status, self.failure = STATUS_FAILED, error
            return
        try:
            self.programs.reraise()
        except SamplingError as error:
            # Compiled code has gone on without the value that could not be computed: these sweeps do not count.
            self.chain.counters[NUM_ITERATIONS] = done
            self.status, self.failure = STATUS_FAILED, error
            return
        if is_tuning and self.levels is not None:
            self.levels.read(rows.statistics[done - rows.first : self.num_done - rows.first], done)
        now = perf_counter()
        fitting = count * CHUNK_SECONDS / max(now - start, 1e-9)
        self.chunk = int(max(1, min(fitting, _CHUNK_GROWTH * self.chunk)))
        if is_tuning and self.num_done == tune:
            self.tuned_at = self.watch.seconds
        if self.keeper is not None and self._is_full:
            self.hand_over()

    @property
    def _is_full(self) -> bool:
        """Whether there is no memory for more rows."""
        return self.rows.end == self.num_kept or self.tuning_rows.end == self.num_done

    def hand_over(self) -> None:
        """Let the keeper take all rows."""
        if self.keeper is not None:
            self.tuning_rows.hand_over(min(self.num_done, self.settings.tune), self.keeper.take)
            self.rows.hand_over(self.num_kept, self.keeper.take)

    def knowledge(self, *, is_pooled: bool) -> Knowledge:
        """Return what the chain has learnt, while the end of its warm-up is open."""
        assert self.levels is not None
        return self.levels.knowledge(self.chain, self.members, is_pooled=is_pooled)

    def end_warm_up(self, has_agreed: bool) -> None:
        """Let the warm-up be as long as it is planned now."""
        if self.levels is not None:
            self.levels.is_open, self.levels.has_agreed = False, has_agreed

    def set_tune(self, tune: int) -> None:
        """Let the warm-up have so many sweeps, of which less than what was decided after have been made."""
        if tune == self.settings.tune:
            return
        window = self.chain.window
        if len(window) and self.levels is not None:
            length = max(min(tune, self.levels.most_rows), len(window))
            more = np.zeros((length - len(window), *window.shape[1:]))
            self.chain = self.chain._replace(window=np.concatenate([window, more]))
        self.settings = self.settings._replace(tune=tune)
        for member in self.members:
            member.trail.window = self.chain.window[:, :, member.where]
        if self.learner is not None:
            self.learner.set_tune(tune)
            self.num_updates = sum(time <= self.num_done for time in self.learner.times)

    def snapshot(self) -> State:
        """Return all that the next sweep needs, as arrays of their own; what it recorded has been taken."""
        self.hand_over()
        found = {name: getattr(self.chain, name).copy() for name in _REMEMBERED}
        found |= {
            "num_updates": np.array(self.num_updates),
            "tune": np.array(self.settings.tune),
            "status": np.array(self.status),
            "tuned_at": np.array(self.tuned_at),
            "failure": packed("" if self.failure is None else str(self.failure)),
            "has_chosen": np.array(self.learner is not None and self.learner.learner.has_chosen),
            **({} if self.levels is None else self.levels.state(self.num_done)),
        }
        for name, rng in self.programs.generators().items():
            found[f"generator_{name}"] = generator_words(rng)
        for number, member in enumerate(self.members):
            found |= with_prefix(f"block_{number}_", member.state())
        return found

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a snapshot; what it recorded has been taken."""
        for name in _REMEMBERED:
            fill(getattr(self.chain, name), state, name)
        self.set_tune(int(state["tune"]))
        if self.levels is not None:
            self.levels.restore(state)
        self.num_updates, self.status = int(state["num_updates"]), int(state["status"])
        self.tuned_at, failure = float(state["tuned_at"]), unpacked(state["failure"])
        self.failure = SamplingError(failure) if failure else None
        if self.learner is not None:
            self.learner.learner.has_chosen = bool(state["has_chosen"])
        for name, rng in self.programs.generators().items():
            set_generator(rng, state[f"generator_{name}"])
        for number, member in enumerate(self.members):
            member.restore(part_of(state, f"block_{number}_"))
        if self.keeper is not None:
            self.tuning_rows.first = min(self.num_done, self.settings.tune)
            self.rows.first = self.num_kept

    def progress(self, number: int) -> dict[str, Any]:
        """Describe the present state for a progress display."""
        block = self.members[0].block if self.members else _NOTHING
        return {
            "chain": number,
            "draw": self.num_done if self.num_done < self.settings.tune else self.num_kept,
            "tuning": self.num_done < self.settings.tune,
            "tune": self.settings.tune,
            "draws": self.num_draws,
            "divergences": int(self.chain.counters[NUM_DIVERGENT]),
            "step_size": float(np.exp(self.chain.tuning[block, LOG_STEP_SIZE])) if block >= 0 else np.nan,
            "num_gradients": int(self.chain.counters[NUM_GRADIENTS]),
        }
