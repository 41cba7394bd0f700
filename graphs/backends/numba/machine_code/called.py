"""Functions that compiled code calls: compiled to what becomes part of their callers, not to machine code.

LLVM copies what compiled code calls into the callers and optimises it there. Numba, for each function and beforehand,
optimises it with copies of all that it calls, makes machine code of the whole, and a function that Python can call;
nothing ever runs these. Without, a first model takes a quarter less to compile, and its code is as fast.
"""

from __future__ import annotations

from typing import Any

import numba.core.dispatcher
from numba.core.codegen import JITCPUCodegen
from numba.core.compiler import CompileResult, Flags, compile_extra
from numba.core.registry import CPUDispatcher

from graphs.backends.numba.translation.compiler import OptimisedOnce, Translating
from graphs.once import once


class _Library(OptimisedOnce):
    """The code of a function that no machine code is made of."""

    serialize_using_object_code = OptimisedOnce.serialize_using_bitcode

    def _optimize_final_module(self) -> None:
        """Leave that to the callers: they know more."""

    def _finalize_final_module(self) -> None:
        """Let others copy it; Numba would load it."""
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return the null pointer."""
        return 0


class _Codegen(JITCPUCodegen):
    """Makes such libraries."""

    _library_class = _Library

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing: what Numba keeps of a function in Python belongs to the callers, too."""


@once
def _codegen() -> _Codegen:
    return _Codegen("rvgraph.called")


_FunctionCompiler: Any = numba.core.dispatcher._FunctionCompiler


class _Compiler(_FunctionCompiler):
    """Numba's, with other libraries and without functions for Python and C."""

    def _compile_core(self, args: Any, return_type: Any) -> CompileResult:
        description = self.targetdescr
        flags = Flags()
        description.options.parse_as_flags(flags, self.targetoptions)
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        library = _codegen().create_library(self.py_func.__name__)
        contexts = description.typing_context, description.target_context
        return compile_extra(*contexts, self.py_func, args, return_type, flags, self.locals, library, Translating)


class Called(CPUDispatcher):
    """A function whose callers are compiled; for Python, an ordinary function is compiled beside it.

    Parameters
    ----------
    function : callable
        The function.
    in_python : Dispatcher
        Numba's ordinary function, of the same one.
    """

    def __init__(self, function: Any, in_python: Any):
        options = in_python.targetoptions
        super().__init__(function, targetoptions=options)
        self._compiler = _Compiler(function, self.targetdescr, options, self.locals, Translating)
        self.in_python = in_python

    def add_overload(self, result: CompileResult) -> None:
        """Remember what callers copy; Python is told nothing of it."""
        self.overloads[tuple(result.signature.args)] = result

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it from Python."""
        return self.in_python(*arguments, **named)


class _Context:
    """What Numba asks when it reads a function."""

    def __init__(self, target_context: Any):
        self.typing_context = target_context.typing_context
        self.get_executable = target_context.get_executable

    def codegen(self) -> _Codegen:
        return _codegen()


def read_called(parts: Any, target_context: Any) -> CompileResult:
    """Return a function of the parts to which Numba reduced it.

    Parameters
    ----------
    parts : tuple
        Of ``CompileResult._reduce()``.
    target_context : CPUContext
        Numba's.
    """
    return CompileResult._rebuild(_Context(target_context), *parts)._replace(target_context=target_context)
