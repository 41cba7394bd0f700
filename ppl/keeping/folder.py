"""Stores that are folders: files replaced at once or not at all, or written on at their end, and sure to be on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from ppl.keeping.locking import StoreLock
from ppl.keeping.place import OWN, StorePlace


class StoreFolder(StorePlace):
    """The folder of a store.

    The zarr library neither makes sure that what it wrote is on disk, nor writes on at the end of a file, and takes
    0.6 ms for each piece of an array, which these files are written in a thirtieth of.

    Parameters
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path):
        super().__init__(str(path))
        self.path = path
        self._unsynced: set[Path] = set()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[StoreFolder], tuple[Path]]:
        return StoreFolder, (self.path.absolute(),)

    def exists(self) -> bool:
        """Whether there is anything; a file, too."""
        return self.path.exists()

    def names(self, folder: str = "") -> list[str]:
        """As `StorePlace.names`."""
        found = self.path / folder
        if not found.is_dir():
            return [found.name] if found.exists() else []
        return [file.name for file in sorted(found.iterdir(), key=lambda file: file.is_dir())]

    def has(self, name: str) -> bool:
        """As `StorePlace.has`."""
        return (self.path / name).exists()

    def sizes(self) -> dict[str, int]:
        """As `StorePlace.sizes`."""
        files = (folder / name for folder, _, names in self.path.walk() for name in names)
        return {file.relative_to(self.path).as_posix(): file.stat().st_size for file in files}

    def check_writable(self) -> None:
        """As `StorePlace.check_writable`."""
        if self.path.is_symlink() and not self.path.exists():
            raise SamplingError(f"The store {self.address!r} cannot be made: it is a link to what is not there.")
        above = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            raise SamplingError(f"The store {self.address!r} cannot be made: {str(above)!r} cannot be written.")

    @property
    def readable(self) -> Any:
        """As `StorePlace.readable`: a path as it is, in which other characters than those of addresses may be."""
        from zarr.storage import LocalStore

        return LocalStore(self.path.absolute(), read_only=True)

    def make(self) -> None:
        """As `StorePlace.make`."""
        with self.failing():
            (self.path / OWN).mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Do nothing: the system lets nobody else have the right."""

    def right(self) -> StoreLock:
        """As `StorePlace.right`."""
        with self.failing():
            return StoreLock(self.path, self.path / OWN / "lock")

    def remove(self, name: str) -> None:
        """As `StorePlace.remove`."""
        file = self.path / name
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Put a file in the place of one, at once, and on disk."""
        with self.failing():
            _sync_folder(self._replaced(name, content, lasts=True).parent)

    def write_many(self, contents: Mapping[str, bytes]) -> None:
        """As `StorePlace.write_many`."""
        with self.failing():
            for name, content in contents.items():
                self._replaced(name, content, lasts=False)

    def _replaced(self, name: str, content: bytes, *, lasts: bool) -> Path:
        """Put a file in the place of one, and return it."""
        file = self.path / name
        new = file.with_name(file.name + ".new")
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(new, "wb") as opened:
            opened.write(content)
            if lasts:
                opened.flush()
                os.fsync(opened.fileno())
        os.replace(new, file)
        return file

    def read(self, name: str) -> bytes:
        """As `StorePlace.read`."""
        return (self.path / name).read_bytes()

    def write_at(self, name: str, offset: int, data: NDArray, size: int) -> None:
        """As `StorePlace.write_at`."""
        file = self.path / name
        with self.failing():
            try:
                opened = os.open(file, os.O_WRONLY)
            except FileNotFoundError:
                file.parent.mkdir(parents=True, exist_ok=True)
                opened = os.open(file, os.O_WRONLY | os.O_CREAT, 0o666)
                os.ftruncate(opened, size)
                with self._lock:
                    self._unsynced.add(file.parent)
            try:
                left = memoryview(data.reshape(-1).view(np.uint8))
                while left:
                    written = os.pwrite(opened, left, offset)
                    offset, left = offset + written, left[written:]
            finally:
                os.close(opened)
        with self._lock:
            self._unsynced.add(file)

    def sync(self) -> None:
        """Make sure that all that was written is on disk."""
        with self._lock:
            found, self._unsynced = self._unsynced, set()
        with self.failing():
            for file in sorted(found, key=lambda path: path.is_dir()):
                _sync_folder(file) if file.is_dir() else _sync_file(file)


def _sync_file(file: Path) -> None:
    opened = os.open(file, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on disk, where the system knows of that."""
    if os.name == "posix":
        _sync_file(folder)
