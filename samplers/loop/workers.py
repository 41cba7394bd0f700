"""Chains run by threads, in pieces of a fraction of a second."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Condition, Event
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.arguments import Callback
from samplers.chain.programs import Programs
from samplers.chain.result import STATUS_DONE, STATUS_FAILED
from samplers.chain.state import NUM_DIVERGENT, NUM_GRADIENTS, NUM_ITERATIONS, Chain, Settings
from samplers.loop.interrupts import HeldInterrupts
from samplers.loop.learners import GroupLearner
from samplers.tuning.adaptation import LOG_STEP_SIZE

CHUNK_SECONDS = 0.2
CALLBACK_SECONDS = 0.25
_CHUNK_GROWTH = 8


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
    tuning_record, record : tuple of array
        Draws and statistics to be filled.
    step_size_block : int
        Number of the first NUTS block, or -1.
    learner : GroupLearner, optional
        What learns the metric between calls of the loop; chains that share one learn together.
    """

    advance: Callable[..., int]
    chain: Chain
    settings: Settings
    programs: Programs
    blocks: tuple[NDArray[np.int64], NDArray[np.int64]]
    num_draws: int
    thin: int
    tuning_record: tuple[NDArray[np.float64], NDArray[np.float64]]
    record: tuple[NDArray[np.float64], NDArray[np.float64]]
    step_size_block: int
    learner: GroupLearner | None = None
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
    def next_update(self) -> int | None:
        """Number of sweeps after which the metric is learnt next."""
        times = [] if self.learner is None else self.learner.times
        return times[self.num_updates] if self.num_updates < len(times) else None

    @property
    def is_waiting(self) -> bool:
        """Whether the metric has to be learnt before the next sweep."""
        return not self.is_finished and self.num_done == self.next_update

    def run_chunk(self) -> None:
        """Sweep for about ``CHUNK_SECONDS``."""
        tune = self.settings.tune
        is_tuning = self.num_done < tune
        end = (self.next_update or tune) if is_tuning else tune + self.num_draws * self.thin
        first, thin = (0, 1) if is_tuning else (tune, self.thin)
        start = perf_counter()
        done = self.num_done
        count = min(self.chunk, end - done)
        try:
            self.status = self.advance(
                self.chain,
                self.settings,
                *self.blocks,
                self.programs.callables,
                done + count,
                first,
                thin,
                *(self.tuning_record if is_tuning else self.record),
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
        now = perf_counter()
        fitting = count * CHUNK_SECONDS / max(now - start, 1e-9)
        self.chunk = int(max(1, min(fitting, _CHUNK_GROWTH * self.chunk)))
        if is_tuning and self.num_done == tune:
            self.tuned_at = now

    def progress(self, number: int) -> dict[str, Any]:
        """Describe the present state for a progress display."""
        block = self.step_size_block
        return {
            "chain": number,
            "draw": self.num_done if self.num_done < self.settings.tune else self.num_kept,
            "tuning": self.num_done < self.settings.tune,
            "divergences": int(self.chain.counters[NUM_DIVERGENT]),
            "step_size": float(np.exp(self.chain.tuning[block, LOG_STEP_SIZE])) if block >= 0 else np.nan,
            "num_gradients": int(self.chain.counters[NUM_GRADIENTS]),
        }


class _Queue:
    """Chains that wait for a thread; the one furthest behind is next."""

    def __init__(self, runs: Sequence[ChainRun]):
        self.runs = runs
        self.stop = Event()
        self._ready = Condition()
        self._waiting: list[tuple[int, int]] = []
        self._parked: set[int] = set()
        with self._ready:
            self._put(range(len(runs)))

    def _put(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if not self.runs[number].is_finished:
                heapq.heappush(self._waiting, (self.runs[number].num_done, number))
        self._ready.notify_all()

    def _take(self) -> int | None:
        with self._ready:
            # Chains that learn together wait for each other, and a thread for them.
            while not self._waiting and not self.stop.is_set() and not all(run.is_finished for run in self.runs):
                self._ready.wait(CALLBACK_SECONDS)
            return heapq.heappop(self._waiting)[1] if self._waiting and not self.stop.is_set() else None

    def _put_back(self, number: int) -> None:
        """Put a chain back, if it need not wait for others; else when the last of these comes, all of them."""
        run = self.runs[number]
        if run.learner is None or run.learner.num_chains == 1:
            if run.is_waiting:
                _learn([run])
            with self._ready:
                self._put([number])
            return
        with self._ready:
            self._parked.add(number)
            together = [i for i, r in enumerate(self.runs) if r.learner is run.learner and not r.is_finished]
            if not run.is_waiting and not run.is_finished:
                self._parked.remove(number)
                self._put([number])
            elif self._parked.issuperset(together):
                _learn([self.runs[i] for i in together])
                self._parked.clear()
                self._put(together)

    def work(self) -> None:
        """Run chains until none is left."""
        # Under Numba floating-point errors are silent too; a divergent trajectory may overflow.
        with np.errstate(all="ignore"):
            while (number := self._take()) is not None:
                self.runs[number].run_chunk()
                self._put_back(number)


def _learn(runs: Sequence[ChainRun]) -> None:
    """Learn the metric of chains that have come as far as each other."""
    for run in runs:
        run.num_updates += 1
    if runs and runs[0].learner is not None:
        runs[0].learner.update(runs[0].num_done)


def run_chains(runs: Sequence[ChainRun], num_workers: int, callback: Callback | None = None) -> bool:
    """Run chains to their end.

    Parameters
    ----------
    runs : sequence of ChainRun
        The chains.
    num_workers : int
        Number of threads.
    callback : callable, optional
        Given the progress of every chain, in this thread, a few times a second and at the end.

    Returns
    -------
    bool
        Whether the run was interrupted by KeyboardInterrupt.
    """

    def report() -> None:
        if callback is not None:
            callback([run.progress(number) for number, run in enumerate(runs)])

    queue = _Queue(runs)
    # A second Ctrl-C, while the threads come to their end, would take away what they have drawn.
    with HeldInterrupts() as interrupts, ThreadPoolExecutor(num_workers, thread_name_prefix="chain") as pool:
        futures = [pool.submit(queue.work) for _ in range(num_workers)]
        try:
            with interrupts.allowed():
                while wait(futures, CALLBACK_SECONDS, FIRST_EXCEPTION).not_done:
                    if any(future.done() and future.exception() for future in futures):
                        break
                    report()
                report()
        except KeyboardInterrupt:
            return True
        finally:
            queue.stop.set()
        for future in futures:
            future.result()
    return False
