"""Stores of objects, which can be put as a whole and nothing else: clouds, and whatever else fsspec reaches."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from ppl.keeping.leasing import Lease
from ppl.keeping.place import OWN, StorePlace


@dataclass(eq=False)
class _LastPiece:
    """A piece of an array that is not full."""

    content: bytearray
    is_new: bool = False  # whether it holds more than what was put
    lock: Any = field(default_factory=Lock)


class StoreObjects(StorePlace):
    """A store whose files are objects.

    Nothing can be written behind what is there: the last piece of an array is remembered here, and put again, longer,
    whenever rows are to last. As its first rows stay what they were, who reads meanwhile sees what counted before.

    Parameters
    ----------
    url : str
        Where it is.

    Raises
    ------
    SamplingError
        If no installed package knows such places.
    """

    errors = Exception
    """Every kind of store has its own."""
    # Of what is put as a whole and again, before it is full, less; and what it lacks to be full is as good as nothing.
    chunk_bytes = 2**18
    takes_rows = False
    codecs = ({"name": "zstd", "configuration": {"level": 1, "checksum": False}},)

    def __init__(self, url: str):
        from numcodecs import Zstd

        super().__init__(url.rstrip("/"))
        self._files, self._root = _opened(self.address)
        self._codec = Zstd(level=1)
        self._pieces: dict[str, _LastPiece] = {}
        self._lock = Lock()
        self._lease: Lease | None = None

    def __reduce__(self) -> tuple[type[StoreObjects], tuple[str]]:
        return StoreObjects, (self.address,)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def exists(self) -> bool:
        """Whether there is anything."""
        return bool(self.names())

    def names(self, folder: str = "") -> list[str]:
        """As `StorePlace.names`."""
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._path(folder).rstrip("/"), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        # Some stores have an object of the name of a folder.
        files = [each for each in found if each["type"] == "directory" or not each["name"].endswith("/")]
        files.sort(key=lambda each: each["type"] == "directory")
        return [each["name"].rstrip("/").rpartition("/")[2] for each in files]

    def has(self, name: str) -> bool:
        """As `StorePlace.has`."""
        self._files.invalidate_cache()
        return bool(self._files.exists(self._path(name)))

    def sizes(self) -> dict[str, int]:
        """As `StorePlace.sizes`."""
        self._files.invalidate_cache()
        found = self._files.find(self._root, detail=True)
        # Some answer with a slash before the name of the place, or without.
        return {
            path.strip("/").removeprefix(self._root.strip("/")).strip("/"): int(each["size"])
            for path, each in found.items()
        }

    def check_writable(self) -> None:
        """As `StorePlace.check_writable`."""
        try:
            self.write(f"{OWN}/probe", b"")
            self.remove(f"{OWN}/probe")
        except Exception as error:  # each file system of fsspec's raises errors of its own
            cause = error.__cause__ or error
            raise SamplingError(
                f"The store {self.address!r} cannot be made ({type(cause).__name__}: {cause}). Keys and addresses are "
                "what the configuration of fsspec says."
            ) from error

    @property
    def readable(self) -> str:
        """As `StorePlace.readable`."""
        return self.address

    def make(self) -> None:
        """As `StorePlace.make`: there are no folders."""
        with suppress(Exception):
            self._files.makedirs(self._path(OWN), exist_ok=True)

    def right(self) -> Lease:
        """As `StorePlace.right`."""
        with self.failing():
            self._lease = Lease(self, f"{OWN}/lock")
        return self._lease

    def check(self) -> None:
        """As `StorePlace.check`."""
        if self._lease is not None:
            with self.failing():
                self._lease.check()

    def remove(self, name: str) -> None:
        """As `StorePlace.remove`."""
        with suppress(FileNotFoundError):
            self._files.rm(self._path(name), recursive=True)

    def write(self, name: str, content: bytes) -> None:
        """As `StorePlace.write`."""
        with self.failing():
            self._put({name: content})

    def write_many(self, contents: Mapping[str, bytes]) -> None:
        """As `StorePlace.write_many`."""
        with self.failing():
            self._put(contents)

    def create(self, name: str, content: bytes) -> bool:
        """Put an object where there is none; whether that was so."""
        try:
            self._files.pipe_file(self._path(name), content, mode="create")
        except FileExistsError:
            return False
        return True

    def read(self, name: str) -> bytes:
        """As `StorePlace.read`."""
        return bytes(self._files.cat_file(self._path(name)))

    def _put(self, contents: Mapping[str, bytes]) -> None:
        """Put objects, at the same time where that is possible."""
        if contents:
            self._files.pipe({self._path(name): content for name, content in contents.items()})

    def write_at(self, name: str, offset: int, data: NDArray, size: int) -> None:
        """As `StorePlace.write_at`; the piece is put when it is full, or `sync` is called."""
        numbers = data.reshape(-1).view(np.uint8)
        with self._lock:
            piece = self._pieces.get(name)
            if piece is None:
                piece = self._pieces[name] = _LastPiece(bytearray(0))
        end = offset + len(numbers)
        with self.failing(), piece.lock:
            if not piece.content:
                piece.content = self._begun(name, offset, size)
            piece.content[offset:end] = numbers.tobytes()
            piece.is_new = True
            if end == size:
                self._put({name: self._codec.encode(piece.content)})
                piece.is_new = False
                with self._lock:
                    self._pieces.pop(name, None)

    def _begun(self, name: str, offset: int, size: int) -> bytearray:
        """Return a piece of which so many bytes are there."""
        if not offset:
            return bytearray(size)
        return bytearray(bytes(self._codec.decode(self.read(name))))

    def sync(self) -> None:
        """Put all pieces that hold what was not put."""
        with self._lock:
            found = dict(self._pieces)
        with self.failing(), ExitStack() as held:
            contents = {}
            for name, piece in found.items():
                held.enter_context(piece.lock)
                if piece.is_new:
                    contents[name] = bytes(self._codec.encode(piece.content))
            self._put(contents)
            for name in contents:
                found[name].is_new = False


def _opened(url: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path there."""
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url)
    except ImportError as error:
        raise SamplingError(
            f"The store {url!r} cannot be reached: {error}. Install what it needs (fsspec, and for example s3fs or "
            "gcsfs), or give a folder."
        ) from error
    except Exception as error:  # each file system of fsspec's raises errors of its own
        raise SamplingError(
            f"The store {url!r} cannot be reached: {error}. Give a folder, or another address."
        ) from error
    return files, root.rstrip("/")
