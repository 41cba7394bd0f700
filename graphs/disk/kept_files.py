"""Files that hold what takes long to compute or to decide, and say whether they are whole.

A file may have been cut short, overwritten or made unreadable by a full disk, a crash or a copy: whatever is wrong
with it, it is as if it were not there. It is written beside its place and then moved there, so that other processes
see all of it or nothing.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytensor

logger = logging.getLogger("rvgraph")


def _places() -> list[Path]:
    """Return the folders to be read, of which the last can be written."""
    folder = Path(pytensor.config.compiledir) / "rvgraph"
    return [folder] if _is_writable(folder) else [folder, _temporary(folder)]


def directory() -> Path:
    """Return the folder that is written, inside PyTensor's compile directory if possible."""
    return _places()[-1]


@cache
def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@cache
def _temporary(folder: Path) -> Path:
    """Return the folder that is used in the place of one that cannot be written."""
    place = Path(tempfile.mkdtemp(prefix="rvgraph-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    warnings.warn(
        f"What is compiled cannot be kept in {folder}; it is kept in a temporary folder until Python ends. For one "
        'that lasts, set the environment variable PYTENSOR_FLAGS="base_compiledir=..." to a folder that can be '
        "written.",
        RuntimeWarning,
        stacklevel=2,
    )
    return place


def read(name: str) -> bytes | None:
    """Return the contents of a file, or None if it is not there or not whole; such a file is removed.

    Parameters
    ----------
    name : str
        Name of the file.
    """
    for folder in _places():
        path = folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.info("The file %s cannot be read (%s): its contents are computed again.", path, error)
            _remove(path)
            continue
        digest, data = content[:32], content[32:]
        if hashlib.sha256(data).digest() == digest:
            return data
        logger.info("The file %s is damaged: its contents are computed again.", path)
        _remove(path)
    return None


def write(name: str, data: bytes) -> None:
    """Keep contents under a name; where that is not possible, they are computed again by the next process.

    Parameters
    ----------
    name : str
        Name of the file; it tells what the contents are.
    data : bytes
        Contents.
    """
    folder = directory()
    temporary = folder / f".{uuid4().hex}"
    try:
        # PyTensor removes folders that are empty from its own when it compiles for C.
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(hashlib.sha256(data).digest() + data)
        temporary.replace(folder / name)
    except OSError as error:
        _remove(temporary)
        _say_once(folder, str(error))


@cache
def _say_once(folder: Path, reason: str) -> None:
    logger.warning("What is compiled cannot be kept in %s: %s", folder, reason)


def discard(name: str) -> None:
    """Remove a file whose contents are of no use.

    Parameters
    ----------
    name : str
        Name of the file.
    """
    for folder in _places():
        _remove(folder / name)


def _remove(path: Path) -> None:
    """Remove a file, or what lies in its place; whoever wants to write there will say if that was not possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.info("The file %s cannot be removed: %s", path, error)
