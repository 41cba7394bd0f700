"""Exact draws kept in a store: block by block, so that more of them extend what is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from ppl.background.control import Clock
from ppl.keeping.keeper import BLOCK, StoreKeeper
from ppl.keeping.manifest import begin_store
from ppl.keeping.opening import opened_trace
from ppl.keeping.place import StorePlace
from ppl.modelling.fingerprint import fingerprint
from ppl.modelling.members import by_member
from ppl.running.results import logger, plain_attributes, versions
from ppl.storing.until_enough import clock_of, drawn_until, read_until
from samplers.chain.going import Stopwatch, Taken
from samplers.chain.plain_arrays import State, packed
from samplers.loop.interrupts import HeldInterrupts

if TYPE_CHECKING:
    from ppl.running.exact import ExactModel


def begun(model: ExactModel, place: StorePlace, asked: Mapping[str, Any]) -> DataTree:
    """Make a store, fill it, and return its trace."""
    manifest = {
        "compile": model.compile_options,
        "sample": dict(asked),
        "fingerprint": fingerprint(model.plan.model, model.plan),
        "versions": versions(),
    }
    right = begin_store(place, manifest, {})
    try:
        return gone_on(model, place, asked)
    finally:
        right.release()


def gone_on(model: ExactModel, place: StorePlace, asked: Mapping[str, Any]) -> DataTree:
    """Fill a store from where it ends, and return its trace."""
    draws, chains, seed, names = (asked[name] for name in ("draws", "chains", "seed", "var_names"))
    start = perf_counter()

    def values(taken: Taken) -> dict[str, Mapping[str, NDArray]]:
        first = taken.first // BLOCK * BLOCK
        found = model.block(seed, taken.chain, first, taken.first + len(taken.draws))
        new = {name: array[None, taken.first - first :] for name, array in found.items()}
        tree = by_member(new, model.plan.natural.plates)
        return {"posterior": {n: tree[n] for n in names}, "sample_stats": {"lp": tree[""]}}

    def tree(_: tuple[str, ...]) -> DataTree:
        nothing = {n: np.zeros((chains, 0, *a.shape[1:]), a.dtype) for n, a in model.block(seed, 0, 0, 1).items()}
        return model.trace(nothing, names, {**model.attributes(seed, 0.0), "interrupted": True})

    until = read_until(asked)
    keeper = StoreKeeper(place, BLOCK, values, tree, draws if until is None else until.most_draws, in_blocks=False)
    state = keeper.restore()
    clock = clock_of(until, state)
    ending, is_whole = None, True
    with HeldInterrupts() as interrupts:
        run = _ExactBlocks(keeper, chains, state, clock, interrupts)
        if until is None:
            is_whole = run.advance(draws)
        else:
            num_threads = os.cpu_count() or 1
            ending = drawn_until(run, until, chains, lambda: opened_trace(place), clock, num_threads)
            is_whole = not ending.is_interrupted
        if not is_whole:
            logger.warning("Interrupted: %d draws of each chain are in the store. ppl.resume goes on.", run.done)
        attributes = {**model.attributes(seed, perf_counter() - start), "interrupted": not is_whole}
        attributes |= {} if ending is None else ending.attributes()
        keeper.finish(run.state(), plain_attributes(attributes), {})
    return opened_trace(place)


class _ExactBlocks:
    """Exact draws of all chains, block by block.

    Parameters
    ----------
    keeper : StoreKeeper
        Makes the draws and writes them.
    chains : int
        Number of chains.
    state : mapping of str to array, optional
        What is gone on from.
    clock : Clock
        When to stop.
    interrupts : HeldInterrupts
        Ctrl-C is let through between blocks.
    """

    def __init__(self, keeper: StoreKeeper, chains: int, state: State | None, clock: Clock, interrupts: HeldInterrupts):
        self.done = 0 if state is None else int(min(state["num_kept"]))
        self._keeper, self._chains, self._clock, self._interrupts = keeper, chains, clock, interrupts
        self._watch = Stopwatch()
        self._watch.stop(0.0 if state is None else float(state["seconds"]))

    @property
    def num_kept(self) -> NDArray[np.int64]:
        """Number of draws of each chain."""
        return np.full(self._chains, self.done)

    def advance(self, draws: int | None = None) -> bool:
        """Make so many draws of each chain, if there is time and nobody interrupts."""
        self._watch.start()
        try:
            while self.done < (draws or 0):
                if self._clock.is_over:
                    return False
                self._block(draws or 0)
                with self._interrupts.allowed():
                    pass
        except KeyboardInterrupt:
            return False
        finally:
            self._watch.stop()
        self._keeper.commit(self.state())
        return True

    def _block(self, draws: int) -> None:
        stop = min((self.done // BLOCK + 1) * BLOCK, draws)
        nothing = np.zeros((stop - self.done, 0))
        for chain in range(self._chains):
            self._keeper.take(Taken(chain, False, self.done, nothing, nothing, ()))
        self.done = stop
        if self._keeper.is_due():
            self._keeper.commit(self.state())

    def state(self) -> State:
        """Return all that is needed to go on."""
        kept = self.num_kept
        seconds = np.array(self._watch.seconds)
        counts: State = {"num_kept": kept, "num_tuned": 0 * kept, "has_stopped": kept < 0}
        return {"names": packed(""), "seconds": seconds, **counts}
