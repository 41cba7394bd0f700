"""A run whose chains are swept by the workers of a cluster."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from ppl.distributing.clients import num_threads_of
from ppl.distributing.futures import WorkersFailed, done_by, ready_of
from ppl.distributing.groups import ChainGroup, ChainGroups
from ppl.distributing.pieces import Done, PieceOfWork, done_of, same, versions_here
from ppl.distributing.rows import GatheredRows
from ppl.keeping.lending import lent_by
from samplers.chain.arguments import RunSettings
from samplers.chain.going import Stopwatch, WholeRun
from samplers.chain.plain_arrays import State
from samplers.chain.result import STATUS_DONE, STATUS_FAILED, STATUS_INTERRUPTED, SweepResult
from samplers.loop.interrupts import HeldInterrupts

logger = logging.getLogger("rvgraph")
GROUPS_PER_THREAD = 2
"""While what one has drawn is on its way, a thread has another; and what one worker leaves over, others take."""
SECONDS = 3.0
"""Of a piece: what a worker that dies has done in vain, and how often progress is seen."""
COST_SHARE = 0.02
"""Pieces are longer where it takes more than such a part of them to set up chains and to write them down."""
POLL_SECONDS = 0.25
LOST_SECONDS = 60.0
"""Without any worker, before a run ends; what it has drawn is kept."""


class ClusterRun(WholeRun):
    """A run of chains by the workers of a cluster; see `samplers.chain.going.SweepRun`.

    Groups of chains go out with their state, as tasks of a few seconds, and come back with what they have drawn and
    their new state: a worker that dies has this much done in vain, and dask gives its tasks to others.

    Parameters
    ----------
    client : distributed.Client
        The client of the cluster.
    sweep : CompiledSweep
        What the chains run, compiled here; it is compiled once again in each process.
    start : array, shape (chains, size), float64
        Where they start.
    settings : RunSettings
        How they run.
    keeper : Keeper, optional
        Takes what is drawn; by default the run itself keeps it. A `StoreKeeper` may lend its store to the workers.
    """

    def __init__(self, client: Any, sweep: Any, start: NDArray[np.float64], settings: RunSettings, keeper: Any = None):
        import cloudpickle

        self.settings = settings
        self._client = client
        self._sweep = sweep
        self._payload = cloudpickle.dumps((sweep, getattr(keeper, "lends", None)))
        self._name = f"rvgraph-{uuid4().hex}"
        self._keeper = keeper
        number = GROUPS_PER_THREAD * num_threads_of(client) if sweep.has_separate_chains(settings) else 1
        self._groups = ChainGroups(sweep, start, settings, number)
        kept = sweep.layout.elements(settings.keep).size
        self._rows, self._tuning_rows = (GatheredRows(sweep.sweep, len(start), kept) for _ in range(2))
        num_statistics = sum(len(block.statistics) for block in sweep.sweep.blocks)
        self._row_bytes = 8 * (kept + num_statistics)
        self._watch = Stopwatch()
        self._tuned_at = np.nan
        self._num_wanted = int(settings.draws)
        self._num_sent = 0
        self._is_warned = False
        self._alive_at = time.monotonic()
        self._interrupted = False

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws that each chain has kept so far, (chains,)."""
        return self._groups.result().num_draws

    def advance(self, draws: int | None = None) -> bool:
        """Go on; see `samplers.chain.going.SweepRun.advance`.

        Raises
        ------
        SamplingError
            If a chain cannot start, or workers fail before anything was drawn.
        """
        self._num_wanted = int(self.settings.draws if draws is None else draws)
        for group in self._groups:
            group.is_whole = group.is_waiting = False
        self._watch.start()
        self._alive_at = time.monotonic()
        try:
            self._interrupted = self._run()
        finally:
            self._watch.stop()
        if self._keeper is not None:
            self._keeper.commit(self.state())
        return not self._interrupted

    def _run(self) -> bool:
        """Let all groups go on to their ends; whether they did not get there."""
        digest = hashlib.sha256(self._payload).hexdigest()
        payload = self._client.submit(same, self._payload, key=f"rvgraph-model-{digest}")
        waiting: dict[Any, ChainGroup] = {}
        errors: list[SamplingError] = []
        try:
            with HeldInterrupts() as interrupts:
                for group in self._groups:
                    waiting[self._sent(group, payload)] = group
                while waiting or self._meet(waiting, payload):
                    with interrupts.allowed():
                        ready = ready_of(waiting, POLL_SECONDS)
                        self._check_workers(bool(ready))
                        self._report()
                    for future in ready:
                        with interrupts.allowed():
                            done = done_by(future, waiting[future].chains, LOST_SECONDS)
                            self._check_workers(done is not None)
                        if done is not None:
                            errors += self._next(future, done, waiting, payload)
                    if self._keeper is not None and self._keeper.is_due():
                        self._keeper.commit(self.state())
                self._report()
        except KeyboardInterrupt:
            self._take_last(waiting)
            return not all(group.is_whole for group in self._groups)
        except WorkersFailed as failure:
            self._take_last(waiting)
            if not self.num_kept.any():
                raise
            logger.warning("%s What has been drawn is kept.", failure)
            return True
        finally:
            self._client.cancel([*waiting])
        if errors and not self.num_kept.any():
            raise errors[0]
        return False

    def _next(self, future: Any, done: Done, waiting: dict[Any, ChainGroup], payload: Any) -> list[SamplingError]:
        """Take what a group has done, and let it go on if it can; see `_taken`."""
        group = waiting.pop(future)
        found = self._taken(group, done)
        if not group.is_whole and not group.is_waiting:
            waiting[self._sent(group, payload)] = group
        return found

    def _meet(self, waiting: dict[Any, ChainGroup], payload: Any) -> bool:
        """Let chains that rest meet, and go on; whether there were any."""
        found = [group for group in self._groups if group.is_waiting]
        if found:
            self._groups.meet()
        for group in found:
            waiting[self._sent(group, payload)] = group
        return bool(found)

    def _sent(self, group: ChainGroup, payload: Any) -> Any:
        """Return what will be the next piece of a group."""
        import dask

        self._num_sent += 1
        lent = lent_by(self._keeper, group.chains, self._name)
        piece = PieceOfWork(
            group.start, group.settings, self._num_wanted, group.seconds, self._row_bytes, group.state, lent
        )
        # States have to go with the task: what is on a worker is lost with it.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            return self._client.submit(done_of, payload, piece, key=f"{self._name}-{group.number}-{self._num_sent}")

    def _taken(self, group: ChainGroup, done: Done) -> list[SamplingError]:
        """Take what a group has done; return its error, which counts where no other chain has drawn anything.

        Raises
        ------
        SamplingError
            If a chain cannot start.
        """
        self._compare(done.versions)
        if done.error is not None and not (done.result.status == STATUS_FAILED).any():
            raise done.error
        for rows in done.rows:
            if self._keeper is not None:
                self._keeper.take(rows)
            elif rows.is_tuning:
                self._tuning_rows.take(rows, self.settings.most_tune)
            else:
                self._rows.take(rows, self._num_wanted)
        if self._keeper is not None and done.written is not None:
            self._keeper.give_back(done.written.parts, done.written.tails, done.written.lost)
        before = group.num_rows
        group.num_rows = int(np.sum(done.state["num_tuned"]) + np.sum(done.state["num_kept"]))
        longer = 2 * group.seconds if group.num_rows == before else done.seconds / COST_SHARE
        group.seconds = max(SECONDS, longer)
        group.state, group.result = done.state, done.result
        group.is_whole, group.is_waiting = done.is_whole, done.is_waiting
        group.progress = [*done.progress]
        known = [each.result for each in self._groups if each.result is not None]
        has_tuned = [r.num_tuned is not None and bool((r.num_tuned >= r.tune).all()) for r in known]
        if np.isnan(self._tuned_at) and len(known) == len(self._groups) and all(has_tuned):
            self._tuned_at = self._watch.seconds
        return [] if done.error is None else [done.error]

    def _compare(self, versions: Mapping[str, str]) -> None:
        """Warn, once, if a worker has other versions than this process."""
        here = versions_here()
        other = [f"{name} {versions.get(name)} for {here[name]}" for name in here if versions.get(name) != here[name]]
        if other and not self._is_warned:
            self._is_warned = True
            logger.warning(
                "Workers have other versions than this process (%s): draws may not be those of a run here.",
                ", ".join(other),
            )

    def _take_last(self, waiting: dict[Any, ChainGroup]) -> None:
        """Take what is on its way, as far as it is there soon."""
        # A thread may have to end one piece before it begins another.
        seconds = GROUPS_PER_THREAD * (max((group.seconds for group in waiting.values()), default=0.0) + POLL_SECONDS)
        end = time.monotonic() + seconds
        for future in ready_of(waiting, seconds, "ALL_COMPLETED"):
            if future.status != "finished":
                continue
            # What a worker has done may die with it.
            with suppress(WorkersFailed):
                done = done_by(future, waiting[future].chains, max(end - time.monotonic(), POLL_SECONDS))
                if done is not None:
                    self._taken(waiting.pop(future), done)

    def _check_workers(self, is_alive: bool) -> None:
        """Raise if there has been no worker for long."""
        if is_alive or self._client.nthreads():
            self._alive_at = time.monotonic()
        elif time.monotonic() > self._alive_at + LOST_SECONDS:
            raise WorkersFailed(
                f"The cluster has had no worker for {LOST_SECONDS:g} seconds: start workers, and sample again."
            )

    def _report(self) -> None:
        states = [state for group in self._groups for state in group.progress]
        if self.settings.callback is not None and states:
            self.settings.callback(states)

    def state(self) -> State:
        """Return all that the next sweep needs; see `samplers.chain.going.SweepRun.state`."""
        return self._groups.state(self._watch.seconds)

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state; see `samplers.chain.going.SweepRun.restore`."""
        self._groups.restore(state)
        if "seconds" in state:
            self._watch.stop(float(state["seconds"]))

    def result(self, *, is_partial: bool = False) -> SweepResult:
        """Return what has been drawn; see `samplers.chain.going.SweepRun.result`."""
        found = self._groups.result()
        is_cut = self._interrupted or is_partial
        seconds = self._watch.seconds
        tuned = 0.0 if found.tune == 0 else seconds if np.isnan(self._tuned_at) else self._tuned_at
        found = replace(found, interrupted=is_cut, tuning_seconds=tuned, sampling_seconds=seconds - tuned)
        if self._keeper is not None:
            return found
        has_stopped = ~np.isin(found.status, (STATUS_DONE, STATUS_INTERRUPTED))
        draws, stats = self._rows.filled(found.num_draws, self._num_wanted, has_stopped, is_cut)
        found = replace(found, draws=draws, stats=stats)
        if not self.settings.keep_tuning or found.num_tuned is None:
            return found
        draws, stats = self._tuning_rows.filled(found.num_tuned, found.tune, has_stopped, is_cut)
        return replace(found, tuning_draws=draws, tuning_stats=stats)
