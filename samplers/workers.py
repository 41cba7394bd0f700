"""Chains run by threads, in pieces of a fraction of a second."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Lock
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.adaptation import LOG_STEP_SIZE
from samplers.lowering import Programs
from samplers.result import STATUS_DONE
from samplers.state import NUM_DIVERGENT, NUM_GRADIENTS, NUM_ITERATIONS, Chain, Settings

CHUNK_SECONDS = 0.2
CALLBACK_SECONDS = 0.25
_CHUNK_GROWTH = 8

type Callback = Callable[[list[dict[str, Any]]], None]


@dataclass(eq=False)
class ChainRun:
    """One chain, and how far it is.

    Parameters
    ----------
    advance : callable
        ``samplers.chain.advance``, compiled or not.
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
    status: int = STATUS_DONE
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

    def run_chunk(self) -> None:
        """Sweep for about ``CHUNK_SECONDS``."""
        tune = self.settings.tune
        is_tuning = self.num_done < tune
        end = tune if is_tuning else tune + self.num_draws * self.thin
        first, thin = (0, 1) if is_tuning else (tune, self.thin)
        start = perf_counter()
        count = min(self.chunk, end - self.num_done)
        self.status = self.advance(
            self.chain,
            self.settings,
            *self.blocks,
            self.programs.callables,
            self.num_done + count,
            first,
            thin,
            *(self.tuning_record if is_tuning else self.record),
        )
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
        self._lock = Lock()
        self._waiting: list[tuple[int, int]] = []
        for number in range(len(runs)):
            self._put(number)

    def _put(self, number: int) -> None:
        if not self.runs[number].is_finished:
            with self._lock:
                heapq.heappush(self._waiting, (self.runs[number].num_done, number))

    def _take(self) -> int | None:
        with self._lock:
            return heapq.heappop(self._waiting)[1] if self._waiting and not self.stop.is_set() else None

    def work(self) -> None:
        """Run chains until none is left."""
        # Under Numba floating-point errors are silent too; a divergent trajectory may overflow.
        with np.errstate(all="ignore"):
            while (number := self._take()) is not None:
                self.runs[number].run_chunk()
                self._put(number)


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
    with ThreadPoolExecutor(num_workers, thread_name_prefix="chain") as pool:
        futures = [pool.submit(queue.work) for _ in range(num_workers)]
        try:
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
