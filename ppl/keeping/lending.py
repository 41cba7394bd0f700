"""The arrays of a store lent to other processes, each of which writes the rows of chains that nobody else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from ppl.keeping.keeper import Named, StoreKeeper
from ppl.keeping.layout import GrowingArrays
from ppl.keeping.place import OWN, StorePlace
from samplers.chain.going import Taken

SHARED = f"{OWN}/shared"
"""Says a word to who sees the store."""
type Tails = Mapping[tuple[int, bool], tuple[int, NDArray]]
"""By chain and kind: number of rows, and those of its last block."""


class StoredPart(NamedTuple):
    """Some numbers of a file, which is not whole with them."""

    name: str
    offset: int
    content: bytes
    size: int


@dataclass(frozen=True, eq=False)
class Written:
    """What a process that wrote rows leaves.

    Parameters
    ----------
    parts : sequence of StoredPart
        What its owner has to write: pieces of arrays that are not whole.
    tails : mapping
        The rows of blocks that are not full.
    lost : mapping of str to str
        What could not be computed, and why.
    """

    parts: tuple[StoredPart, ...]
    tails: Tails
    lost: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class LentStore:
    """What another process needs to write the rows of some chains.

    Parameters
    ----------
    place : StorePlace
        The store.
    word : str
        What is read there if this is the same place for that process.
    nodes : mapping
        The arrays.
    tails : mapping
        The rows of blocks that are not full.
    num_rows : int
        How many rows a chain gathers.
    """

    place: StorePlace
    word: str
    nodes: Mapping[str, Any]
    tails: Tails
    num_rows: int

    def is_seen(self) -> bool:
        """Whether this process sees the store."""
        return _reads(self.place.address, self.word)

    def keeper(self, naming: Any) -> BorrowedStore:
        """Return what writes, given what names rows."""
        return BorrowedStore(self, naming)


def lent_by(keeper: Any, chains: range, word: str) -> LentStore | None:
    """Return what another process needs to write the rows of some chains; None where nothing is lent.

    Parameters
    ----------
    keeper : StoreKeeper, or None
        The owner's.
    chains : range
        Whose rows.
    word : str
        Of this run; it is written where it is read.
    """
    nodes = None if getattr(keeper, "lends", None) is None else keeper.growing()
    if nodes is None:
        return None
    if not _reads(keeper.place.address, word):
        keeper.place.write(SHARED, word.encode())
        _reads.cache_clear()
    return LentStore(keeper.place, word, nodes, keeper.tails(chains), keeper.num_rows)


@lru_cache(maxsize=64)
def _reads(address: str, word: str) -> bool:
    from ppl.keeping.places import place_of

    try:
        return place_of(address).read(SHARED).decode() == word
    except Exception:  # it may lack what reads it, too
        return False


class BorrowedStore:
    """Writes the rows of some chains, on behalf of the owner of a store; see `samplers.chain.going.Keeper`."""

    def __init__(self, lent: LentStore, naming: Any):
        self.num_rows = lent.num_rows
        self._lost: dict[str, str] = {}
        self._place: Any = lent.place if lent.place.takes_rows else _OnlyWhole(lent.place)

        def named(taken: Taken) -> Named:
            found, lost = naming.with_losses(taken)
            self._lost |= lost
            return found

        self._keeper = StoreKeeper(self._place, lent.num_rows, named, _no_tree, 0, naming.in_blocks)
        self._keeper.borrow(GrowingArrays.lent(self._place, lent.nodes), lent.tails)

    def take(self, rows: Taken) -> None:
        """Write rows.

        Raises
        ------
        OSError
            If they cannot be written: it is not the chain that fails.
        """
        try:
            self._keeper.take(rows)
        except SamplingError as error:
            raise OSError(str(error)) from error

    def is_due(self) -> bool:
        """Whether it is time to commit: only its owner commits."""
        return False

    def commit(self, state: Mapping[str, NDArray]) -> None:
        """Do nothing."""

    def end(self) -> Written:
        """Make sure that what was written lasts, and return what is left to its owner."""
        try:
            self._place.sync()
        except SamplingError as error:
            raise OSError(str(error)) from error
        parts = self._place.parts() if isinstance(self._place, _OnlyWhole) else ()
        return Written(parts, self._keeper.tails(), self._lost)


def _no_tree(names: tuple[str, ...]) -> Any:
    raise AssertionError(f"The arrays of {names} are there.")


class _OnlyWhole:
    """A place in which pieces of arrays are put that lie within the rows of one turn, and no others.

    Two processes may have the same turn, where one is thought dead. Of a piece that is whole both put the same; one
    that is not is its owner's, so that none is ever replaced by a shorter one.
    """

    def __init__(self, place: StorePlace):
        self._whole = place
        self._found: dict[str, tuple[int, bytearray, int]] = {}
        self._lock = Lock()

    def write_at(self, name: str, offset: int, data: NDArray, size: int) -> None:
        """As `StorePlace.write_at`."""
        content = data.reshape(-1).view(np.uint8).tobytes()
        with self._lock:
            first, before, _ = self._found.get(name, (offset, bytearray(), size))
            before += content
            is_whole = first == 0 and len(before) == size
            if is_whole:
                self._found.pop(name, None)
            else:
                self._found[name] = (first, before, size)
        if is_whole:
            self._whole.write_at(name, 0, np.frombuffer(before, np.uint8), size)

    def sync(self) -> None:
        """As `StorePlace.sync`."""
        self._whole.sync()

    def parts(self) -> tuple[StoredPart, ...]:
        """Return what is not whole."""
        return tuple(StoredPart(name, first, bytes(found), size) for name, (first, found, size) in self._found.items())
