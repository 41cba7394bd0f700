"""Where a store is: what has to be possible there, whatever it is made of."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError

OWN = ".run"
"""The part of a store that is nobody else's: what is needed to go on."""


class Right(Protocol):
    """The right to write a store, of one process at a time."""

    def release(self) -> None:
        """Let others write the store."""


class StorePlace(ABC):
    """Where a store is.

    Files are replaced at once or not at all. Rows are written behind those that are there, and whoever read before sees
    what was there: at every instant the file that was written last says how much of the others counts.

    Parameters
    ----------
    address : str
        What it is opened by.
    """

    errors: type[Exception] = OSError
    """What writing there may raise."""
    chunk_bytes = 2**22
    """About so large are the pieces of arrays."""
    takes_rows = True
    """Whether rows may be written into a piece by one process, and others by another; else whole pieces."""
    codecs: tuple[dict[str, Any], ...] = ()
    """Of the pieces of arrays, beside that of their bytes, as Zarr writes them down."""

    def __init__(self, address: str):
        self.address = address

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Say what is wrong where the store cannot be written.

        Raises
        ------
        SamplingError
            With what can be done about it.
        """
        try:
            yield
        except self.errors as error:
            if isinstance(error, SamplingError):
                raise
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SamplingError(
                f"The store {self.address!r} cannot be written ({reason}). What it holds is whole: "
                "free space or give the right to write, and go on with ppl.resume."
            ) from error

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is anything."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Return what is in a folder, files before folders: nothing where there is none, and of a file its own name."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Return the numbers of bytes of all files, by name."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise SamplingError if nothing can be written."""

    @abstractmethod
    def make(self) -> None:
        """Make the part of the store that is nobody else's."""

    @abstractmethod
    def right(self) -> Right:
        """Return the right to write, which no other process has then.

        Raises
        ------
        SamplingError
            If another one has it.
        """

    @abstractmethod
    def check(self) -> None:
        """Raise SamplingError if another process has the right to write by now."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if there is one."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Put a file in the place of one, at once, and for good."""

    @abstractmethod
    def write_many(self, contents: Mapping[str, bytes]) -> None:
        """Put files, each at once, of which none is missed if it does not last."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return what is in a file; FileNotFoundError where there is none."""

    @abstractmethod
    def write_at(self, name: str, offset: int, data: NDArray, size: int) -> None:
        """Write numbers into a file of so many bytes, which is made where there is none; others stay as they are."""

    @abstractmethod
    def sync(self) -> None:
        """Make sure that all that was written lasts."""

    @property
    @abstractmethod
    def readable(self) -> Any:
        """What the zarr library reads it by."""

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Say what is wrong where it cannot even be asked what there is.

        Raises
        ------
        SamplingError
            With the reason.
        """
        try:
            yield
        except SamplingError:
            raise
        except self.errors as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise SamplingError(
                f"The store {self.address!r} cannot be reached ({reason}): give another place."
            ) from error

    def clear(self) -> None:
        """Remove everything that is for readers."""
        with self.failing():
            # Files first: without that of the root nobody reads.
            for name in self.names():
                if name != OWN:
                    self.remove(name)

    def write_json(self, name: str, content: Any) -> None:
        """Put numbers and texts in a file."""
        self.write(name, json.dumps(content, indent=1).encode())

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Say what is damaged where a file does not say what it has to.

        Raises
        ------
        SamplingError
            Names it.
        """
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self.damaged(name, error) from error

    def damaged(self, name: str, error: Exception) -> SamplingError:
        """Return what is said of a file that cannot be read."""
        if isinstance(error, PermissionError):
            return SamplingError(
                f"The store {self.address!r} may not be read ({name}: {error.strerror or error}): get the right to."
            )
        return SamplingError(
            f"The store {self.address!r} is damaged: {name} cannot be read ({type(error).__name__}: {error}). Copy it "
            "again from where it came from, or sample to another store; draws that are whole "
            "xarray.open_datatree still reads."
        )

    def read_json(self, name: str) -> dict[str, Any]:
        """Return what `write_json` wrote.

        Raises
        ------
        SamplingError
            If it is missing or damaged.
        """
        try:
            found = json.loads(self.read(name).decode("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise SamplingError(
                f"{self.address!r} is no store of a run that can go on: it has no file {name}. Give the path that "
                "was given as store= to ppl.sample."
            ) from None
        except (self.errors, ValueError, RecursionError) as error:
            raise self.damaged(name, error) from error
        if not isinstance(found, dict):
            raise self.damaged(name, TypeError("it holds no names"))
        return found

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray]) -> None:
        """Put arrays in a file."""
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **{key: np.asarray(array) for key, array in arrays.items()})
        self.write(name, content.getvalue())

    def read_arrays(self, name: str) -> dict[str, NDArray]:
        """Return what `write_arrays` wrote; nothing in it is run.

        Raises
        ------
        SamplingError
            If it is missing or damaged.
        """
        try:
            with np.load(io.BytesIO(self.read(name)), allow_pickle=False) as found:
                return {key: found[key] for key in found.files}
        except Exception as error:  # whatever a damaged file does to the reader
            raise self.damaged(name, error) from error
