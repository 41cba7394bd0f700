"""How the run of a store was asked for: its options, its model and the versions it began with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from graphs.errors import SamplingError
from ppl.keeping.keeper import COMMITTED
from ppl.keeping.nodes import ROOT
from ppl.keeping.place import OWN, Right, StorePlace
from ppl.keeping.places import place_of

logger = logging.getLogger("rvgraph")
MANIFEST, START, LOCK = f"{OWN}/run.json", f"{OWN}/start.npz", "lock"
_FORMAT = 1
_DECISIVE = ("rvgraph", "pytensor", "pymc", "numba", "numpy")
_DECISIVE_IN_JAX = ("jax", "blackjax")


def check_free(store: Any, overwrite: bool) -> StorePlace:
    """Return the place of a store that is to be made.

    Raises
    ------
    SamplingError
        If something is there, unless that is a store and is to be overwritten, or if it cannot be written.
    """
    place = place_of(store)
    with place.reaching():
        is_store = place.has(MANIFEST)
        # A store that was begun and no more has nothing but its own part.
        is_other = not is_store and bool({*place.names()} - {OWN})
    if is_other:
        raise SamplingError(f"There is something else at {place.address!r}: give another store, or remove it yourself.")
    if is_store and not overwrite:
        try:
            held = _held(place)
        except SamplingError as error:
            raise SamplingError(f"{error} A new run takes its place with overwrite=True.") from error
        raise SamplingError(
            f"The store {place.address!r} exists: it holds {held}. Go on with "
            f"ppl.resume({place.address!r}, model), give another store, or overwrite=True."
        )
    place.check_writable()
    return place


def _held(place: StorePlace) -> str:
    """Return in words what a store holds."""
    manifest = place.read_json(MANIFEST)
    committed = place.read_json(COMMITTED) if place.has(COMMITTED) else {"rows": {"kept": 0, "tuned": 0}}
    with place.reading(COMMITTED):
        kept, tuned = (int(committed["rows"][name]) for name in ("kept", "tuned"))
    with place.reading(MANIFEST):
        wanted, names = manifest["sample"], ", ".join(manifest["fingerprint"]["variables"])
        of = "" if wanted["draws"] is None else f" of {wanted['draws']:,}"
        chains = wanted["chains"]
    done = f"{kept:,}{of} draws" if kept else f"a warm-up of {tuned:,}"
    return f"{done} of each of {chains} chains (of {names})"


def begin_store(place: StorePlace, manifest: Mapping[str, Any], start: Mapping[str, Any]) -> Right:
    """Make a store in which nothing has been drawn yet, and return the right to write it.

    Raises
    ------
    SamplingError
        If it cannot be written, or another process does.
    """
    place.make()
    right = place.right()
    try:
        with place.failing():
            # In this order: at any moment it is a store of which nothing has been drawn, or none.
            place.remove(COMMITTED)
            place.clear()
            for old in place.names(OWN):
                if old != LOCK:
                    place.remove(f"{OWN}/{old}")
        place.write_arrays(START, start)
        place.write_json(MANIFEST, {"format": _FORMAT, **manifest})
    except BaseException:
        right.release()
        raise
    return right


def open_store(store: Any) -> tuple[StorePlace, Right, dict[str, Any]]:
    """Return a store to go on with, the right to write it, and its manifest.

    Raises
    ------
    SamplingError
        If it is none, is damaged, is from a later version, or another process writes it.
    """
    place = place_of(store)
    with place.reaching():
        exists = place.exists()
    if not exists:
        raise SamplingError(f"There is no store at {place.address!r}.")
    manifest = place.read_json(MANIFEST)
    with place.reading(MANIFEST):
        found, parts = manifest["format"], [manifest[name] for name in ("compile", "sample", "fingerprint", "versions")]
        if not all(isinstance(part, dict) for part in (*parts, *parts[2].values())):
            raise TypeError("names are missing")
    if found != _FORMAT:
        raise SamplingError(
            f"The store {place.address!r} has format {found}, and this version of rvgraph reads {_FORMAT}: go on with "
            "the version that it was begun with, or sample to another store."
        )
    if place.has(COMMITTED):
        place.read_json(ROOT)
    return place, place.right(), manifest


def warn_of_versions(before: Mapping[str, str], now: Mapping[str, str], backend: str) -> None:
    """Say which packages are others than those that a run began with, where that can change what is drawn."""
    decisive = (*_DECISIVE, *(_DECISIVE_IN_JAX if backend == "jax" else ()))
    changed = [f"{p} {before[p]} -> {now.get(p, 'none')}" for p in decisive if p in before and before[p] != now.get(p)]
    if changed:
        logger.warning(
            "The run began with other versions (%s): it goes on, but what is drawn from here on may differ from what "
            "those would have drawn.",
            ", ".join(changed),
        )
