"""What chains draw, written to a store while they run, and with it at every commit all that is needed to go on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree

from ppl.keeping.layout import GrowingArrays, lengths_of
from ppl.keeping.nodes import ROOT, as_json
from ppl.keeping.place import OWN
from samplers.chain.going import Taken
from samplers.chain.plain_arrays import unpacked

COMMITTED = f"{OWN}/committed.json"
FIRST_SECONDS, SECONDS, COST_SHARE = 1.0, 5.0, 0.01
"""A commit comes after so many seconds, and takes at most such a share of the time."""
BLOCK = 2**12
"""Rows that are computed together where what one becomes depends on those before it."""
_BUFFER_BYTES, _BUFFER_OF_ALL, _MOST_ROWS = 2**24, 2**26, 2**16

type Named = Mapping[str, Mapping[str, NDArray]]
"""Groups of named arrays (1, n, ...)."""


def rows_at_once(row_bytes: int, chains: int) -> int:
    """Return how many rows a chain may gather; a multiple of a block where it is no fraction of one."""
    most = min(_BUFFER_BYTES, _BUFFER_OF_ALL // chains) // max(row_bytes, 1)
    return 2 ** int(np.log2(np.clip(most, 1, _MOST_ROWS)))


class StoreKeeper:
    """Keeps a run in a store; see `samplers.chain.going.Keeper`.

    Parameters
    ----------
    place : StorePlace
        The store.
    num_rows : int
        How many rows a chain gathers.
    named : callable
        ``(taken, first) -> groups``: the named values of the rows of one chain that end with those taken, the first of
        them having that number.
    tree : callable
        ``names of statistics -> DataTree`` without rows.
    expected : int
        Rows of each chain that are wanted.
    in_blocks : bool
        Whether rows become what they are together with those before them in their block.
    lends : object, optional
        What names rows in another process, which may write them (`ppl.keeping.lending`).

    Attributes
    ----------
    place : StorePlace
        The store.
    lends
        As above.
    lost : dict of str to str
        What could not be computed elsewhere, and why.
    """

    def __init__(
        self,
        place: Any,
        num_rows: int,
        named: Callable[[Taken], Named],
        tree: Callable[[tuple[str, ...]], DataTree],
        expected: int,
        in_blocks: bool,
        lends: Any = None,
    ):
        self.num_rows = num_rows
        self.place = place
        self._named = named
        self._tree = tree
        self._expected = expected
        self._in_blocks = in_blocks
        self._arrays: GrowingArrays | None = None
        self.lends, self.lost = lends, dict[str, str]()
        self._lock = Lock()
        self._tails: dict[tuple[int, bool], list[tuple[int, NDArray]]] = {}
        self._filled: set[int] = set()
        self._number = 0
        self._due = perf_counter() + FIRST_SECONDS

    def borrow(self, arrays: GrowingArrays, tails: Mapping[tuple[int, bool], tuple[int, NDArray]]) -> None:
        """Go on with arrays that are there, and the rows of their blocks that are not full."""
        self._arrays = arrays
        for key, tail in tails.items():
            self._tails.setdefault(key, []).append(tail)

    def tails(self, chains: Container[int] | None = None) -> dict[tuple[int, bool], tuple[int, NDArray]]:
        """Return the rows of blocks that are not full, by chain and kind, with their number."""
        with self._lock:
            known = {key: history[-1] for key, history in self._tails.items() if history}
        return {key: tail for key, tail in known.items() if chains is None or key[0] in chains}

    def growing(self) -> dict[str, Any] | None:
        """Return what is said of the arrays that grow, if they have been made."""
        return None if self._arrays is None else self._arrays.growing

    def give_back(
        self,
        parts: Iterable[tuple[str, int, bytes, int]],
        tails: Mapping[tuple[int, bool], tuple[int, NDArray]],
        lost: Mapping[str, str],
    ) -> None:
        """Take what others have left who wrote rows; see `ppl.keeping.lending.Written`."""
        for name, offset, content, size in parts:
            self.place.write_at(name, offset, np.frombuffer(content, np.uint8), size)
        with self._lock:
            for key, tail in tails.items():
                self._tails.setdefault(key, []).append(tail)
        self.lost |= lost

    def restore(self) -> dict[str, NDArray] | None:
        """Return the state that was committed last, from which the run has to go on; None where there is none."""
        if not self.place.has(COMMITTED):
            return None
        committed = self.place.read_json(COMMITTED)
        with self.place.reading(COMMITTED):
            self._number = int(committed["number"])
            rows = {name: int(committed["rows"][name]) for name in ("tuned", "kept")}
        checkpoint = self._checkpoint(self._number)
        state = self.place.read_arrays(checkpoint)
        with self.place.reading(ROOT):
            self._arrays = GrowingArrays.found(self.place)
        with self.place.reading(checkpoint):
            counts = {name: state[f"num_{name}"] for name in ("tuned", "kept")}
            for name in [name for name in state if name.startswith("tail_")]:
                chain, is_tuning, end = (int(word) for word in name.split("_")[1:])
                self._tails[chain, bool(is_tuning)] = [(end, state.pop(name))]
        with self.place.reading(ROOT):
            self._arrays.check(counts)
        # The file of the root is written last: it may be older than what is gone on from.
        self._arrays.commit(lengths_of(rows, {name.partition("/")[0] for name in self._arrays.names}))
        return state

    @staticmethod
    def _checkpoint(number: int) -> str:
        return f"{OWN}/checkpoint_{number}.npz"

    def arrays(self, names: tuple[str, ...]) -> GrowingArrays:
        """Return the arrays of the store, which are made when it is known which statistics there are."""
        with self._lock:
            if self._arrays is None:
                self._arrays = GrowingArrays.made(self.place, self._tree(names), self._expected)
            return self._arrays

    def take(self, rows: Taken) -> None:
        """Write rows; see `samplers.chain.going.Keeper.take`."""
        arrays = self.arrays(rows.names)
        for taken in self._with_tails(rows) if self._in_blocks else [rows]:
            skipped = len(taken.draws) - len(taken.statistics)
            for group, values in self._named(taken).items():
                prefix = "warmup_" if rows.is_tuning else ""
                for name, array in values.items():
                    is_statistic = group == "sample_stats" and len(array[0]) == len(taken.statistics)
                    new = array[0] if is_statistic else array[0][skipped:]
                    arrays.write(f"{prefix}{group}/{name}", rows.chain, taken.first + skipped, new)
                for name in [n for n in arrays.names if n.startswith(f"{prefix}{group}/")]:
                    if name.partition("/")[2] not in values:  # it could not be computed
                        arrays.fill(name, rows.chain, taken.first + skipped, len(taken.draws) - skipped)

    def _with_tails(self, rows: Taken) -> list[Taken]:
        """Return the rows block by block, each with those of its block that came before them."""
        history = self._tails.setdefault((rows.chain, rows.is_tuning), [])
        tail = history[-1][1] if history else rows.draws[:0]
        found, done = [], 0
        while done < len(rows.draws):
            first = rows.first + done
            count = min(BLOCK - first % BLOCK, len(rows.draws) - done)
            draws = np.concatenate([tail, rows.draws[done : done + count]])
            statistics = rows.statistics[done : done + count]
            found.append(rows._replace(first=first - len(tail), draws=draws, statistics=statistics))
            tail = draws if len(draws) < BLOCK else draws[:0]
            done += count
        with self._lock:
            history.append((rows.first + done, tail))
        return found

    def is_due(self) -> bool:
        """Whether it is time to commit."""
        return perf_counter() >= self._due

    def commit(self, state: Mapping[str, NDArray], attributes: Mapping[str, Any] | None = None) -> None:
        """Put on disk what was taken, and the state; see `samplers.chain.going.Keeper.commit`."""
        start = perf_counter()
        self.place.check()
        arrays = self.arrays(tuple(unpacked(state["names"]).split("\n")))
        counts = {name: np.asarray(state[f"num_{name}"]) for name in ("kept", "tuned")}
        stopped = np.asarray(state["has_stopped"])
        for chain in {*np.flatnonzero(stopped).tolist()} - self._filled:
            self._fill(arrays, chain, counts)
        self.place.sync()
        number = self._number + 1
        self.place.write_arrays(self._checkpoint(number), {**state, **self._tails_at(counts)})
        rows = {name: int(min(found[~stopped], default=max(found))) for name, found in counts.items()}
        self.place.write_json(COMMITTED, {"number": number, "rows": rows})
        for old in self.place.names(OWN):
            if old.startswith("checkpoint_") and f"{OWN}/{old}" != self._checkpoint(number):
                self.place.remove(f"{OWN}/{old}")
        self._number = number
        arrays.commit(lengths_of(rows, {name.partition("/")[0] for name in arrays.names}), attributes)
        now = perf_counter()
        self._due = now + max(SECONDS, (now - start) / COST_SHARE)

    def finish(
        self, state: Mapping[str, NDArray], attributes: Mapping[str, Any], groups: Mapping[str, Dataset]
    ) -> None:
        """Commit how a run ended, with what is known only then.

        Parameters
        ----------
        state : mapping
            As of `commit`.
        attributes : mapping
            Of the tree and of its posterior.
        groups : mapping of str to Dataset
            Other groups of the tree.
        """
        arrays = self.arrays(tuple(unpacked(state["names"]).split("\n")))
        for name, dataset in groups.items():
            arrays.replace_group(name, dataset)
        self.commit(state, as_json(attributes))
        arrays.settle()

    def _fill(self, arrays: GrowingArrays, chain: int, counts: Mapping[str, NDArray]) -> None:
        """Write what stands for no number where a chain has stopped."""
        for name in arrays.names:
            rows = counts["tuned" if name.startswith("warmup_") else "kept"]
            arrays.fill(name, chain, int(rows[chain]))
        self._filled.add(chain)

    def _tails_at(self, counts: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Return the rows of blocks that are not full, as they were when the state was taken."""
        found = {}
        with self._lock:
            for (chain, is_tuning), history in self._tails.items():
                end = int(counts["tuned" if is_tuning else "kept"][chain])
                history[:] = [(at, tail) for at, tail in history if at >= end]
                if history and history[0][0] == end:
                    found[f"tail_{chain}_{int(is_tuning)}_{end}"] = history[0][1]
        return found
