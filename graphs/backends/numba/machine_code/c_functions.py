"""Sources compiled to C functions of one signature, each kept and shared as long as some program uses it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from weakref import WeakValueDictionary

import numba
from numba import types
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock

from graphs.backends.numba.machine_code.called import Called
from graphs.backends.numba.machine_code.engines import close_modules
from graphs.backends.numba.machine_code.kept import cfunc
from graphs.backends.numba.machine_code.source import define, forget

_FLOATS = types.CPointer(types.float64)
_INTEGERS = types.CPointer(types.int64)
_WORDS = types.CPointer(types.uint64)
SIGNATURE = types.float64(_FLOATS, _FLOATS, _FLOATS, _WORDS, _FLOATS, _INTEGERS, _FLOATS)
"""``double program(x, context, out, rng, fdata, idata, work)``."""

_FUNCTIONS: WeakValueDictionary[str, CFunc] = WeakValueDictionary()
"""Those that some program uses, by digest."""


def compile_function(
    source: str,
    name: str,
    names: Mapping[str, Any],
    known: Mapping[str, str | None] | None = None,
    parts: Mapping[str, str] | None = None,
) -> CFunc:
    """Compile the function ``PROGRAM`` of a source to a C function, unless its machine code is kept.

    Parameters
    ----------
    source : str
        Source that defines the function ``PROGRAM``, a placeholder for its final name.
    name : str
        Readable first part of the final name.
    names : mapping of str to object
        Global names of the source.
    known : mapping of str to str, optional
        Of some of these, what stands for them in the name of the machine code; None if that cannot be told, so that it
        is neither kept on disk nor shared.
    parts : mapping of str to str, optional
        Functions that it calls, by name: their sources, each of a function ``PROGRAM``.
    """
    names, known = dict(names), dict(known or {})
    # A module that one thread is done with may be that of the function that another compiles.
    with global_compiler_lock, ExitStack() as afterwards:
        for part, text in (parts or {}).items():
            called, digest = define(text, f"{name}_{part}", names, known)
            afterwards.callback(forget, called)
            dispatcher = Called(called, numba.njit(error_model="numpy")(called))
            afterwards.callback(_close, dispatcher)
            names[part], known[part] = dispatcher, digest
        function, digest = define(source, name, names, known)
        afterwards.callback(forget, function)
        compiled = None if digest is None else _FUNCTIONS.get(digest)
        if compiled is None:
            compiled = cfunc(SIGNATURE, name, digest, error_model="numpy")(function)
            if digest is not None:
                _FUNCTIONS[digest] = compiled
        return compiled


def _close(dispatcher: Any) -> None:
    """Free what was compiled of a part, of which the whole has a copy."""
    for result in dispatcher.overloads.values():
        close_modules(result.library)
