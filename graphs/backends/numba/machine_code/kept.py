"""Machine code kept on disk: under a name that says all that it depends on, with a hash that says whether it is whole.

Numba's own cache looks whether the file of a function has changed, not the files of what it calls, keeps an index
beside the code, and trusts both. Here a file holds the code of one function for one signature, and its name the hash
of what can be reached from the function (`digest_of`): there is no index, what is there is right, and what is damaged
is dropped and compiled again.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.caching import _Cache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.extending import is_jitted
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from graphs.backends.numba.machine_code import called
from graphs.backends.numba.machine_code.engines import MachineCode, close_library, free_unused, load, separate
from graphs.backends.numba.machine_code.reachable import digest_of, versions_of_code
from graphs.backends.numba.translation.compiler import Translating
from graphs.disk import kept_files


class CodeCache(_Cache):
    """Where Numba looks for the machine code of a function; the interface is Numba's.

    Parameters
    ----------
    name : str
        Readable first part of the names of files.
    digest : callable
        Returns a hash of what the code depends on, or None. It is called when the code is needed: what a function
        calls may be defined after it.
    """

    _ending = "code"

    def __init__(self, name: str, digest: Callable[[], str | None]):
        self._name = name
        self._digest = digest
        self._is_enabled = True

    @property
    def cache_path(self) -> str:
        """Where the files are."""
        return str(kept_files.directory())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for a signature, or None."""
        # What machine code needs. Numba would learn all of its implementations first, in 0.1 s: compiling does that.
        rtsys.initialize(target_context)
        name = self._file_name(sig, target_context.codegen())
        if name is None or (data := kept_files.read(name)) is None:
            return None
        try:
            return self._rebuilt(data, target_context)
        except Exception:  # whatever a file of another make, whose hash is right, may raise
            kept_files.discard(name)
            return None

    def _rebuilt(self, data: bytes, target_context: Any) -> Any:
        """Return what a file holds."""
        return CompileResult._rebuild(target_context, *pickle.loads(data))

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keep the code for a signature; if that is not possible, it is compiled again next time."""
        name = self._file_name(sig, data.codegen)
        if name is not None and not data.lifted and not data.library.has_dynamic_globals:
            kept_files.write(name, dumps(data._reduce()))

    def _file_name(self, sig: Any, codegen: Any) -> str | None:
        """Return the name of the file, or None if nothing is to be kept."""
        digests = (self._digest(), digest_of(tuple(sig.args) if hasattr(sig, "args") else tuple(sig)))
        if not self._is_enabled or None in digests:
            return None
        parts = f"{digests} {codegen.magic_tuple()} {versions_of_code()}"
        return f"{self._name}-{hashlib.sha256(parts.encode()).hexdigest()[:24]}.{self._ending}"

    def enable(self) -> None:
        """Use the cache."""
        self._is_enabled = True

    def disable(self) -> None:
        """Compile everything anew."""
        self._is_enabled = False

    def flush(self) -> None:
        """Do nothing: there is no index."""


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function when it is called, as ``numba.njit`` does.

    Parameters
    ----------
    cache : bool
        Whether it is kept, in a `CodeCache`: machine code if Python calls it, else what becomes part of callers.
    **options : object
        Those of ``numba.njit``.
    """
    # What calls it may be compiled to add up in any order, as PyTensor's functions are, and unless told otherwise Numba
    # lets what is called inherit that, for all later callers and for what is kept.
    options = {"fastmath": False, **options}
    translating = {"pipeline_class": Translating}

    def decorate(function: Callable[..., Any]) -> Any:
        compiled: Any = numba.njit(**(translating | options))(function)
        is_compiled = is_jitted(compiled)  # Numba may be told not to
        if not cache or not is_compiled:
            return compiled
        compiled._cache = CodeCache(function.__name__, lambda: digest_of(compiled))
        if "pipeline_class" in options:
            return compiled
        both = called.Called(function, compiled)
        both._cache = _BitcodeCache(function.__name__, lambda: digest_of(both))
        return both

    return decorate


class _BitcodeCache(CodeCache):
    """Where functions are kept that become part of compiled code."""

    _ending = "bitcode"

    def _rebuilt(self, data: bytes, target_context: Any) -> Any:
        return called.read_called(pickle.loads(data), target_context)


class _ObjectCache(CodeCache):
    """Where the machine code of C functions is kept; nothing is compiled as part of others, so there is no bitcode."""

    _ending = "object"

    def _rebuilt(self, data: bytes, target_context: Any) -> MachineCode:
        code = MachineCode(*pickle.loads(data))
        if not llvm.ObjectFileRef.from_data(code.object_file):
            raise ValueError("no object file")
        return code

    def save(self, sig: Any, code: MachineCode, target_context: Any) -> None:
        """Keep the code for a signature; if that is not possible, it is compiled again next time."""
        name = self._file_name(sig, target_context.codegen())
        if name is not None:
            kept_files.write(name, dumps(tuple(code)))


class OwnedCFunc(CFunc):
    """A C function whose machine code is freed with it; what calls its address has to refer to it."""

    # Numba's, which says nothing of their types.
    _targetdescr: Any
    _sig: Any
    _cache: Any
    _cache_hits: int
    _compile_uncached: Callable[[], Any]

    @global_compiler_lock
    def compile(self) -> None:
        """Read the machine code, or make it."""
        context = self._targetdescr.target_context
        code = self._cache.load_overload(self._sig, context)
        if code is None:
            code = self._made(context)
        else:
            self._cache_hits += 1
        self._wrapper_name = code.entry
        self._wrapper_address = load(self, code, context)
        # What was left unused in the meantime had to wait.
        free_unused()

    def _made(self, context: Any) -> MachineCode:
        """Compile it, and keep the machine code if it holds no addresses."""
        result = self._compile_uncached()
        separate(result.library)
        library = result.library
        try:
            is_whole = not library.has_dynamic_globals  # finishes it
            environments = tuple(result._find_referenced_environments())
            entry = result.fndesc.llvm_cfunc_wrapper_name
            code = MachineCode(library._get_compiled_object(), entry, tuple(result.reload_init), environments)
            if is_whole and not result.lifted:
                self._cache.save(self._sig, code, context)
        finally:
            close_library(library)
        return code


def cfunc(signature: Any, name: str, digest: str | None, **options: Any) -> Callable[[Callable[..., Any]], CFunc]:
    """Compile a function to a C function now, as ``numba.cfunc`` does, unless it is kept.

    Parameters
    ----------
    signature : Signature
        Numba's.
    name : str
        Readable first part of the names of files.
    digest : str or None
        Of what can be reached from the function; None if it must not be kept.
    **options : object
        Those of ``numba.cfunc``.
    """
    pipeline = {"pipeline_class": options.pop("pipeline_class", Translating)}
    whole = None if digest is None else digest_of((digest, options | pipeline))

    def decorate(function: Callable[..., Any]) -> CFunc:
        compiled: Any = OwnedCFunc(function, normalize_signature(signature), locals={}, options=options, **pipeline)
        compiled._cache = _ObjectCache(name, lambda: whole)
        compiled.compile()
        return compiled

    return decorate
