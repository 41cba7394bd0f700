"""One process at a time writes a store; who died holds nothing."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from graphs.errors import SamplingError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class StoreLock:
    """The right to write a store, as long as this object is not released.

    The system takes it from a process that has died. Where the system knows no such locks, a file says which process on
    which machine holds it, and counts no more once that process is gone.

    Parameters
    ----------
    path : Path
        The store.
    file : Path
        The file that is locked; made where there is none.

    Raises
    ------
    SamplingError
        If another process writes the store.
    """

    def __init__(self, path: Path, file: Path):
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        holder = os.read(self._file, 1000).decode(errors="replace")
        if not self._is_free(holder):
            os.close(self._file)
            raise SamplingError(
                f"The store {str(path)!r} is being written by {holder or 'another process'}: wait until that has "
                "ended, or give another store."
            )
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)

    def _is_free(self, holder: str) -> bool:
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError:  # a file system without locks
                return not is_alive(holder)
            return True
        return not is_alive(holder)

    def release(self) -> None:
        """Let others write the store."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1


def is_alive(holder: str) -> bool:
    """Whether the process that a file names is there; one on another machine is taken to be."""
    words = holder.split()
    if len(words) != 4 or not words[1].isdigit():
        return False
    if words[3] != socket.gethostname():
        return True
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
