"""Functions that Numba compiles as part of whatever calls them.

A function of its own, however small, costs Numba 0.05 to 0.2 s, and the machine code around it is optimised once more
for each level of calls. Numba inlines before it derives types, so that none of this happens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, cast

from numba import njit
from numba.core.compiler import DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NopythonRewrites
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    InlineInlinables,
    IRProcessing,
    TranslateByteCode,
)

from graphs.backends.numba.translation.compiler import Translating


class _Inlined:
    """A function that stays ordinary Python when Python calls it, however deep in loops.

    Parameters
    ----------
    function : callable
        Of positional arguments.
    """

    def __init__(self, function: Callable[..., Any]):
        update_wrapper(self, function)
        self.py_func = function
        self._dispatcher = njit(inline="always")(function)
        # What Numba looks for where it inlines.
        self.targetoptions = self._dispatcher.targetoptions
        self._numba_type_ = self._dispatcher._numba_type_

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)


def inlined[F: Callable[..., Any]](function: F) -> F:
    """Let compiled code hold a function wherever it calls it; Python calls it as it is.

    Loops over elements had better be ``numba.njit(inline="always")``, which is compiled also when Python calls it.

    Parameters
    ----------
    function : callable
        Of positional arguments; compiled callers must not pass it to others.
    """
    return cast("F", _Inlined(function))


class _Worker:
    """What is asked for the intermediate code of each function that is inlined."""

    def __init__(self, worker: Any):
        self._worker = worker
        worker._compiler_pipeline = _first_passes

    def inline_function(self, caller: Any, block: Any, position: int, function: Any) -> Any:
        """Inline a function at a call.

        Numba makes two copies of the code to be inlined, as a caller may want the original. This is made for the one
        call, so a "copy" of its blocks is the blocks.
        """
        callee = self._worker.run_untyped_passes(function)
        blocks = list(callee.blocks.values())
        for inlined_block in blocks:
            inlined_block.__deepcopy__ = partial(_itself, inlined_block)
        result = self._worker.inline_ir(caller, block, position, callee, function.__code__.co_freevars)
        for inlined_block in blocks:
            del inlined_block.__deepcopy__
        return result


def _itself(block: Any, memo: Any) -> Any:
    return block


def _first_passes(state: Any) -> PassManager:
    """Return what has to be done to a function before it is inlined; the rest is done to the whole."""
    passes = PassManager("inlined")
    for kind in (TranslateByteCode, FixupArgs, IRProcessing, GenericRewrites):
        passes.add_pass(kind, kind.__name__)
    passes.finalize()
    return passes


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlineFromTheTop(InlineInlinables):
    """Inlines a function as it is written, then what it calls.

    Numba would inline into what is to be inlined, and so copy the innermost functions once for each level of calls.
    """

    _name = "inline_from_the_top"

    def _do_work(self, *arguments: Any) -> Any:
        return super()._do_work(*arguments[:-1], _Worker(arguments[-1]))


class KernelCompiler(Translating):
    """Compiles functions that are made of many inlined ones: ``njit(pipeline_class=KernelCompiler)``.

    They do arithmetic on elements: expressions of whole arrays, for which Numba would search, they have not.
    """

    def define_pipelines(self) -> list[Any]:
        """Return Numba's passes, but for the one that inlines."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_InlineFromTheTop, what) if kind is InlineInlinables else (kind, what)
            for kind, what in passes.passes
            if kind is not NopythonRewrites
        ]
        passes.finalize()
        return [passes]
