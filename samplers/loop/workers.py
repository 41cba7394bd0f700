"""Chains run by threads, in pieces of a fraction of a second."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Condition, Event

import numpy as np

from samplers.chain.arguments import Callback
from samplers.chain.going import Keeper
from samplers.chain.plain_arrays import State
from samplers.loop.chain_run import ChainRun
from samplers.loop.interrupts import HeldInterrupts

CALLBACK_SECONDS = 0.25


class _Queue:
    """Chains that wait for a thread; the one furthest behind is next."""

    def __init__(self, runs: Sequence[ChainRun], is_kept: bool):
        self.runs = runs
        self.stop = Event()
        self._is_kept = is_kept
        self._snapshots: dict[int, State] = {}
        self._due: set[int] = set()
        self._is_asked = False
        self._ready = Condition()
        self._waiting: list[tuple[int, int]] = []
        self._taken: set[int] = set()
        self._parked: set[int] = set()
        with self._ready:
            self._put(range(len(runs)))

    def _put(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if not self.runs[number].is_resting:
                heapq.heappush(self._waiting, (self.runs[number].num_done, number))
        self._ready.notify_all()

    def _take(self) -> int | None:
        with self._ready:
            # Chains that learn together wait for each other, and a thread for them.
            while not self._waiting and not self.stop.is_set() and not all(run.is_resting for run in self.runs):
                self._ready.wait(CALLBACK_SECONDS)
            if not self._waiting or self.stop.is_set():
                return None
            number = heapq.heappop(self._waiting)[1]
            self._taken.add(number)
            return number

    def _put_back(self, number: int) -> None:
        """Put a chain back, if it need not wait for others; else when the last of these comes, all of them."""
        run = self.runs[number]
        if run.learner is None or run.learner.num_chains == 1 or run.learns_elsewhere:
            if run.is_waiting and not run.learns_elsewhere:
                learn_in_threads([run])
            self._remember([number])
            with self._ready:
                self._taken.discard(number)
                if run.is_resting:
                    # Its snapshot stands; it may have been asked for since.
                    self._due.discard(number)
                self._put([number])
            return
        if run.is_waiting or number in self._due:
            run.hand_over()
        with self._ready:
            self._taken.discard(number)
            self._parked.add(number)
            together = [i for i, r in enumerate(self.runs) if r.learner is run.learner and not r.is_finished]
            if not run.is_waiting and not run.is_finished:
                self._parked.remove(number)
                self._remember([number])
                self._put([number])
            elif self._parked.issuperset(together):
                learn_in_threads([self.runs[i] for i in together])
                self._parked.clear()
                # What one was before does not go with what another is now.
                self._remember([*together, number], always=True)
                self._put(together)
            else:
                self._remember([number], always=True)

    def _remember(self, numbers: Iterable[int], always: bool = False) -> None:
        """Take snapshots of chains of which these are wanted, or that wait or have ended: nobody will ask them."""
        for number in {*numbers} if self._is_kept else ():
            if always or number in self._due or self.runs[number].is_resting:
                self._snapshots[number] = self.runs[number].snapshot()
                self._due.discard(number)

    def keep(self, keeper: Keeper, commit: Callable[[Sequence[State]], None]) -> None:
        """Ask for snapshots when it is time, and commit them when all are there."""
        if not self._is_asked and keeper.is_due():
            self._ask()
            self._is_asked = True
        if self._is_asked and (found := self._answers()) is not None:
            commit(found)
            self._is_asked = False

    def _ask(self) -> None:
        """Ask every chain for a snapshot, which those that run give when they return."""
        with self._ready:
            resting = [
                i for i, run in enumerate(self.runs) if i not in self._taken and (run.is_resting or i in self._parked)
            ]
            self._due = {*range(len(self.runs))}.difference(resting)
            for number in resting:
                if number not in self._snapshots:
                    self._snapshots[number] = self.runs[number].snapshot()

    def _answers(self) -> list[State] | None:
        """Return a snapshot of each chain, all of which belong together; None while some are missing."""
        with self._ready:
            if self._due or len(self._snapshots) < len(self.runs):
                return None
            return [self._snapshots[number] for number in range(len(self.runs))]

    def work(self) -> None:
        """Run chains until none is left."""
        # Under Numba floating-point errors are silent too; a divergent trajectory may overflow.
        with np.errstate(all="ignore"):
            while (number := self._take()) is not None:
                self.runs[number].run_chunk()
                self._put_back(number)


def learn_in_threads(runs: Sequence[ChainRun]) -> None:
    """Learn the metric of chains that have come as far as each other."""
    for run in runs:
        run.num_updates += 1
    if runs and runs[0].learner is not None:
        runs[0].learner.update(runs[0].num_done)


def run_chains(
    runs: Sequence[ChainRun],
    num_workers: int,
    callback: Callback | None = None,
    keeper: Keeper | None = None,
    commit: Callable[[Sequence[State]], None] = lambda _: None,
) -> bool:
    """Run chains to their end.

    Parameters
    ----------
    runs : sequence of ChainRun
        The chains.
    num_workers : int
        Number of threads.
    callback : callable, optional
        Given the progress of every chain, in this thread, a few times a second and at the end.
    keeper : Keeper, optional
        Says when to commit.
    commit : callable
        Given snapshots of all chains, in this thread.

    Returns
    -------
    bool
        Whether the run was interrupted by KeyboardInterrupt.
    """
    queue = _Queue(runs, keeper is not None)

    def report() -> None:
        if callback is not None:
            callback([run.progress(run.rows.chain) for run in runs])

    # A second Ctrl-C, while the threads come to their end, would take away what they have drawn.
    with HeldInterrupts() as interrupts, ThreadPoolExecutor(num_workers, thread_name_prefix="chain") as pool:
        futures = [pool.submit(queue.work) for _ in range(num_workers)]
        try:
            waiting = True
            while waiting:
                with interrupts.allowed():
                    waiting = bool(wait(futures, CALLBACK_SECONDS, FIRST_EXCEPTION).not_done)
                    if any(future.done() and future.exception() for future in futures):
                        break
                    report()
                if waiting and keeper is not None:
                    queue.keep(keeper, commit)
        except KeyboardInterrupt:
            return True
        finally:
            queue.stop.set()
        for future in futures:
            future.result()
    return False
