"""What the machine code of a function depends on: everything that can be reached from it.

A name of machine code on disk has to change whenever the code would. Files do not tell: a function calls others, of
other files, that hold constants, tables and intrinsics, for which Numba looks in its registries. So the function is
followed to all of these, by what they are (bytecode, values), not by where they are written; objects of foreign
packages stand for themselves by name, and their packages by version.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from functools import cache
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from numba.core.dispatcher import Dispatcher

from graphs.backends.numba.machine_code.constituents import ATOMS, FOREIGN, Untold, parts_of


def digest_of(function: Any, known: Mapping[str, str | None] | None = None) -> str | None:
    """Return a hash of what the machine code of a function depends on; it is the same in every process.

    Parameters
    ----------
    function : callable
        Function, Numba function, class or type; a tuple of these.
    known : mapping of str to str, optional
        Of some global names of the function, what stands for their values; None if nothing can.

    Returns
    -------
    str or None
        A name-sized hash; None if it depends on something that cannot be told, so that it must not be kept.

    Examples
    --------
    >>> def twice(x):
    ...     return 2 * x
    >>> digest_of(twice) == digest_of(lambda x: 2 * x), digest_of(twice) == digest_of(lambda x: 3 * x)
    (True, False)
    """
    try:
        is_known = known is None and function in _DIGESTS
    except TypeError:  # what cannot be hashed
        is_known = False
    if is_known:
        return _DIGESTS[function]
    digest = _digest(function, known or {})
    if known is None and isinstance(function, (FunctionType, Dispatcher)):
        _DIGESTS[function] = digest
    return digest


_DIGESTS: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()


@cache
def versions_of_code() -> str:
    """Return the versions of what all machine code depends on."""
    packages = [f"{module.__name__} {module.__version__}" for module in FOREIGN]
    return ", ".join([platform.python_implementation(), sys.version, *packages])


def _digest(root: Any, known: Mapping[str, str | None]) -> str | None:
    walk = _Walk(known)
    try:
        walk.follow(root)
    except Untold:
        return None
    return walk.hash.hexdigest()[:24]


class _Walk:
    """Describes objects one after the other; each is a list of values and of numbers of other objects."""

    def __init__(self, known: Mapping[str, str | None]):
        self.hash = hashlib.sha256(versions_of_code().encode())
        self._known = known
        self._numbers: dict[int, int] = {}
        self._objects: list[Any] = []  # in the order of their numbers; kept alive, so that no other gets their id

    def follow(self, root: Any) -> None:
        """Describe an object and all that can be reached from it."""
        self.hash.update(self._refer(root).encode())
        for described in self._objects:  # grows on the way
            for part in parts_of(described, self._known if described is root else {}):
                self.hash.update(self._refer(part).encode() + b"\0")
            self.hash.update(b"\1")

    def _refer(self, part: Any) -> str:
        """Return the text of a value, or the number of an object."""
        if type(part) in ATOMS:
            return repr(part)
        number = self._numbers.setdefault(id(part), len(self._numbers))
        if number == len(self._objects):
            self._objects.append(part)
        return f"#{number}"
