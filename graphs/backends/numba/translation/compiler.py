"""Numba's compiler with a shorter way for functions that are plain enough; all others go the long way."""

from __future__ import annotations

from typing import Any

from numba.core import typing
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult, compile_result
from numba.core.environment import Environment
from numba.core.funcdesc import PythonFunctionDescriptor
from numba.core.targetconfig import ConfigStack

from graphs.backends.numba.translation.function import translate
from graphs.backends.numba.translation.unit import Unit
from graphs.backends.numba.translation.values import Untranslatable, Value, holds_arrays

REFUSED: dict[str, str] = {}
"""Why functions were left to Numba, by name: the last ones."""
_MOST_REFUSED = 200

_ACTIVE: list[Any] = []
"""Functions that are being translated, by the one thread that holds Numba's lock."""


class OptimisedOnce(JITCodeLibrary):
    """The code of a function, optimised once: when all that it calls is part of it.

    Numba optimises each function before that, too. A loop of up to some thirty steps is unrolled then, while its body
    is a few calls; when these are copied in, no loop is left that could take several elements at once, and their code
    is there thirty times. With all together LLVM sees how long a step is: logarithms of gamma functions of 12 elements
    take 0.23 us, not 0.85, sigmoids 0.045, not 0.15, and a fifth to a half of the time to compile. Numba also runs all
    passes twice over the whole, for the sake of reference counts, which translated functions do not have.
    """

    def _optimize_functions(self, ll_module: Any) -> None:
        """Leave that to the whole."""
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)


class Translating(Compiler):
    """Compiles a function by translating its source, or as Numba does where that is not possible."""

    def _compile_bytecode(self) -> CompileResult:
        state = self.state
        function = state.func_id.func
        try:
            if function in _ACTIVE or _calls_itself(function):
                raise Untranslatable("a function that calls itself")
            _ACTIVE.append(function)
            try:
                with ConfigStack().enter(state.flags.copy()):
                    return _compiled(state)
            finally:
                _ACTIVE.remove(function)
        except Exception as error:  # whatever is wrong, Numba's own compiler does it, or says what it is
            REFUSED[state.func_id.func_name] = f"{type(error).__name__}: {error}"
            if len(REFUSED) > _MOST_REFUSED:
                REFUSED.pop(next(iter(REFUSED)))
        return super()._compile_bytecode()


def _calls_itself(function: Any) -> bool:
    names = (function.__globals__.get(name) for name in function.__code__.co_names)
    return any(getattr(named, "py_func", None) is function for named in names)


def _compiled(state: Any) -> CompileResult:
    """Translate a function and return it as Numba does."""
    flags = state.flags
    if flags.boundscheck or flags.debuginfo:
        raise Untranslatable("checks that were asked for")
    function = state.func_id.func
    context = state.targetctx
    library = state.library
    if library is None:
        library = OptimisedOnce(context.codegen(), state.func_id.func_qualname)
        library.enable_object_caching()
    description = _described(state)
    environment = Environment.from_fndesc(description)
    inner = context.subtarget(environment=environment, fndesc=description, enable_nrt=False)
    module = library.create_ir_module(description.unique_name)
    with inner.push_code_library(library):
        unit = Unit(inner, state.typingctx, module, flags.error_model == "numpy")
        arguments = [Value(kind, None) for kind in description.argtypes]
        translate(unit, function, description, arguments, flags.forceinline)
        if flags.nrt and holds_arrays(description.restype):
            raise Untranslatable("an array is returned")
        inner.declare_env_global(module, inner.get_env_name(description))
        inner.post_lowering(module, library)
        library.add_ir_module(module)
        if not flags.no_cpython_wrapper:
            inner.create_cpython_wrapper(library, description, environment, None, release_gil=flags.release_gil)
        if not flags.no_cfunc_wrapper:
            inner.create_cfunc_wrapper(library, description, environment, None)
    entry = None
    if not flags.no_compile:
        entry = context.get_executable(library, description, environment)
        context.insert_user_function(entry, description, [library])
        state.reload_init.extend(library._reload_init)
    return compile_result(
        typing_context=state.typingctx,
        target_context=context,
        entry_point=entry,
        typing_error=None,
        type_annotation=None,
        library=library,
        call_helper=None,
        signature=typing.signature(description.restype, *description.argtypes),
        objectmode=False,
        lifted=(),
        fndesc=description,
        environment=environment,
        metadata=state.metadata,
        reload_init=state.reload_init,
    )


def _described(state: Any) -> Any:
    identity, flags = state.func_id, state.flags
    return PythonFunctionDescriptor(
        native=True,
        modname=identity.func.__module__,
        qualname=identity.func_qualname,
        unique_name=identity.unique_name,
        doc="",
        typemap=None,
        restype=state.return_type,
        calltypes=None,
        args=tuple(identity.arg_names),
        kws=(),
        mangler=state.targetctx.mangler,
        argtypes=tuple(state.args),
        inline=flags.forceinline,
        noalias=flags.noalias,
        abi_tags=[flags.get_mangle_string()],
        uid=identity.unique_id,
    )
