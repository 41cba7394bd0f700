"""Functions that Numba compiles as part of whatever calls them.

A function of its own, however small, costs Numba 0.05 to 0.2 s, and the machine code around it is optimised once more
for each level of calls. Numba inlines before it derives types, so that none of this happens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, cast

from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.untyped_passes import InlineInlinables


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


def _without_inlining(state: Any) -> Any:
    """Return Numba's passes before types are derived, but for inlining."""
    passes = DefaultPassBuilder.define_untyped_pipeline(state)
    passes.passes = [entry for entry in passes.passes if entry[0] is not InlineInlinables]
    passes.finalize()
    return passes


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlineFromTheTop(InlineInlinables):
    """Inlines a function as it is written, then what it calls.

    Numba would inline into what is to be inlined, and so copy the innermost functions once for each level of calls.
    """

    _name = "inline_from_the_top"

    def _do_work(self, *arguments: Any) -> Any:
        worker = arguments[-1]
        worker._compiler_pipeline = _without_inlining
        return super()._do_work(*arguments)


class KernelCompiler(CompilerBase):
    """Compiles functions that are made of many inlined ones: ``njit(pipeline_class=KernelCompiler)``."""

    def define_pipelines(self) -> list[Any]:
        """Return Numba's passes, but for the one that inlines."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_InlineFromTheTop, what) if kind is InlineInlinables else (kind, what) for kind, what in passes.passes
        ]
        passes.finalize()
        return [passes]
