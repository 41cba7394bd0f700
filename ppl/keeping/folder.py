"""Files of a store: replaced at once or not at all, or written on at their end, and made sure to be on disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError

OWN = ".run"
"""The part of a store that is nobody else's: what is needed to go on."""


class StoreFolder:
    """The folder of a store.

    The zarr library neither makes sure that what it wrote is on disk, nor writes on at the end of a file, and takes
    0.6 ms for each piece of an array, which these files are written in a thirtieth of.

    Parameters
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path):
        self.path = path
        self._unsynced: set[Path] = set()
        self._lock = Lock()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Say what is wrong where the folder cannot be written.

        Raises
        ------
        SamplingError
            With what can be done about it.
        """
        try:
            yield
        except OSError as error:
            raise SamplingError(
                f"The store {str(self.path)!r} cannot be written ({error.strerror or error}). What it holds is whole: "
                "free space or give the right to write, and go on with ppl.resume."
            ) from error

    def clear(self) -> None:
        """Remove everything that is for readers."""
        with self.failing():
            # Files first: without that of the root nobody reads.
            for old in sorted(self.path.iterdir(), key=lambda path: path.is_dir()):
                if old.name != OWN:
                    shutil.rmtree(old) if old.is_dir() else old.unlink()

    def write(self, name: str, content: bytes) -> None:
        """Put a file in the place of one, at once, and on disk."""
        file = self.path / name
        with self.failing():
            new = file.with_name(file.name + ".new")
            with open(new, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(new, file)
            _sync_folder(file.parent)

    def write_json(self, name: str, content: Any) -> None:
        """Put numbers and texts in a file."""
        self.write(name, json.dumps(content, indent=1).encode())

    def read_json(self, name: str) -> Any:
        """Return what `write_json` wrote.

        Raises
        ------
        SamplingError
            If it is missing or damaged.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SamplingError(
                f"{str(self.path)!r} is no store of a run that can go on: it has no file {name}. Give the path that "
                "was given as store= to ppl.sample."
            ) from None
        except (OSError, ValueError) as error:
            raise SamplingError(f"The store {str(self.path)!r} is damaged: {name} cannot be read ({error}).") from error

    def write_at(self, name: str, offset: int, data: NDArray, size: int) -> None:
        """Write numbers into a file of so many bytes, which is made where there is none; others stay as they are."""
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

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray]) -> None:
        """Put arrays in a file."""
        file = self.path / name
        with self.failing():
            with open(file, "wb") as opened:
                np.savez(opened, allow_pickle=False, **{key: np.asarray(array) for key, array in arrays.items()})
                opened.flush()
                os.fsync(opened.fileno())
            _sync_folder(file.parent)

    def read_arrays(self, name: str) -> dict[str, NDArray]:
        """Return what `write_arrays` wrote; nothing in it is run.

        Raises
        ------
        SamplingError
            If it is missing or damaged.
        """
        try:
            with open(self.path / name, "rb") as opened, np.load(opened, allow_pickle=False) as found:
                return {key: found[key] for key in found.files}
        except Exception as error:  # whatever a damaged file does to the reader
            raise SamplingError(
                f"The store {str(self.path)!r} is damaged: {name} cannot be read ({type(error).__name__}: {error})."
            ) from error


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
