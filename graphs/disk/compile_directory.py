"""Where PyTensor compiles: parts of it cannot be imported if its folder cannot be made, so another is given to it.

A home that is read-only or full, a container without one, a mistyped path in ``PYTENSOR_FLAGS`` are no reason not to
run: what is compiled is then lost when Python ends. This module does its work when it is imported, before the others.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path


def _make_folders() -> None:
    """Import PyTensor and make the folders that it is configured for."""
    config = import_module("pytensor").config
    for folder in (Path(config.compiledir), Path(config.base_compiledir) / "numba"):
        folder.mkdir(parents=True, exist_ok=True)


def _configure(folders: dict[str, str]) -> None:
    """Give PyTensor other folders, also in processes that this one starts: of several flags the last counts."""
    flags = [os.environ.get("PYTENSOR_FLAGS", ""), *(f"{name}={folder}" for name, folder in folders.items())]
    os.environ["PYTENSOR_FLAGS"] = ",".join(flag for flag in flags if flag)
    if "pytensor" in sys.modules:
        # The configuration does not let them be changed once they have been read; that failed.
        config = sys.modules["pytensor"].config
        config._flags_dict.update(folders)
        for name in folders:
            vars(config._config_var_dict[name]).pop("val", None)
    else:
        for name in [name for name in sys.modules if name.startswith("pytensor.")]:
            del sys.modules[name]


def _settle() -> None:
    """Use a temporary folder if PyTensor cannot use the one that it is configured for."""
    try:
        _make_folders()
    except (OSError, ValueError) as error:
        temporary = tempfile.mkdtemp(prefix="rvgraph-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        _configure({"base_compiledir": temporary, "compiledir": f"{temporary}/compiled"})
        _make_folders()
        warnings.warn(
            f"PyTensor cannot use its folder for compiled code ({error}): a temporary one is used until Python ends. "
            'For one that lasts, set the environment variable PYTENSOR_FLAGS="base_compiledir=..." to a folder that '
            "can be written.",
            RuntimeWarning,
            stacklevel=2,
        )


_settle()
