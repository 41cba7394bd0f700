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
    # A store that was begun and no more has nothing but its own part.
    if not place.has(MANIFEST) and {*place.names()} - {OWN}:
        raise SamplingError(f"There is something else at {place.address!r}: give another store, or remove it yourself.")
    if place.has(MANIFEST) and not overwrite:
        raise SamplingError(
            f"The store {place.address!r} exists: it holds {_held(place)}. Go on with "
            f"ppl.resume({place.address!r}, model), give another store, or overwrite=True."
        )
    place.check_writable()
    return place


def _held(place: StorePlace) -> str:
    """Return in words what a store holds."""
    manifest = place.read_json(MANIFEST)
    wanted = manifest["sample"]
    rows = place.read_json(COMMITTED)["rows"] if place.has(COMMITTED) else {"kept": 0, "tuned": 0}
    names = ", ".join(manifest["fingerprint"]["variables"])
    of = "" if wanted["draws"] is None else f" of {wanted['draws']:,}"
    done = f"{rows['kept']:,}{of} draws" if rows["kept"] else f"a warm-up of {rows['tuned']:,}"
    return f"{done} of each of {wanted['chains']} chains (of {names})"


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
    if not place.exists():
        raise SamplingError(f"There is no store at {place.address!r}.")
    manifest = place.read_json(MANIFEST)
    missing = [key for key in ("format", "compile", "sample", "fingerprint", "versions") if key not in manifest]
    if missing:
        raise SamplingError(f"The store {place.address!r} is damaged: {MANIFEST} lacks {missing[0]!r}.")
    if manifest["format"] != _FORMAT:
        raise SamplingError(
            f"The store {place.address!r} has format {manifest['format']}, and this version of rvgraph reads {_FORMAT}."
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
