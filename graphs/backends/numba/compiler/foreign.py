"""PyTensor's own Numba functions of operations, and what their machine code depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytensor
import pytensor.scalar.basic as ps
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key, numba_funcify_ensure_cache

from graphs.backends.numba.compiler.values import Operand, convert, kind_of
from graphs.backends.numba.machine_code.called import Called
from graphs.backends.numba.machine_code.constituents import is_foreign
from graphs.backends.numba.machine_code.reachable import digest_of
from graphs.errors import BackendError
from graphs.warned import filtered

if TYPE_CHECKING:
    from graphs.backends.numba.compiler.generator import Generator


def foreign_function(op: Op, node: Apply) -> tuple[Callable, str | None] | None:
    """Return PyTensor's Numba function of a node and what its machine code depends on, or None if there is none."""
    # PyTensor announces the object mode by a warning; to call Python is left to us.
    with filtered("error", "Numba will use object mode", UserWarning):
        try:
            if not is_foreign(type(op).__module__):
                own, _ = numba_funcify_and_cache_key(op, node=node)
                if isinstance(own, Called):
                    # PyTensor would wrap it, and have all of it optimised and translated once more for that.
                    return own, digest_of(own)
            function, key = numba_funcify_ensure_cache(op, node=node)
        except (UserWarning, NotImplementedError):
            return None
    if key is None:
        return function, None
    # The key says which of PyTensor's functions it is. Of others it may say nothing of what they do.
    digest = "" if is_foreign(type(op).__module__) else digest_of(function)
    return function, None if digest is None else f"{key} {digest} {pytensor.config.numba__fastmath}"


def call_foreign(
    generator: Generator,
    op: ps.ScalarOp,
    node: Apply | None,
    operands: Sequence[Operand],
    dtypes: Sequence[str],
    lines: list[str],
) -> list[Operand]:
    """Append the statements that call PyTensor's own Numba implementation of a scalar operation; return its results."""
    if node is None or not isinstance(node.op, ps.ScalarOp):
        raise TypeError(f"{op} needs a scalar node.")
    function = generator.script.foreign(op, node)
    if function is None:
        raise BackendError(f"The Numba backend has no implementation of {op}; use backend='c'.", "numba", str(op))
    arguments = []
    for (expression, kind), variable in zip(operands, node.inputs, strict=True):
        expression = convert(expression, kind, kind_of(variable.type.dtype))
        narrow = variable.type.dtype not in ("float64", "int64", "bool", "float32")
        arguments.append(f"np.{variable.type.dtype}({expression})" if narrow else expression)
    names = [generator.name("t") for _ in dtypes]
    call = f"{function}({', '.join(arguments)})"
    if len(names) == 1:
        lines.append(f"{names[0]} = {_result(call, dtypes[0])}")
    else:
        packed = generator.name("t")
        lines.append(f"{packed} = {call}")
        lines.extend(f"{name} = {_result(f'{packed}[{i}]', dtypes[i])}" for i, name in enumerate(names))
    return [(name, kind_of(dtype)) for name, dtype in zip(names, dtypes, strict=True)]


def _result(expression: str, dtype: str) -> str:
    """Return a foreign function's result as float64, int64 or bool."""
    return convert(expression, "?", kind_of(dtype))
