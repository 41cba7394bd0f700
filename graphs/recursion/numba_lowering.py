"""Lowering of the forward recursion: calls of its C functions on the program's own memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.type import TensorType

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.values import Buffer, View, contiguous_strides, kind_of
from graphs.backends.numba.library.intrinsics import call_address
from graphs.backends.numba.lowering.shaping import represent
from graphs.recursion.loops.kernels import address, numbers_of, work_size
from graphs.recursion.loops.tables import Sizes
from graphs.recursion.op import ForwardRecursion, RecursionGradient, Traceback, sizes_of


@lower.register(ForwardRecursion)
def lower_forward(op: ForwardRecursion, node: Apply, generator: Generator) -> None:
    """Add the recursion."""
    sizes = sizes_of(op.num_steps, *(generator.shape(v) for v in node.inputs))
    _call("best" if op.mode == "max" else "forward", sizes, node.inputs, node.outputs, generator)


@lower.register(RecursionGradient)
def lower_gradient(op: RecursionGradient, node: Apply, generator: Generator) -> None:
    """Add the recursion backwards."""
    transition, emission, states, outer = node.inputs
    initial = generator.shape(states)[1:]
    sizes = sizes_of(op.num_steps, initial, generator.shape(transition), generator.shape(emission))
    _call("gradient", sizes, (transition, states, outer), node.outputs, generator)


@lower.register(Traceback)
def lower_traceback(op: Traceback, node: Apply, generator: Generator) -> None:
    """Add the way back."""
    transition, states, _ = (generator.shape(v) for v in node.inputs)
    sizes = sizes_of(states[0] - 1, states[1:], transition)
    _call("trace_back", sizes, node.inputs, node.outputs, generator, op.width, op.mode == "max")


def _call(
    name: str,
    sizes: Sizes,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    generator: Generator,
    *options: int,
) -> None:
    """Add a call on arrays of floats: inputs, outputs, scratch; then the sizes."""
    given = [_in_memory(variable, generator) for variable in inputs]
    step = len(generator.steps)
    written = [_written(variable, step, generator) for variable in outputs]
    work = _scratch(f"{name}_work", (work_size(name, sizes),), step, generator)
    numbers = generator.memory.fixed(np.array([address(name), *numbers_of(name, sizes, *options)]), name)
    arrays = [*given, *written, work]
    pointers = [_pointer(view.buffer, view.offset, generator) for view in arrays]
    pointers.append(_pointer(numbers, "1", generator))
    generator.script.names["call_address"] = call_address
    generator.append([f"call_address({numbers.name}[0], ({', '.join(pointers)}))"], arrays)
    for variable, view in zip(outputs, written, strict=True):
        represent(generator, variable, view)


def _in_memory(variable: Variable, generator: Generator) -> View:
    """Return a contiguous view, also of a single number."""
    if not generator.is_scalar(variable):
        return generator.view(variable, contiguous=True)
    return generator.copy(generator.read(variable), variable)


def _written(variable: Variable, step: int, generator: Generator) -> View:
    """Return memory for an output; states of paths are floats there."""
    kind = kind_of(variable.type.dtype)
    if kind == "f":
        return generator.array(variable, step=step)
    shape = generator.shape(variable)
    view = _scratch(variable.name, shape, step, generator)
    return View(view.buffer, kind, shape, contiguous_strides(shape), step=step)


def _scratch(name: str | None, shape: tuple[int, ...], step: int, generator: Generator) -> View:
    variable = TensorType("float64", shape)(name=name)
    generator.shapes[variable] = shape
    return generator.array(variable, step=step)


def _pointer(buffer: Buffer, offset: str, generator: Generator) -> str:
    return buffer.name if offset == "0" else f"{generator.pointer_function(buffer)}({buffer.name}, {offset})"
