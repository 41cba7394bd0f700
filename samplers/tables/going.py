"""A run of chains of proposals from a table, which can go on; by NUTS where there is none that is good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.blas import one_blas_thread
from graphs.errors import SamplingError
from graphs.optional import optional
from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings, spawn_seeds
from samplers.chain.going import Keeper, KeptBeside, Stopwatch, SweepRun, Taken, WholeRun
from samplers.chain.plain_arrays import State, packed, part_of, unpacked, with_prefix
from samplers.chain.result import STATUS_DONE, STATUS_FAILED, STATUS_INTERRUPTED, SweepResult
from samplers.loop.interrupts import HeldInterrupts
from samplers.loop.record import Record
from samplers.tables.drawing import NUM_JUDGED, Evaluated, TableChains
from samplers.tables.making import Explore, made_table
from samplers.tables.many import ManyEvaluated
from samplers.tables.proposals import BURN_IN, Been, Proposals
from samplers.tables.tiling import Matrix

MOST_CELLS = 2000
"""So many cells a table may have: half as many as an ordinary run has draws, each of which takes an evaluation, too."""
_CHUNK_SECONDS, _FIRST_CHUNK = 0.2, 16
_NO_STEP = float("nan")
STATISTICS = ("lp", "acceptance_rate")


class TabulatedRun(WholeRun):
    """A run by a table; see `samplers.chain.going.SweepRun`.

    Parameters
    ----------
    init : array, shape (chains, size), float64
        From where modes are looked for.
    settings : RunSettings
        How many draws, and how they are made.
    sweep : Sweep
        What is drawn.
    evaluate : ManyEvaluated
        The log-density.
    begin : callable
        Begins a run by NUTS.
    explore : callable
        Where NUTS gets to.
    keeper : Keeper, optional
        Takes what is drawn.
    """

    def __init__(
        self,
        init: Matrix,
        settings: RunSettings,
        sweep: Sweep,
        evaluate: ManyEvaluated,
        begin: Callable[..., SweepRun],
        explore: Explore,
        keeper: Keeper | None,
    ):
        self._init = init
        self.settings = settings
        self._sweep = sweep
        self._evaluate = evaluate
        self._begin = begin
        self._explore = explore
        self._keeper = keeper
        self._watch = Stopwatch()
        self._seeds = spawn_seeds(settings.seed, len(init))
        self._by_nuts: SweepRun | None = None
        self._chains: TableChains | None = None
        self._num_wanted = int(settings.draws)
        self._tuned_at = 0.0
        self._chunk = _FIRST_CHUNK
        self._interrupted = False
        self._interrupts = HeldInterrupts()
        self._failure = ""
        self._kept = sweep.layout.elements(settings.keep)
        self._records = [
            Record(np.empty((len(init), n, self._kept.size)), np.empty((len(init), n, len(STATISTICS))))
            for n in ((0, 0) if keeper else (self._num_tuning, int(settings.draws)))
        ]

    @property
    def _num_tuning(self) -> int:
        """Draws that are kept of the warm-up, in which nothing is learnt."""
        return self.settings.tune * (self.settings.keep_tuning and not self.settings.tunes_until_agreed)

    @property
    def _num_done(self) -> int:
        """Number of proposals that each chain has accepted or not."""
        return 0 if self._chains is None else self._chains.num_done

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws that each chain has kept so far, (chains,)."""
        if self._by_nuts is not None:
            return self._by_nuts.num_kept
        return np.full(len(self._init), max(self._num_done - BURN_IN - self._num_tuning, 0))

    def advance(self, draws: int | None = None) -> bool:
        """Go on; see `samplers.chain.going.SweepRun.advance`.

        Raises
        ------
        SamplingError
            If Python code that the model holds raises an error before the first draw.
        """
        draws = self._num_wanted = int(self.settings.draws if draws is None else draws)
        self._interrupted = False
        if self._by_nuts is None:
            self._watch.start()
            self._by_table(draws)
            self._watch.stop()
        if self._by_nuts is not None:
            return self._by_nuts.advance(draws)
        if self._failure and not self.num_kept.any():
            raise SamplingError(self._failure)
        if self._keeper is not None and self._chains is not None:
            self._keeper.commit(self.state())
        return not self._interrupted

    def _by_table(self, draws: int) -> None:
        """Make a table, where there is none yet, and draw by it."""
        with HeldInterrupts() as self._interrupts, one_blas_thread():
            try:
                if self._chains is None and not self._make():
                    self._by_nuts = self._without_table()
                    return
                if self._keeper is None and draws > self._records[1].draws.shape[1]:
                    self._records[1] = self._records[1].extended(draws)
                assert self._chains is not None
                self._draw(self._chains, BURN_IN + self._num_tuning + draws)
            except KeyboardInterrupt:
                self._interrupted = True
            except SamplingError as error:
                self._failure = str(error)

    def _without_table(self) -> SweepRun:
        """Return a run by NUTS."""
        learnt = self.settings.learnt if _is_learnt(self.settings) else None
        keeper = None if self._keeper is None else KeptBeside(self._keeper, self._tried)
        return self._begin(self._init, replace(self.settings, learnt=learnt), keeper)

    def _tried(self) -> State:
        """Return what is known whatever it is that draws, as arrays."""
        seconds = np.array([self._watch.seconds, self._tuned_at])
        return with_prefix("table_", {"num_evaluated": np.array(self._evaluate.number), "seconds": seconds})

    @optional("a table of a density", otherwise=lambda *_: False)
    def _make(self) -> bool:
        """Make a table; whether there is one that is good."""
        with self._interrupts.allowed():
            if not np.isfinite(self._evaluate(self._init)[0]).all():
                return False  # NUTS says what is wrong
            table = made_table(self._evaluate, self._init, MOST_CELLS, self._explore)
        if table is None:
            return False
        self._tuned_at = self._watch.seconds
        chains = TableChains(table, self._seeds)
        proposals = chains.proposals(NUM_JUDGED)
        values = np.zeros((len(self._init), 0))
        while values.shape[1] < NUM_JUDGED:
            some = slice(values.shape[1], values.shape[1] + self._chunk)
            values = np.concatenate([values, self._evaluated(Proposals(*(a[:, some] for a in proposals)))], axis=1)
            self._report()
        if not chains.judge(Evaluated(proposals, values)):
            return False
        self._chains = chains
        return True

    def _evaluated(self, proposals: Proposals) -> Matrix:
        """Return the log-densities of proposals, (chains, n)."""
        start = perf_counter()
        with self._interrupts.allowed():
            positions = proposals.positions.reshape(-1, proposals.positions.shape[-1])
            values = self._evaluate(positions)[0].reshape(proposals.logs.shape)
        number = proposals.number
        fitting = number * _CHUNK_SECONDS / max(perf_counter() - start, 1e-9)
        self._chunk = int(np.clip(fitting, 1, 16 * number))
        return values

    def _draw(self, chains: TableChains, stop: int) -> None:
        """Go on until there are so many proposals."""
        while chains.num_done < stop:
            first = chains.num_done - BURN_IN
            for chain, been in enumerate(chains.move(min(stop - chains.num_done, self._chunk), self._evaluated)):
                self._record(chain, first, been)
            if self._keeper is not None and self._keeper.is_due():
                self._keeper.commit(self.state())
            self._report()

    def _record(self, chain: int, first: int, been: Been) -> None:
        """Record where a chain has been, from the row of a number on; those below zero are no draws."""
        draws, statistics = been.positions[:, self._kept], np.stack([been.values, been.rates], axis=1)
        last = first + len(draws)
        bounds = ((0, self._num_tuning), (self._num_tuning, last))
        for is_tuning, (start, stop), record in zip((True, False), bounds, self._records, strict=True):
            begin, end = max(first, start), min(last, stop)
            if begin >= end:
                continue
            part, rows = slice(begin - first, end - first), slice(begin - start, end - start)
            if self._keeper is not None:
                self._keeper.take(Taken(chain, is_tuning, begin - start, draws[part], statistics[part], STATISTICS))
            else:
                record.draws[chain, rows], record.statistics[chain, rows] = draws[part], statistics[part]

    def _report(self) -> None:
        if self.settings.callback is None:
            return
        drawn = self._num_done - BURN_IN
        is_tuning = drawn < self._num_tuning
        state: dict[str, Any] = {
            "draw": max(drawn if is_tuning else drawn - self._num_tuning, 0),
            "tuning": is_tuning,
            "tune": self._num_tuning,
            "draws": self._num_wanted,
            "divergences": 0,
            "step_size": _NO_STEP,
            "num_gradients": self._evaluate.number // len(self._init),
        }
        with self._interrupts.allowed():
            self.settings.callback([{"chain": chain, **state} for chain in range(len(self._init))])

    def state(self) -> State:
        """Return all that the next draw needs; see `samplers.chain.going.SweepRun.state`."""
        if self._by_nuts is not None:
            return self._tried() | self._by_nuts.state()
        found = self._tried() | {
            "names": packed("\n".join(STATISTICS)),
            "num_tuned": np.full(len(self._init), np.clip(self._num_done - BURN_IN, 0, self._num_tuning)),
            "num_kept": self.num_kept,
            "has_stopped": np.full(len(self._init), bool(self._failure)),
        }
        drawing = {} if self._chains is None else {**self._chains.state(), "failure": packed(self._failure)}
        return found | with_prefix("table_", drawing)

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state; see `samplers.chain.going.SweepRun.restore`."""
        own = part_of(state, "table_")
        self._evaluate.number = int(own["num_evaluated"]) * ("origin" in own or "seconds" in state)  # or made anew
        seconds, self._tuned_at = map(float, own["seconds"])
        self._watch.stop(seconds)
        if "origin" not in own:
            if "seconds" in state:
                self._by_nuts = self._without_table()
                self._by_nuts.restore(state)
            return
        self._chains = TableChains.of_state(own, self._seeds)
        self._failure = unpacked(own["failure"])

    def result(self, *, is_partial: bool = False) -> SweepResult:
        """Return what has been drawn; see `samplers.chain.going.SweepRun.result`."""
        if self._by_nuts is not None:
            found = self._by_nuts.result(is_partial=is_partial)
            return replace(found, num_gradients=found.num_gradients + self._evaluate.number)
        chains, num_kept = len(self._init), int(self.num_kept[0])
        num_tuned = int(np.clip(self._num_done - BURN_IN, 0, self._num_tuning))
        is_kept = self.settings.keep_tuning
        before, after = (r.first(n) for r, n in zip(self._records, (num_tuned, num_kept), strict=True))
        stopped = STATUS_FAILED if self._failure else STATUS_INTERRUPTED if self._interrupted else STATUS_DONE
        tuning_seconds = self._tuned_at if self._chains is not None else self._watch.seconds
        size = self._init.shape[1]
        return SweepResult(
            draws=after.draws,
            stats=_named(after),
            step_size=np.full(chains, np.nan),
            inverse_mass_matrix=np.zeros((chains, 0)),
            num_gradients=self._evaluate.number,
            tuning_seconds=tuning_seconds,
            sampling_seconds=self._watch.seconds - tuning_seconds,
            tuning_draws=before.draws if is_kept else None,
            tuning_stats=dict(zip(STATISTICS, np.moveaxis(before.statistics, -1, 0), strict=True))
            if self.settings.keep_tuning
            else None,
            interrupted=self._interrupted,
            num_draws=self.num_kept,
            num_tuned=np.full(chains, self.settings.tune),
            status=np.full(chains, stopped),
            reasons=(self._failure.rstrip("."),) * chains,
            state=np.full((chains, size), np.nan) if self._chains is None else self._chains.positions(),
            learnt=((),) * chains,
            num_without_gradient=np.zeros(chains, np.int64),
            without_gradient=np.full((chains, size), np.nan),
            tune=self._num_tuning,
        )


def _named(record: Record) -> dict[str, NDArray]:
    return dict(zip(STATISTICS, np.moveaxis(record.statistics, -1, 0), strict=True))


def _is_learnt(settings: RunSettings) -> bool:
    return settings.learnt is not None and all(len(chain) for chain in settings.learnt)
