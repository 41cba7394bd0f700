"""Functions made of generated source, under names that say all that their machine code depends on."""

from __future__ import annotations

import linecache
import sys
import uuid
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from graphs.backends.numba.machine_code.reachable import digest_of


def define(
    source: str, name: str, names: Mapping[str, Any], known: Mapping[str, str | None] | None = None
) -> tuple[FunctionType, str | None]:
    """Return the function ``PROGRAM`` that a source defines, under a name of its own.

    Parameters
    ----------
    source : str
        Python source.
    name : str
        Readable first part of the name.
    names : mapping of str to object
        Global names of the source.
    known : mapping of str to str, optional
        Of some of these, what stands for them in the name; see `digest_of`.

    Returns
    -------
    function : callable
        The function. Its module is of the same name.
    digest : str or None
        Of what can be reached from it; None if that cannot be told.
    """
    variables = {**names, "__name__": "PROGRAM"}
    exec(compile(source, f"<rvgraph {name}>", "exec"), variables)
    function = variables["PROGRAM"]
    digest = digest_of(function, known or {})
    return renamed(function, f"rvgraph_{name}_{digest or uuid.uuid4().hex}", names, source), digest


def renamed(function: FunctionType, name: str, names: Mapping[str, Any], source: str = "") -> FunctionType:
    """Return a function under another name, in a module of that name, with other global names.

    Symbols of equal name and different body are merged by LLVM: every function gets a name that nothing else has.

    Parameters
    ----------
    function : callable
        Without closure.
    name : str
        Name of the result and of its module.
    names : mapping of str to object
        Its global names.
    source : str
        Begins with its definition; it is translated from there, and shown in messages.
    """
    module = ModuleType(name)
    vars(module).update({**names, "__name__": name})
    file = f"<{name}>"
    code = function.__code__.replace(co_name=name, co_qualname=name, co_filename=file)
    if source:
        code = code.replace(co_firstlineno=1)
    result = FunctionType(code, vars(module), name, function.__defaults__)
    setattr(module, name, result)
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    # Machine code read back from disk looks for its module by name.
    sys.modules[name] = module
    return result


def forget(function: FunctionType) -> None:
    """Let go of the module and the source of a function that has been compiled, or read back.

    Parameters
    ----------
    function : callable
        Of `renamed`.
    """
    sys.modules.pop(function.__name__, None)
    linecache.cache.pop(function.__code__.co_filename, None)
