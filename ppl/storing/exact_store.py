"""Exact draws kept in a store: block by block, so that more of them extend what is there."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from ppl.keeping.fingerprint import fingerprint
from ppl.keeping.keeper import BLOCK, StoreKeeper
from ppl.keeping.manifest import begin_store
from ppl.keeping.opening import opened_trace
from ppl.keeping.place import StorePlace
from ppl.modelling.members import by_member
from ppl.running.results import logger, plain_attributes, versions
from samplers.chain.going import Taken
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

    keeper = StoreKeeper(place, BLOCK, values, tree, draws, in_blocks=False)
    state = keeper.restore()
    done = 0 if state is None else int(min(state["num_kept"]))
    is_whole = True
    with HeldInterrupts() as interrupts:
        try:
            while done < draws:
                stop = min((done // BLOCK + 1) * BLOCK, draws)
                for chain in range(chains):
                    nothing = np.zeros((stop - done, 0))
                    keeper.take(Taken(chain, False, done, nothing, nothing, ()))
                done = stop
                if keeper.is_due():
                    keeper.commit(_state(chains, done))
                with interrupts.allowed():
                    pass
        except KeyboardInterrupt:
            is_whole = False
            logger.warning("Interrupted: %d draws of each chain are in the store. ppl.resume goes on.", done)
        attributes = {**model.attributes(seed, perf_counter() - start), "interrupted": not is_whole}
        keeper.finish(_state(chains, done), plain_attributes(attributes), {})
    return opened_trace(place.address)


def _state(chains: int, done: int) -> State:
    kept = np.full(chains, done)
    return {"names": packed(""), "num_kept": kept, "num_tuned": 0 * kept, "has_stopped": kept < 0}
