"""Operations without a lowering of their own: PyTensor's Numba implementation, called on arrays, or else Python's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.graph.traversal import toposort
from pytensor.link.numba.dispatch.basic import (
    numba_funcify,
    numba_funcify_and_cache_key,
    numba_funcify_default_op_cache_key,
)
from pytensor.tensor.random.type import RandomType

from graphs.backends.numba.compiler.callback import lower_callback
from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import View, affine, convert, kind_of
from graphs.backends.numba.library.intrinsics import plain_pointer
from graphs.backends.numba.lowering.shaping import represent
from graphs.errors import BackendError


def called_back(graphs: Sequence[Variable]) -> list[str]:
    """Return the names of the operations in graphs for which compiled programs call Python.

    Parameters
    ----------
    graphs : sequence of Variable
        Any.
    """
    found: dict[str, None] = {}
    for node in toposort(list(graphs)):
        inner = getattr(node.op, "fgraph", None) if isinstance(node.op, HasInnerGraph) else None
        if inner is not None:
            found |= dict.fromkeys(called_back(inner.outputs))
        elif not _has_machine_code(type(node.op)):
            found[str(node.op)] = None
    return list(found)


def _has_machine_code(kind: type[Op]) -> bool:
    """Whether a class of operations has a lowering, of ours or of PyTensor."""
    registries = (lower, numba_funcify, numba_funcify_default_op_cache_key, numba_funcify_and_cache_key)
    return any(registry.dispatch(kind) is not registry.dispatch(object) for registry in registries)


def lower_foreign(op: Op, node: Apply, generator: Generator, core_node: Apply | None = None) -> None:
    """Call PyTensor's implementation on arrays and copy the results; an error makes the program fail.

    Without one, and for operations that draw, Python is called back.

    Parameters
    ----------
    op : Op
        The operation to call.
    node : Apply
        Its inputs and outputs.
    generator : Generator
        Receives the statements.
    core_node : Apply, optional
        A node of ``op`` on variables without the leading batch dimensions that those of ``node`` have.
    """
    core_node = node if core_node is None else core_node
    is_random = any(isinstance(variable.type, RandomType) for variable in node.inputs)
    function = None if is_random else generator.script.foreign(op, core_node)
    if function is None:
        lower_callback(node, generator)
        return
    generator.script.names |= {"carray": numba.carray, "plain_pointer": plain_pointer}
    dims = [getattr(variable.type, "ndim", 0) for variable in core_node.inputs]
    core_dims = [getattr(variable.type, "ndim", 0) for variable in core_node.outputs]
    num_batch = len(generator.shape(node.outputs[0])) - core_dims[0]
    names = [f"b{d}" for d in range(num_batch)]
    body: list[str] = []
    arrays: list[View] = []
    arguments = [
        _argument(generator, variable, ndim, names, body, arrays)
        for variable, ndim in zip(node.inputs, dims, strict=True)
    ]
    results = [generator.name("result") for _ in node.outputs]
    packed = results[0] if len(results) == 1 else generator.name("results")
    body.append(f"{packed} = {function}({', '.join(arguments)})")
    if len(results) > 1:
        body += [f"{name} = {packed}[{i}]" for i, name in enumerate(results)]
    step = len(generator.steps)
    views = [generator.array(variable, step=step) for variable in node.outputs]
    for variable, name, view in zip(node.outputs, results, views, strict=True):
        body += _copy_result(variable, name, view, names)
    generator.script.can_fail = True
    batch = generator.shape(node.outputs[0])[:num_batch]
    lines = ["try:", *("    " + line for line in loop_nest(batch, names, body)), "except Exception:", "    ok = False"]
    generator.append(lines, [*arrays, *views])
    for variable, view in zip(node.outputs, views, strict=True):
        represent(generator, variable, view)


def _argument(
    generator: Generator, variable: Variable, ndim: int, names: list[str], lines: list[str], arrays: list[View]
) -> str:
    """Return the expression of an argument: an array of ``ndim`` dimensions over contiguous memory, or a number."""
    if not hasattr(variable.type, "dtype"):
        if isinstance(variable, Constant):
            name = generator.name("argument")
            generator.script.names[name] = variable.data
            return name
        raise BackendError(f"The Numba backend cannot pass {variable} of type {variable.type}.", "numba")
    dtype, shape = variable.type.dtype, generator.shape(variable)
    kind, core = kind_of(dtype), shape[len(shape) - ndim :]
    name = generator.name("a")
    if generator.is_scalar(variable):
        number = f"np.{_exact(dtype)}({convert(*generator.operand(variable), kind)})"
        lines.append(
            f"{name} = np.full({core}, {number})" if hasattr(variable.type, "broadcastable") else f"{name} = {number}"
        )
        return name
    view = generator.view(variable, contiguous=True)
    if (view.buffer.storage == "f") != (kind == "f"):
        # Integer inputs of the program are stored as floats.
        view = generator.copy(view, _shadow(generator, variable))
    arrays.append(view)
    leading = shape[: len(shape) - ndim]
    skipped = len(names) - len(leading)
    index = ["0" if n == 1 else names[skipped + d] for d, n in enumerate(leading)] + ["0"] * ndim
    offset = affine(view.offset, list(zip(view.strides, index, strict=True)))
    pointer = f"{generator.pointer_function(view.buffer)}({view.buffer.name}, {offset})"
    lines.append(f"{name} = carray(plain_pointer({view.buffer.name if offset == '0' else pointer}), {core})")
    if kind != "f" and dtype != "int64":
        lines.append(f"{name}_ = {name}.astype(np.{_exact(dtype)})")
        name += "_"
    return name


def _shadow(generator: Generator, variable: Variable) -> Variable:
    """Return a variable of the same type and shape, to own a copy in other storage."""
    shadow = variable.type()
    generator.shapes[shadow] = generator.shape(variable)
    return shadow


def _exact(dtype: str) -> str:
    """Return the NumPy name of the dtype that values of a dtype are computed in."""
    if np.dtype(dtype).kind == "f":
        return "float64"
    return "bool_" if dtype == "bool" else dtype


def _copy_result(variable: Variable, name: str, view: View, names: list[str]) -> list[str]:
    """Return the statements that copy a result into memory, at one position of the batch."""
    kind: Any = "?"
    core = view.shape[len(names) :]
    if not hasattr(variable.type, "broadcastable"):
        return [view.store(names, convert(name, kind, view.kind), view.kind)]
    index = [f"i{d}" for d in range(len(core))]
    element = convert(f"{name}[{', '.join(index) or '()'}]", kind, view.kind)
    return loop_nest(core, index, [view.store([*names, *index], element, view.kind)])


lower.register(object)(lower_foreign)
