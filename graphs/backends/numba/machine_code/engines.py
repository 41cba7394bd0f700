"""Machine code that is freed with what refers to it.

Numba adds whatever it compiles to one engine, which lives as long as the process and keeps 0.3 MB for each function:
hundreds of models took hundreds of megabytes. Here the machine code of a function is loaded into an engine of its own,
which is closed when nothing refers to the function any more. Until then its address may stand wherever something beside
it keeps the function alive.

All of LLVM's modules belong to one context, which a single thread may change at a time: the one that holds Numba's
lock. Garbage is collected in any thread, so an engine that is not used any more waits until the lock is free.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite.binding import newpassmanagers
from numba.core import config
from numba.core.codegen import JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock

_UNUSED: deque[Any] = deque()
"""Engines whose functions are gone; a deque, since any thread appends to it without a lock."""


class MachineCode(NamedTuple):
    """A C function as it is kept, and all that it takes to load it."""

    object_file: bytes
    entry: str  # the symbol of the function
    reload_init: tuple[Callable[[], Any], ...]  # what Numba runs before
    environments: tuple[Any, ...]  # Numba's, one for each function that is part of it


def separate(library: Any) -> None:
    """Give what has been compiled, but is in no engine yet, an engine of its own.

    Parameters
    ----------
    library : CodeLibrary
        Numba's.
    """
    library._codegen = JITCPUCodegen("rvgraph")


def close_library(library: Any) -> None:
    """Free what a library holds that is in an engine of its own; other libraries have taken copies of its functions.

    Parameters
    ----------
    library : CodeLibrary
        Numba's.
    """
    # Now and by hand: Numba's objects refer to each other in circles.
    library.codegen._engine._ee.close()
    close_modules(library)


def close_modules(library: Any) -> None:
    """Free the code that a library holds, none of which is in an engine.

    Parameters
    ----------
    library : CodeLibrary
        Numba's.
    """
    for module in (library._final_module, library._shared_module):
        if module is not None:
            module.close()


def load(owner: Any, code: MachineCode, target_context: Any) -> int:
    """Load machine code into an engine that lives as long as an object, and return the address of the function.

    Parameters
    ----------
    owner : object
        What is kept alive by whatever calls the address.
    code : MachineCode
        The function.
    target_context : CPUContext
        Numba's.
    """
    for prepare in code.reload_init:
        prepare()
    engine = _new_engine(target_context.codegen())
    # Threads may still be running machine code when Python ends.
    weakref.finalize(owner, _release, engine, code.environments).atexit = False
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
    engine.finalize_object()
    for environment in code.environments:
        place = engine.get_global_value_address(environment.env_name)
        ctypes.c_void_p.from_address(place).value = id(environment)
    return int(engine.get_function_address(code.entry))


def _new_engine(codegen: Any) -> llvm.ExecutionEngine:
    """Return an engine like Numba's, in which nothing is yet."""
    options = {"opt": config.OPT}
    codegen._customize_tm_options(options)
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(**options)
    nothing = llvm.parse_assembly(str(codegen._create_empty_module("rvgraph")))
    engine = llvm.create_mcjit_compiler(nothing, machine, use_lmm=config.USE_LLVMLITE_MEMORY_MANAGER)
    if config.ENABLE_PROFILING:
        engine.enable_jit_events()
    return engine


def _release(engine: llvm.ExecutionEngine, environments: tuple[Any, ...]) -> None:
    """Close an engine, now if nothing is being compiled; what it points to is alive until now."""
    _UNUSED.append(engine)
    lock = global_compiler_lock._lock
    # Held by this thread, it may be in the middle of anything.
    if not global_compiler_lock.is_locked() and lock.acquire(blocking=False):
        try:
            free_unused()
        finally:
            lock.release()


def free_unused() -> None:
    """Close the engines that are not used any more; whoever calls this holds Numba's lock."""
    while _UNUSED:
        _UNUSED.popleft().close()


def free_pass_managers() -> None:
    """Let llvmlite free its pass managers: 0.05 MB for each function and each module that Numba optimises.

    They have a method that frees them, behind one of the same name, of a class named before, that does nothing.
    Versions of llvmlite in which they are freed are left as they are.
    """
    freeing: Any = getattr(newpassmanagers, "NewPassManager", None)
    for name in ("ModulePassManager", "FunctionPassManager"):
        kind = getattr(newpassmanagers, name, None)
        if freeing is not None and kind is not None and kind._dispose is llvm.ffi.ObjectRef._dispose:
            kind._dispose = freeing._dispose
