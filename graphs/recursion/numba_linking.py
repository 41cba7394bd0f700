"""PyTensor's own Numba linker, which ``.eval()`` uses, runs the operations by way of Python."""

from __future__ import annotations

from typing import Any

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import generate_fallback_impl, register_funcify_and_cache_key

from graphs.recursion.op import ForwardRecursion, RecursionGradient, Traceback
from graphs.warned import filtered


def _by_python(op: Op, node: Apply, **options: Any) -> tuple[Any, None]:
    # That this is slower does no harm here: programs of this package call machine code.
    with filtered("ignore", "Numba will use object mode", UserWarning):
        return generate_fallback_impl(op, node=node, **options), None


for _op in (ForwardRecursion, RecursionGradient, Traceback):
    register_funcify_and_cache_key(_op)(_by_python)
