"""A run of chains by threads, which can go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graphs.backends.blas import one_blas_thread
from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings
from samplers.chain.going import Keeper, Stopwatch
from samplers.chain.plain_arrays import State, packed, part_of, with_prefix
from samplers.chain.result import STATUS_DONE, STATUS_FAILED, SweepResult, cannot_start
from samplers.chain.state import NUM_ITERATIONS
from samplers.loop.chain_run import ChainRun
from samplers.loop.outcome import result_of
from samplers.loop.record import Record
from samplers.loop.workers import learn_in_threads, run_chains
from samplers.tuning.agreement import Knowledge, decided_after, is_settled, next_stage


class ChainsRun:
    """A run of chains by threads; see `samplers.chain.going.SweepRun`.

    Parameters
    ----------
    sweep : Sweep
        What they run.
    settings : RunSettings
        How.
    chains : sequence of ChainRun
        The chains.
    record, tuning_record : Record
        Memory for draws after and during the warm-up.
    num_workers : int
        Number of threads.
    watch : Stopwatch
        Counts the seconds of the run.
    keeper : Keeper, optional
        Takes what is drawn.
    """

    def __init__(
        self,
        sweep: Sweep,
        settings: RunSettings,
        chains: Sequence[ChainRun],
        record: Record,
        tuning_record: Record,
        num_workers: int,
        watch: Stopwatch,
        keeper: Keeper | None,
    ):
        self.sweep = sweep
        self.settings = settings
        self.chains = chains
        self._record = record
        self._tuning_record = tuning_record
        self._num_workers = num_workers
        self._watch = watch
        self._keeper = keeper
        self._interrupted = False
        self._known_before: list[Knowledge] = []

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws that each chain has kept so far, (chains,)."""
        return np.array([chain.num_kept for chain in self.chains])

    def advance(self, draws: int | None = None) -> bool:
        """Go on; see `samplers.chain.going.SweepRun.advance`.

        Raises
        ------
        SamplingError
            If a chain cannot start.
        """
        self._extend(int(self.settings.draws if draws is None else draws))
        self._watch.start()
        try:
            with one_blas_thread():
                self._interrupted = self._run()
                is_part = len(self.chains) < self.settings.of_chains
                while not self._interrupted and not is_part and any(chain.pause is not None for chain in self.chains):
                    self._decide()
                    self._interrupted = self._run()
        finally:
            self._watch.stop()
        self._check_started()
        if self._keeper is not None:
            self._keeper.commit(self.state())
        return not self._interrupted

    def _run(self) -> bool:
        """Let all chains go on until they rest; whether somebody interrupted them."""
        return run_chains(self.chains, self._num_workers, self.settings.callback, self._keeper, self._commit)

    @property
    def is_waiting(self) -> bool:
        """Whether chains rest until they meet the others; see `samplers.chain.going.SweepRun.is_waiting`."""
        is_part = len(self.chains) < self.settings.of_chains
        return is_part and any(chain.is_resting and not chain.is_finished for chain in self.chains)

    def meet(self) -> None:
        """Learn, or decide; see `samplers.chain.going.SweepRun.meet`."""
        waiting = [chain for chain in self.chains if chain.is_waiting]
        if self.settings.is_pooled and waiting:
            learn_in_threads(waiting)
        if all(chain.is_finished or chain.num_done == chain.pause for chain in self.chains):
            self._decide()

    def _decide(self) -> None:
        """Decide whether the warm-up, all chains of which have made the same number of sweeps, is long enough."""
        tune, pooled = self.chains[0].settings.tune, self.settings.is_pooled and len(self.chains) > 1
        going = [chain for chain in self.chains if chain.status == STATUS_DONE]
        known = [chain.knowledge(is_pooled=pooled) for chain in going]
        has_agreed = is_settled(known, self._known_before, decided_after(tune), is_pooled=pooled)
        self._known_before = known
        longer = None if has_agreed or not going else next_stage(tune)
        for chain in self.chains:
            if longer is None:
                chain.end_warm_up(has_agreed)
            else:
                chain.set_tune(longer)
        if longer is not None and self.settings.keep_tuning and self._keeper is None:
            self._tuning_record = self._tuning_record.extended(longer)
            for number, chain in enumerate(self.chains):
                chain.tuning_rows = self._tuning_record.of_chain(
                    number, is_tuning=True, first_chain=self.settings.first_chain
                )

    def _extend(self, draws: int) -> None:
        """Make room for so many draws of each chain."""
        if self._keeper is None and draws > self._record.draws.shape[1]:
            self._record = self._record.extended(draws)
            for number, chain in enumerate(self.chains):
                chain.rows = self._record.of_chain(number, is_tuning=False, first_chain=self.settings.first_chain)
        for chain in self.chains:
            chain.num_draws = draws

    def _commit(self, snapshots: Sequence[State]) -> None:
        if self._keeper is not None:
            self._keeper.commit(self._joined(snapshots))

    def _joined(self, snapshots: Sequence[State]) -> State:
        """Return the snapshots of all chains as one."""
        found: State = {"seconds": np.array(self._watch.seconds), "names": packed("\n".join(self._record.names))}
        for number, known in enumerate(self._known_before if self.chains[0].pause is not None else ()):
            found |= with_prefix(f"known_{number}_", known.state())
        for number, snapshot in enumerate(snapshots):
            found |= with_prefix(f"chain_{number}_", snapshot)
        # What a keeper has to know, whatever it is that runs.
        done = [int(snapshot["counters"][NUM_ITERATIONS]) for snapshot in snapshots]
        num_tuned = [min(n, int(snapshot["tune"])) for n, snapshot in zip(done, snapshots, strict=True)]
        kept = [(n - tuned) // self.settings.thin for n, tuned in zip(done, num_tuned, strict=True)]
        stopped = [int(snapshot["status"]) != STATUS_DONE for snapshot in snapshots]
        return found | {"num_tuned": np.array(num_tuned), "num_kept": np.array(kept), "has_stopped": np.array(stopped)}

    def state(self) -> State:
        """Return all that the next sweep needs; see `samplers.chain.going.SweepRun.state`."""
        return self._joined([chain.snapshot() for chain in self.chains])

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state; see `samplers.chain.going.SweepRun.restore`."""
        for number, chain in enumerate(self.chains):
            chain.restore(part_of(state, f"chain_{number}_"))
        known = [part_of(state, f"known_{number}_") for number in range(len(self.chains))]
        self._known_before = [Knowledge.of_state(each) for each in known if each]
        self._watch.stop(float(state["seconds"]))

    def result(self, *, is_partial: bool = False) -> SweepResult:
        """Return what has been drawn; see `samplers.chain.going.SweepRun.result`."""
        record, tuning_record = self._record.first(self.chains[0].num_draws), self._tuning_record
        if self._keeper is not None:
            record, tuning_record = record.first(0), tuning_record.first(0)
        found = result_of(
            self.sweep,
            self.chains,
            record,
            tuning_record if self.settings.keep_tuning else None,
            self.chains[0].settings.tune,
            self._watch.seconds,
            self._interrupted or is_partial,
        )
        levels = self.chains[0].levels
        return found if levels is None else replace(found, has_agreed=levels.has_agreed)

    def _check_started(self) -> None:
        """Raise if a chain could not even make its first sweep, or failed before any had kept a draw."""
        failures = [chain.failure for chain in self.chains if chain.failure is not None]
        if failures and not any(chain.num_kept for chain in self.chains):
            raise failures[0]
        for number, chain in enumerate(self.chains):
            if chain.status not in (STATUS_DONE, STATUS_FAILED) and chain.num_done == 0:
                raise cannot_start(self.settings.first_chain + number, chain.status, self.sweep)
