"""Lowering of the forward recursion: the loops on the program's own memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numba
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable

from graphs.backends.numba import recursion_kernels
from graphs.backends.numba.generator import Generator, lower
from graphs.backends.numba.intrinsics import plain_pointer
from graphs.backends.numba.shaping import represent
from graphs.backends.numba.values import View
from graphs.recursion import Dimensions, ForwardRecursion, RecursionGradient, Traceback


@lower.register(ForwardRecursion)
def lower_forward(op: ForwardRecursion, node: Apply, generator: Generator) -> None:
    """Add the recursion."""
    d = Dimensions(op.num_steps, *(generator.shape(v) for v in node.inputs))
    numbers = (*d.numbers, *d.emission_strides, op.mode == "max")
    _call("forward", node.inputs, node.outputs, d.num_states + d.size, numbers, generator)


@lower.register(RecursionGradient)
def lower_gradient(op: RecursionGradient, node: Apply, generator: Generator) -> None:
    """Add the recursion backwards."""
    initial, transition, emission, total, states, outer = node.inputs
    d = Dimensions(op.num_steps, *(generator.shape(v) for v in (initial, transition, emission)))
    sizes = (prod(generator.shape(transition)), prod(generator.shape(emission)))
    numbers = (*d.numbers, *d.emission_strides, *sizes)
    _call("gradient", (transition, states, total, outer), node.outputs, 3 * d.num_states + d.size, numbers, generator)


@lower.register(Traceback)
def lower_traceback(op: Traceback, node: Apply, generator: Generator) -> None:
    """Add the way back."""
    transition, states, _ = (generator.shape(v) for v in node.inputs)
    d = Dimensions(states[0] - 1, states[1:], transition)
    numbers = (*d.numbers, op.width, op.mode == "max")
    _call("trace_back", node.inputs, node.outputs, d.num_states, numbers, generator)


def _call(
    kernel: str,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    work_size: int,
    numbers: Sequence[int],
    generator: Generator,
) -> None:
    """Add a call on flat arrays: inputs, outputs, scratch."""
    name = f"recursion_{kernel}"
    generator.names |= {
        name: getattr(recursion_kernels, kernel),
        "carray": numba.carray,
        "plain_pointer": plain_pointer,
    }
    given = [_in_memory(variable, generator) for variable in inputs]
    step = len(generator.steps)
    written = [generator.array(variable, step=step) for variable in outputs]
    scratch = pt.vector(f"{kernel}_work", dtype="float64", shape=(work_size,))
    generator.shapes[scratch] = (work_size,)
    work = generator.array(scratch, step=step)
    arrays = [*given, *written, work]
    arguments = [*(_flat(view, generator) for view in arrays), *(str(n) for n in numbers)]
    generator.append([f"{name}({', '.join(arguments)})"], arrays)
    for variable, view in zip(outputs, written, strict=True):
        represent(generator, variable, view)


def _in_memory(variable: Variable, generator: Generator) -> View:
    """Return a contiguous view, also of a single number."""
    if not generator.is_scalar(variable):
        return generator.view(variable, contiguous=True)
    return generator.copy(generator.read(variable), variable)


def _flat(view: View, generator: Generator) -> str:
    pointer = f"{generator.pointer_function(view.buffer)}({view.buffer.name}, {view.offset})"
    base = view.buffer.name if view.offset == "0" else pointer
    return f"carray(plain_pointer({base}), ({prod(view.shape)},))"
