"""The packages that this one is installed with, `graphs` and `samplers`: others may have these names too.

A file of that name beside a script, or a distribution of that name, is what Python finds first. This module does its
work when it is imported, before the others.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
NAMES = ("graphs", "samplers")


def _found(name: str) -> Path | None:
    """Return the file or folder that Python imports by a name."""
    module = sys.modules.get(name)
    spec = None if module is not None and module.__spec__ is None else find_spec(name)
    if spec is None:
        origin = getattr(module, "__file__", None)
    else:
        origin = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
    if origin is None:
        return None
    path = Path(origin).resolve()
    return path.parent if path.stem == "__init__" else path


def check_companions() -> None:
    """Raise ImportError if what Python finds by the names of our packages is something else."""
    for name in NAMES:
        path = _found(name)
        if path != HOME / name:
            what = "there is none" if path is None else f"Python finds {path} by that name"
            raise ImportError(
                f"ppl needs the package {name!r} that it is installed with, but {what}: rename that, or take its "
                f"folder off the path of imports, so that {HOME / name} is found.",
                name=name,
            )
    for name in NAMES:
        try:
            import_module(name)
        except ImportError as error:
            if (error.name or "").partition(".")[0] not in NAMES:
                raise
            raise ImportError(
                f"The package {name!r} in {HOME} is not complete, or not the one that ppl is installed with ({error}): "
                f"if another distribution has put files there (pip list | grep -i {name}), uninstall it and install "
                "rvgraph again.",
                name=name,
            ) from error


check_companions()
