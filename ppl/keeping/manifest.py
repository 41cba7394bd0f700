"""How the run of a store was asked for: its options, its model and the versions it began with."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphs.errors import SamplingError
from ppl.keeping.folder import OWN, StoreFolder
from ppl.keeping.keeper import COMMITTED
from ppl.keeping.layout import ROOT
from ppl.keeping.locking import StoreLock

logger = logging.getLogger("rvgraph")
MANIFEST, START, LOCK = f"{OWN}/run.json", f"{OWN}/start.npz", f"{OWN}/lock"
_FORMAT = 1
_DECISIVE = ("rvgraph", "pytensor", "pymc", "numba", "numpy")
_DECISIVE_IN_JAX = ("jax", "blackjax")


def check_free(store: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the path of a store that is to be made.

    Raises
    ------
    SamplingError
        If something is there, unless that is a store and is to be overwritten, or if the folder cannot be written.
    """
    path = Path(store)
    if "://" in str(store):
        raise SamplingError(f"store is a folder of this machine, not {str(store)!r}.")
    # A store that was begun and no more has nothing but its own part.
    if path.exists() and (not path.is_dir() or (path / MANIFEST).exists() or _others(path)):
        if not (path / MANIFEST).exists():
            raise SamplingError(f"There is something else at {str(path)!r}: give another store, or remove it yourself.")
        if not overwrite:
            raise SamplingError(
                f"The store {str(path)!r} exists: it holds {_held(path)}. Go on with ppl.resume({str(path)!r}, model), "
                "give another store, or overwrite=True."
            )
    above = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise SamplingError(f"The store {str(path)!r} cannot be made: {str(above)!r} cannot be written.")
    return path


def _others(path: Path) -> list[Path]:
    return [file for file in path.iterdir() if file.name != OWN]


def _held(path: Path) -> str:
    """Return in words what a store holds."""
    folder = StoreFolder(path)
    manifest = folder.read_json(MANIFEST)
    wanted = manifest["sample"]
    rows = folder.read_json(COMMITTED)["rows"] if (path / COMMITTED).exists() else {"kept": 0, "tuned": 0}
    names = ", ".join(manifest["fingerprint"]["variables"])
    done = f"{rows['kept']:,} of {wanted['draws']:,} draws" if rows["kept"] else f"a warm-up of {rows['tuned']:,}"
    return f"{done} of each of {wanted['chains']} chains (of {names})"


def begin_store(path: Path, manifest: Mapping[str, Any], start: Mapping[str, Any]) -> tuple[StoreFolder, StoreLock]:
    """Make a store in which nothing has been drawn yet, and return it, locked.

    Raises
    ------
    SamplingError
        If it cannot be written, or another process does.
    """
    folder = StoreFolder(path)
    with folder.failing():
        (path / OWN).mkdir(parents=True, exist_ok=True)
        lock = StoreLock(path, path / LOCK)
        # In this order: at any moment it is a store of which nothing has been drawn, or none.
        (path / COMMITTED).unlink(missing_ok=True)
        folder.clear()
        for old in (path / OWN).iterdir():
            if old.name != Path(LOCK).name:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    folder.write_arrays(START, start)
    folder.write_json(MANIFEST, {"format": _FORMAT, **manifest})
    return folder, lock


def open_store(store: str | os.PathLike[str]) -> tuple[StoreFolder, StoreLock, dict[str, Any]]:
    """Return a store to go on with, locked, and its manifest.

    Raises
    ------
    SamplingError
        If it is none, is damaged, is from a later version, or another process writes it.
    """
    path = Path(store)
    folder = StoreFolder(path)
    if not path.exists():
        raise SamplingError(f"There is no store at {str(path)!r}.")
    manifest = folder.read_json(MANIFEST)
    missing = [key for key in ("format", "compile", "sample", "fingerprint", "versions") if key not in manifest]
    if missing:
        raise SamplingError(f"The store {str(path)!r} is damaged: {MANIFEST} lacks {missing[0]!r}.")
    if manifest["format"] != _FORMAT:
        raise SamplingError(
            f"The store {str(path)!r} has format {manifest['format']}, and this version of rvgraph reads {_FORMAT}."
        )
    if (path / COMMITTED).exists():
        folder.read_json(ROOT)
    with folder.failing():
        return folder, StoreLock(path, path / LOCK), manifest


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
